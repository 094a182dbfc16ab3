"""Writes docs/clients.md: what was seen, by whom, with which versions, on which day."""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from tests.clients.cases import MEANINGS, Case, Outcome
from tests.clients.listed import Client
from tests.clients.trial import result_of


class Seen(NamedTuple):
    """One client and its outcomes."""

    client: Client
    version: str
    outcomes: tuple[Outcome, ...]


_HEAD = """# Clients

What real clients show their users when the proxy stands between them and the face API. A run makes every
call below, fails if one of them goes wrong, and writes this page:

    ./run verify clients
    ./run python -m tests.clients --write docs/clients.md

Written on {day}. The proxy is a process of its own with the policy `config/policies/amazon-2020.toml`. The
face APIs are stand-ins with one answer each, which the SDKs have to turn into their own objects. They
demand their own key, for AWS a valid signature, which the proxy puts in; the callers have none. Before a
real recogniser the AWS clients see [the same](#a-real-recogniser).

What held in every case:

- a block was never retried: one attempt;
- nothing that was blocked or refused arrived at the face API, and no caller's token did;
- no outage was shown as a denial, and no denial as an outage;
- what the face API itself said (too many calls) came through, and the proxy retried nothing.

## How each is pointed at the sidecar

One address and one credential; the code of the calls stays as it is, and so do the client's retries.

| client | version | address and token |
|---|---|---|
"""
_CASES = """
## The cases

| case | what happens |
|---|---|
"""
_TABLE = """
## What they see

Attempts are calls that the proxy decided. Seconds are what the client's user waits for, all attempts and
pauses included; where a client draws its pauses by chance they differ from run to run.

| client | case | what the client sees | attempts at the proxy | seconds |
|---|---|---|---|---|
"""
_NOTES = """
## What to know

- **A block has no `Retry-After`**, as the Azure SDK waits for it whatever the status; and its status is
  neither 429 nor 5xx, as these are retried.
- **Where nothing could be decided or reached, clients retry as they do for the face API itself.** With a
  503 comes `Retry-After: 5`, which the Azure SDK and that of AWS for JavaScript keep to. Google's
  `batch_annotate_images` goes on for up to ten minutes unless its `timeout` says otherwise, and this run
  gives up after one; `annotate_image` makes one attempt.
- **compreface-sdk never raises.** Whatever is no result comes back as a dict with `message` and `code`:
  look for `result` in it.
- **A bad or expired token is no class of its own in the AWS SDKs**, only a code: the service's model, from
  which their classes are made, has none for it.
- **Google's client renews its credentials after a 401.** A bare access token cannot be renewed, so a
  `RefreshError` is all that is seen, without our reason; an API key is sent twice more.
- **With the token from the sidecar**, "expired token mid-session" puts a new token into the sidecar's file
  before the old one ends, as a platform does. The SDK fetches it, and the call succeeds.
"""


def write_page(seen: Sequence[Seen], real: Sequence[tuple[str, str, float]], day: date) -> str:
    """All of it. `real`: client, what it saw, seconds, before a real recogniser."""
    pointed = "".join(f"| {one.client.title} | {one.version} | {one.client.pointed} |\n" for one in seen)
    cases = "".join(f"| {case} | {MEANINGS[case]} |\n" for case in Case)
    rows = "".join(row(one, outcome) for one in seen for outcome in one.outcomes)
    return _HEAD.format(day=day) + pointed + _CASES + cases + _TABLE + rows + _NOTES + _real(real)


def row(one: Seen, outcome: Outcome) -> str:
    """One line of the table."""
    name, comma, rest = one.client.title.partition(",")
    cells = (
        f"{name} {one.version}{comma}{rest}",
        outcome.case,
        result_of(outcome.saw),
        str(outcome.attempts),
        f"{outcome.seconds:.2f}",
    )
    return f"| {' | '.join(cells)} |\n"


def _real(real: Sequence[tuple[str, str, float]]) -> str:
    head = """
## A real recogniser

A commercial customer compares two photographs of one person before the demo's face server (dlib):

| client | similarity | seconds |
|---|---|---|
"""
    return head + "".join(f"| {title} | {saw} | {seconds:.2f} |\n" for title, saw, seconds in real)

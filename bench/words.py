"""The prose of docs/performance.md."""

ABOUT = """\
How fast `moratorium` is beside proxies that apply the same policy. This page and its picture are written by
`{command}`; do not edit them by hand.

![Ratios to the peers and the goals](images/performance.svg)
"""

METHOD = """\
## How it was measured

Every target verifies an RS256 token (signature, issuer, audience, expiry), reads the organisation type,
denies `police` between two instants, and counts. Ours runs with everything that is on by default: an audit
record written to a file before each call goes on, metrics, limits, request ids. The peers write no audit.
HAProxy uses `jwt_verify` and a stick table, Envoy `jwt_authn` with its token cache and RBAC, nginx asks our
own decision service, and the last is what people write with FastAPI, PyJWT and httpx. The configurations
are in `bench/peers`.

Each proxy is one process, pinned to one core; wrk and the upstream (C, reads whole bodies, answers 300
bytes) share another. Rounds are interleaved: in each round every target runs every load before the next
round begins. Figures are medians over the rounds, ratios are of medians, and the range is that of the ratios
of single rounds. A run with any error is not reported; before and after each run the target must let one
call through and refuse police, expired, forged, foreign and missing tokens. CPU time is user and system time
of the proxy's processes.

Tokens in "a new token in each call" never repeat, so no cache helps. Memory is resident memory of all
processes of the target, less what it was after a few calls.

## How to repeat it

    ./run bench --out docs

On a machine with at least two cores that does nothing else, with wrk, HAProxy and a C compiler (Debian:
`apt-get install -y wrk haproxy gcc libc6-dev`). It takes about twenty minutes; `./run bench --quick`
shows in three whether everything works. Absolute figures differ between machines; ratios should hold.
"""

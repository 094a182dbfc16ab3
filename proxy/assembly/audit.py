"""The journal and its archive from settings."""

from collections.abc import Callable
from math import inf
from urllib.parse import urlsplit

from proxy.audit.archive import Archive, Keeping
from proxy.audit.checkpoint import Signer
from proxy.audit.journal import Journal, Terms
from proxy.audit.remote import RemoteWitness
from proxy.audit.sink import STDOUT, Sink
from proxy.audit.witness import Witness
from proxy.credentials.keyfiles import read_key
from proxy.distribution.address import context_of
from proxy.errors import KeySetInvalid, SettingsError
from proxy.policy.callers import Instant
from proxy.settings import Settings


def make_archive(settings: Settings, instance: str, clock: Callable[[], Instant]) -> Archive:
    """Nothing is opened yet. Raises `SettingsError`."""
    signer, witness = make_signer(settings), make_witness(settings, clock)
    if settings.audit_durability == "synced" and settings.audit_file == STDOUT:
        raise SettingsError(["MORATORIUM_AUDIT_DURABILITY: synced needs a file in MORATORIUM_AUDIT_FILE"])
    kept = signer is not None or witness is not None
    terms = Terms(
        signer=signer,
        witness=witness,
        checkpoint_records=settings.audit_checkpoint_records if kept else inf,
        checkpoint_seconds=settings.audit_checkpoint_seconds if kept else inf,
        outcomes=settings.audit_outcomes,
        synced=settings.audit_durability == "synced",
    )
    keeping = Keeping(
        settings.audit_rotate_bytes,
        settings.audit_rotate_seconds,
        settings.audit_compress,
        settings.audit_keep_seconds,
        settings.audit_keep_files,
    )
    return Archive(
        Journal(Sink(settings.audit_file, shared=settings.workers > 1), instance=instance, terms=terms),
        clock,
        keeping,
    )


def make_witness(settings: Settings, clock: Callable[[], Instant]) -> Witness | None:
    """Who is told of checkpoints, if anybody. Raises `SettingsError`."""
    where = settings.audit_witness
    if where is None:
        return None
    scheme = urlsplit(where).scheme
    if scheme not in ("http", "https"):
        return Witness(where, clock)
    ca_file, setting = settings.audit_witness_ca_file, "MORATORIUM_AUDIT_WITNESS_CA_FILE"
    context = context_of(ca_file, setting) if scheme == "https" else None
    file = settings.audit_witness_token_file
    if file is None:
        return RemoteWitness(where, clock, context=context)
    read_key(file)  # wrong from the beginning: nobody should learn that from the first checkpoint
    return RemoteWitness(where, clock, token=lambda: read_key(file).reveal(), context=context)


def make_signer(settings: Settings) -> Signer | None:
    """The key for checkpoints, if one is set. Raises `SettingsError`."""
    path = settings.audit_key_file
    if path is None:
        return None
    try:
        return Signer(path.read_bytes())
    except OSError as error:
        raise SettingsError([f"MORATORIUM_AUDIT_KEY_FILE: {path}: {error.strerror}"]) from None
    except KeySetInvalid as error:
        raise SettingsError([f"MORATORIUM_AUDIT_KEY_FILE: {path}: {error.why}"]) from None

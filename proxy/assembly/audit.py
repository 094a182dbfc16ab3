"""The journal and its archive from settings."""

from collections.abc import Callable
from math import inf

from proxy.audit.archive import Archive, Keeping
from proxy.audit.checkpoint import Signer
from proxy.audit.journal import Journal, Terms
from proxy.audit.sink import STDOUT, Sink
from proxy.audit.witness import Witness
from proxy.errors import KeySetInvalid, SettingsError
from proxy.policy.callers import Instant
from proxy.settings import Settings


def make_archive(settings: Settings, instance: str, clock: Callable[[], Instant]) -> Archive:
    """Nothing is opened yet. Raises `SettingsError`."""
    signer, witness = make_signer(settings), settings.audit_witness
    if settings.audit_durability == "synced" and settings.audit_file == STDOUT:
        raise SettingsError(["MORATORIUM_AUDIT_DURABILITY: synced needs a file in MORATORIUM_AUDIT_FILE"])
    kept = signer is not None or witness is not None
    terms = Terms(
        signer=signer,
        witness=Witness(witness) if witness is not None else None,
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
    )
    return Archive(Journal(Sink(settings.audit_file), instance=instance, terms=terms), clock, keeping)


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

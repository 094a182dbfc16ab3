"""The files that settings name: which they are, and what stands in those that decisions depend on."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from proxy.authn.issuers import key_files_in
from proxy.credentials.keyfiles import files_named_in
from proxy.errors import PolicyError, SettingsError
from proxy.settings import Settings

Texts = Mapping[str, str]
"""What stands in files, by path."""


def files_of(settings: Settings) -> list[Path]:
    """The files whose change calls for a reload."""
    files = (
        *(settings.policy_file or ()),
        settings.registry_file,
        settings.revocations_file,
        settings.policy_key_file,
        settings.policy_ca_file,
        settings.issuers_file,
        settings.audit_subject_key_file,
        *_key_files_of(settings, _text_or_nothing(settings.issuers_file)),
        settings.tls_cert_file,
        settings.tls_key_file,
        settings.tls_client_ca_file,
        settings.upstream_ca_file,
        settings.upstream_client_cert_file,
        settings.upstream_client_key_file,
        settings.upstream_key_file,
        settings.upstream_keys_file,
        *(files_named_in(settings.upstream_keys_file) if settings.upstream_keys_file is not None else ()),
        settings.upstream_assertion_key_file,
    )
    return [file for file in files if file is not None]


def texts_of(settings: Settings) -> Texts:
    """What stands in the policy files, on which all workers must agree.

    Raises `PolicyError` naming every file that cannot be read.
    """
    return _texts(settings.policy_file or ())


def standing_texts_of(settings: Settings) -> Texts:
    """The same of the registry and the revocations file."""
    return _texts(file for file in (settings.registry_file, settings.revocations_file) if file is not None)


def identity_texts_of(settings: Settings) -> Texts:
    """The same of the issuers file, of the key files, which it may name itself, and of the key for subjects.

    Raises `SettingsError` naming every file that cannot be read.
    """
    try:
        files = (settings.issuers_file, settings.audit_subject_key_file)
        texts = _texts(file for file in files if file is not None)
        return {**texts, **_texts(_key_files_of(settings, texts.get(str(settings.issuers_file), "")))}
    except PolicyError as error:
        raise SettingsError(error.problems) from None


def _key_files_of(settings: Settings, issuers: str) -> list[Path]:
    if settings.issuers_file is not None:
        return key_files_in(issuers, settings.issuers_file)
    return [settings.jwt_key_file] if settings.jwt_key_file is not None else []


def _text_or_nothing(path: Path | None) -> str:
    try:
        return path.read_text("utf-8") if path is not None else ""
    except (OSError, UnicodeDecodeError):
        return ""


def _texts(paths: Iterable[Path]) -> Texts:
    texts: dict[str, str] = {}
    problems: list[str] = []
    for path in paths:
        try:
            texts[str(path)] = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            problems.append(f"{path}: {getattr(error, 'strerror', None) or 'not UTF-8 text'}")
    if problems:
        raise PolicyError(problems)
    return texts

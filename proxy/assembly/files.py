"""The files that settings name: which they are, and what stands in those that decisions depend on."""

from collections.abc import Mapping
from pathlib import Path

from proxy.errors import PolicyError
from proxy.settings import Settings


def files_of(settings: Settings) -> list[Path]:
    """The files whose change calls for a reload."""
    files = (
        *(settings.policy_file or ()),
        settings.jwt_key_file,
        settings.tls_cert_file,
        settings.tls_key_file,
        settings.tls_client_ca_file,
        settings.upstream_ca_file,
        settings.upstream_client_cert_file,
        settings.upstream_client_key_file,
    )
    return [file for file in files if file is not None]


def texts_of(settings: Settings) -> Mapping[str, str]:
    """What stands in the files that all workers must agree on, by path.

    Raises `PolicyError` naming every file that cannot be read.
    """
    texts: dict[str, str] = {}
    problems: list[str] = []
    for path in settings.policy_file or ():
        try:
            texts[str(path)] = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            problems.append(f"{path}: {getattr(error, 'strerror', None) or 'not UTF-8 text'}")
    if problems:
        raise PolicyError(problems)
    return texts

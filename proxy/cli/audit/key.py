"""`moratorium audit key`: whose signatures the log bears."""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

from proxy.assembly.audit import make_signer
from proxy.audit.checkpoint import Signer
from proxy.cli.audit.files import bytes_of
from proxy.errors import KeySetInvalid, SettingsError
from proxy.settings import read_settings


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--key", type=Path, help="PEM private key; default: the one in the settings")


def run(args: argparse.Namespace, env: Mapping[str, str]) -> int:
    sys.stdout.write(signer_of(args.key, env).public_pem.decode())
    return 0


def signer_of(path: Path | None, env: Mapping[str, str]) -> Signer:
    """The private key in a file, or that of the settings. Raises `SettingsError`."""
    if path is None:
        if not env.get("MORATORIUM_AUDIT_KEY_FILE"):
            raise SettingsError(["--key: is needed, or MORATORIUM_AUDIT_KEY_FILE with all other settings"])
        signer = make_signer(read_settings(env))
        if signer is None:
            raise SettingsError(["MORATORIUM_AUDIT_KEY_FILE: not set"])
        return signer
    try:
        return Signer(bytes_of(path))
    except KeySetInvalid as error:
        raise SettingsError([f"{path}: {error.why}"]) from None

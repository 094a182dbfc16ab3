"""Reads keys from files: one key, or one for each path prefix. Errors name the file, never what is in it."""

import tomllib
from pathlib import Path
from typing import Any

from proxy.credentials.secret import Secret, secret_of
from proxy.errors import CredentialUnavailable, SettingsError

MAX_BYTES = 64 * 1024


def read_key(path: Path) -> Secret:
    """The key in a file. Raises `SettingsError`."""
    try:
        return secret_of(_text_of(path))
    except CredentialUnavailable as error:
        raise SettingsError([f"{path}: {error.why}"]) from None


def read_keys(path: Path) -> dict[str, Secret]:
    """The keys of a TOML file: a table `keys` from path prefix to key, or to `{ file = "..." }`.

    Raises `SettingsError` with everything that is wrong with it.
    """
    keys, problems = {}, []
    entries = _entries(path)
    for prefix, said in entries.items():
        if not prefix.startswith("/") or "?" in prefix or "#" in prefix:
            problems.append(
                f"{path}: keys.{prefix!r}: is not the beginning of a path, such as /api/v1/detection"
            )
            continue
        file = _file_of(said, path)
        try:
            if file is not None:
                keys[prefix] = read_key(file)
            elif isinstance(said, str):
                keys[prefix] = secret_of(said)
            else:
                problems.append(f'{path}: keys.{prefix!r}: a key or {{ file = "..." }} is expected')
        except SettingsError as error:
            problems += error.problems
        except CredentialUnavailable as error:
            problems.append(f"{path}: keys.{prefix!r}: {error.why}")
    same = {prefix.rstrip("/") for prefix in keys}
    if len(same) < len(keys):
        problems.append(f"{path}: keys: two prefixes differ only in their last slash")
    if problems:
        raise SettingsError(problems)
    return keys


def files_named_in(path: Path) -> list[Path]:
    """The files that such a file names; none while it cannot be read."""
    try:
        entries = _entries(path)
    except SettingsError:
        return []
    return [file for file in (_file_of(said, path) for said in entries.values()) if file is not None]


def _entries(path: Path) -> dict[str, Any]:
    try:
        document = tomllib.loads(_text_of(path))
    except tomllib.TOMLDecodeError:
        # Its own words could quote a key.
        raise SettingsError([f"{path}: is not TOML"]) from None
    except CredentialUnavailable as error:
        raise SettingsError([f"{path}: {error.why}"]) from None
    keys = document.get("keys")
    if document.keys() != {"keys"} or not isinstance(keys, dict) or not keys:
        raise SettingsError([f"{path}: one table [keys] with at least one path prefix is expected"])
    return keys


def _file_of(said: object, beside: Path) -> Path | None:
    """A relative name is one beside the file that says it."""
    if isinstance(said, dict) and said.keys() == {"file"} and isinstance(said["file"], str):
        return beside.parent / said["file"]
    return None


def _text_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise CredentialUnavailable(f"it is larger than {MAX_BYTES} bytes")
        return content.decode("utf-8")
    except OSError as error:
        raise CredentialUnavailable(error.strerror or "cannot be read") from None
    except UnicodeDecodeError:
        raise CredentialUnavailable("it is not UTF-8 text") from None

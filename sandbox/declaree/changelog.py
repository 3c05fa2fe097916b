"""Stores the directory in a file: one line per change, written before the request is answered.

After a kill, the file holds every change that was answered. Each line goes to the operating system in one write, so
only a crash of the machine can lose it. An incomplete last line belongs to a request without an answer and is dropped.
Every start rewrites the file without its history.
"""

import json
import os
from pathlib import Path
from typing import Any, BinaryIO

from pydantic_core import to_json

from sandbox.declaree.directory import Directory, Entry


class UnreadableStateError(ValueError):
    """The state file has another content. The file is left unchanged."""


class Changelog:
    """The state file, open for appending. Implements ``ChangeListener``."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def put(self, entry: Entry, last_number: int) -> None:
        """Appends a new or changed entry, with the last number that was used for an id."""
        self._append({"put": entry.to_record(), "last_number": last_number})

    def delete(self, entry: Entry) -> None:
        """Appends the deletion of an entry."""
        self._append({"delete": [entry.kind, entry.id]})

    def record_api_key(self, key: str) -> None:
        """Appends a regenerated API key."""
        self._append({"api_key": key})

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def _append(self, line: dict[str, Any]) -> None:
        self._file.write(_encode_line(line))


def _encode_line(line: dict[str, Any]) -> bytes:
    return to_json(line) + b"\n"


def open_changelog(path: Path, directory: Directory) -> tuple[Changelog, str | None]:
    """Loads the file into the directory, compacts the file, and makes the directory report its changes to it.

    Returns the changelog and the last regenerated API key, or None in place of a key that was never regenerated.
    Raises ``UnreadableStateError`` for a file with another content.
    """
    try:
        api_key = _load(path, directory) if path.exists() else None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnreadableStateError(
            f"state file was not written by this sandbox ({path}): move it away or delete it"
        ) from error
    _compact(path, directory, api_key)
    changelog = Changelog(path.open("ab", buffering=0))
    directory.listener = changelog
    return changelog, api_key


def _load(path: Path, directory: Directory) -> str | None:
    entries: dict[tuple[str, str], Entry] = {}
    last_number, api_key = 0, None
    for line in _read_whole_lines(path):
        if "put" in line:
            entry = Entry.from_record(line["put"])
            entries[entry.kind, entry.id] = entry
        elif "delete" in line:
            kind, entry_id = line["delete"]
            del entries[kind, entry_id]
        api_key = line.get("api_key", api_key)
        last_number = max(last_number, line.get("last_number", 0))
    directory.load(entries.values(), last_number)
    return api_key


def _read_whole_lines(path: Path) -> list[dict[str, Any]]:
    content = path.read_bytes()
    whole, _, _incomplete = content.rpartition(b"\n")
    lines = [json.loads(line) for line in whole.splitlines()]
    if content and (not lines or "last_number" not in lines[0]):
        raise ValueError("the first line has no last_number")
    return lines


def _compact(path: Path, directory: Directory, api_key: str | None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    new_file = path.with_name(path.name + ".new")
    with new_file.open("wb") as file:
        file.write(_encode_line({"last_number": directory.last_number}))
        if api_key is not None:
            file.write(_encode_line({"api_key": api_key}))
        for entry in directory.list_entries():
            file.write(_encode_line({"put": entry.to_record()}))
        file.flush()
        os.fsync(file.fileno())
    new_file.replace(path)

"""Keeps the directory in a file: one line a change, written before the request is answered.

A process that is killed finds everything it has answered for. Each line goes to the operating system in one write,
so only a crash of the machine can lose it; a last line that was cut short belongs to a request that never got an
answer, and is dropped. The file is rewritten without history at every start.
"""

import json
import os
from pathlib import Path
from typing import Any, BinaryIO

from pydantic_core import to_json

from sandbox.declaree.directory import Directory, Entry


class UnreadableStateError(ValueError):
    """The file holds something else; it is left as it is."""


class Changelog:
    """Open for appending; satisfies the directory's ``Changes``."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def put(self, entry: Entry, last_number: int) -> None:
        self._append({"put": entry.record(), "last_number": last_number})

    def delete(self, entry: Entry) -> None:
        self._append({"delete": [entry.kind, entry.id]})

    def api_key(self, key: str) -> None:
        self._append({"api_key": key})

    def close(self) -> None:
        self._file.close()

    def _append(self, line: dict[str, Any]) -> None:
        self._file.write(_line(line))


def _line(line: dict[str, Any]) -> bytes:
    return to_json(line) + b"\n"


def open_changelog(path: Path, directory: Directory) -> tuple[Changelog, str | None]:
    """Fills the directory from the file, compacts the file, and lets the directory report its changes to it.

    Returns the changelog and the API key that was in force, if one was ever generated. Raises
    ``UnreadableStateError``.
    """
    try:
        api_key = _load(path, directory) if path.exists() else None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnreadableStateError(f"{path} is no state of this sandbox; move it away or delete it") from error
    _compact(path, directory, api_key)
    changelog = Changelog(path.open("ab", buffering=0))
    directory.changes = changelog
    return changelog, api_key


def _load(path: Path, directory: Directory) -> str | None:
    entries: dict[tuple[str, str], Entry] = {}
    last_number, api_key = 0, None
    for line in _whole_lines(path):
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


def _whole_lines(path: Path) -> list[dict[str, Any]]:
    text = path.read_bytes()
    whole, _, _cut_short = text.rpartition(b"\n")
    found = [json.loads(line) for line in whole.splitlines()]
    if text and (not found or "last_number" not in found[0]):
        raise ValueError("the first line is not ours")
    return found


def _compact(path: Path, directory: Directory, api_key: str | None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    with fresh.open("wb") as file:
        file.write(_line({"last_number": directory.last_number}))
        if api_key is not None:
            file.write(_line({"api_key": api_key}))
        for entry in directory.entries():
            file.write(_line({"put": entry.record()}))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)

"""The requests of the import once more, sent by a bare loop to a fresh Declaree."""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from benchmarks import loops
from benchmarks.report import Stage
from sandbox.installation import DECLAREE_KEY, Installation
from sandbox.stack.errors import StackError
from sandbox.stack.ports import free_port
from sandbox.stack.processes import Process, http_ready
from services.writer.settings import WriterSettings

PAGE = 5_000
MOST_DIFFERENT = 0.01
BASE = "/SCIM/v2"
CONCURRENCY: int = WriterSettings.model_fields["writer_concurrency"].default


async def run(installation: Installation, folder: Path, employees: int) -> Stage:
    """``employees`` is how many people the import was about: the stage is counted in these."""
    entries = await _journal(installation.declaree)
    file = await asyncio.to_thread(_written, entries, folder)
    port = free_port()
    command = (sys.executable, "-m", "sandbox.declaree", "--port", str(port), "--api-key", DECLAREE_KEY)
    state = ("--state", str(folder / "replayed.log"))
    url = f"http://127.0.0.1:{port}"
    async with Process(
        "declaree", (*command, *state), folder=folder, ready=http_ready(f"{url}/_control/health")
    ) as fresh:
        beside = {"sandbox declaree": fresh.pid}
        outcome = await loops.run("bare.replay", url + BASE, DECLAREE_KEY, str(CONCURRENCY), str(file), beside=beside)
    _check(entries, outcome.counts)
    return Stage("the import's requests to Declaree", employees, outcome.seconds, outcome.usage, requests=len(entries))


def _written(entries: list[dict[str, Any]], folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "journal.jsonl"
    file.write_text("".join(json.dumps(_call(entry), ensure_ascii=False) + "\n" for entry in entries), "utf-8")
    return file


async def _journal(url: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        while True:
            query = {"since": str(found[-1]["seq"] if found else 0), "limit": str(PAGE)}
            page = (await client.get(f"{url}/_control/journal", params=query)).json()["entries"]
            found += page
            if len(page) < PAGE:
                return found


def _call(entry: dict[str, Any]) -> dict[str, Any]:
    path = entry["path"] + ("?" + entry["query"] if entry["query"] else "")
    return {"method": entry["method"], "path": path, "body": entry["body"]}


def _check(entries: list[dict[str, Any]], replayed: Mapping[str, int]) -> None:
    """Raises ``StackError`` where the answers were not nearly the same: then other work was done.

    With so many on their way at once, somebody's manager may come later than in the import, and is then unknown.
    """
    asked = Counter(f"{entry['method']} {entry['status']}" for entry in entries)
    if (Counter(replayed) - asked).total() > len(entries) * MOST_DIFFERENT:
        raise StackError(f"the replay was answered differently: {dict(replayed)} instead of {dict(asked)}")

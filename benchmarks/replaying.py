"""The import's requests to Declaree, sent again by a bare loop to a fresh sandbox."""

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
from sandbox.stack.ports import reserve_port
from sandbox.stack.processes import Process, create_http_check
from services.writer.settings import WriterSettings

PAGE = 5_000
"""Entries per page of the journal."""

MAX_DIFFERENT = 0.01
"""Share of the requests that may be answered with another status than in the import."""

BASE = "/SCIM/v2"
"""Path of the sandbox's SCIM server."""

CONCURRENCY: int = WriterSettings.model_fields["writer_concurrency"].default
"""Requests in flight, as many as the writer's."""


async def run(installation: Installation, folder: Path, employees: int) -> Stage:
    """Returns the measurement of the bare loop, counted in the ``employees`` of the import.

    Raises ``StackError`` if the loop fails, or its answers differ from those of the import.
    """
    entries = await _read_journal(installation.declaree)
    file = await asyncio.to_thread(_write_journal, entries, folder)
    port = reserve_port()
    command = (sys.executable, "-m", "sandbox.declaree", "--port", str(port), "--api-key", DECLAREE_KEY)
    state = ("--state", str(folder / "replayed.log"))
    url = f"http://127.0.0.1:{port}"
    async with Process(
        "declaree", (*command, *state), folder=folder, ready=create_http_check(f"{url}/_control/health")
    ) as fresh:
        servers = {"sandbox declaree": fresh.pid}
        result = await loops.run("bare.replay", url + BASE, DECLAREE_KEY, str(CONCURRENCY), str(file), servers=servers)
    _check(entries, result.counts)
    return Stage("the import's requests to Declaree", employees, result.seconds, result.usage, requests=len(entries))


def _write_journal(entries: list[dict[str, Any]], folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "journal.jsonl"
    file.write_text("".join(json.dumps(_build_call(entry), ensure_ascii=False) + "\n" for entry in entries), "utf-8")
    return file


async def _read_journal(url: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = []
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        while True:
            query = {"since": str(entries[-1]["seq"] if entries else 0), "limit": str(PAGE)}
            page = (await client.get(f"{url}/_control/journal", params=query)).json()["entries"]
            entries += page
            if len(page) < PAGE:
                return entries


def _build_call(entry: dict[str, Any]) -> dict[str, Any]:
    path = entry["path"] + ("?" + entry["query"] if entry["query"] else "")
    return {"method": entry["method"], "path": path, "body": entry["body"]}


def _check(entries: list[dict[str, Any]], replayed: Mapping[str, int]) -> None:
    """Raises ``StackError`` if too many answers differ from those of the import: then the loop has done other work.

    A few answers may differ. The concurrent requests arrive in another order, so that a manager may not have an account yet.
    """
    recorded = Counter(f"{entry['method']} {entry['status']}" for entry in entries)
    if (Counter(replayed) - recorded).total() > len(entries) * MAX_DIFFERENT:
        raise StackError(f"the replay was answered differently: {dict(replayed)} instead of {dict(recorded)}")

"""Sends the requests of an import to a fresh Declaree, from a journal, with httpx over aiohttp.

python -m benchmarks.bare.replay URL KEY CONCURRENCY JOURNAL

JOURNAL is a file with one request per line as JSON: method, path with query, body. CONCURRENCY is the number of requests
in flight. The loop encodes bodies and decodes answers, but it translates no error and checks no answer. Declaree assigns
account ids in the order of the creations. So nearly every path leads to the same account as in the import, and all of
them lead to an account.
"""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import httpx
from yarl import URL

from benchmarks.bare.measuring import run_measured

Call = tuple[str, str, dict[str, Any] | None]
"""Method, URL and body of a request."""


class AiohttpTransport(httpx.AsyncBaseTransport):
    """A minimal transport of httpx over aiohttp."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Sends a request with aiohttp; returns the answer as one of httpx."""
        url, body = URL(str(request.url), encoded=True), await request.aread()
        headers = [(name.decode(), value.decode()) for name, value in request.headers.raw]
        async with self._session.request(request.method, url, headers=headers, data=body or None) as answer:
            return httpx.Response(answer.status, headers=answer.raw_headers, content=await answer.read())


def _read_calls(base: str, journal: str) -> list[Call]:
    lines = [json.loads(line) for line in Path(journal).read_text(encoding="utf-8").splitlines()]
    return [(line["method"], base + line["path"], line["body"]) for line in lines]


async def _worker(client: httpx.AsyncClient, calls: Iterator[Call], statuses: Counter[str]) -> None:
    for method, url, body in calls:
        content = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        answer = await client.request(method, url, content=content)
        answer.json()
        statuses[f"{method} {answer.status_code}"] += 1


async def _replay(calls: list[Call], key: str, concurrency: int) -> Counter[str]:
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/scim+json", "Accept-Encoding": "identity"}
    statuses: Counter[str] = Counter()
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=concurrency), auto_decompress=False)
    async with session, httpx.AsyncClient(transport=AiohttpTransport(session), headers=headers) as client:
        remaining = iter(calls)
        await asyncio.gather(*(_worker(client, remaining, statuses) for _ in range(concurrency)))
    return statuses


if __name__ == "__main__":
    url, key, concurrency, journal = sys.argv[1:]
    calls = _read_calls(url, journal)
    run_measured(lambda: _replay(calls, key, int(concurrency)))

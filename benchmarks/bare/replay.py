"""The requests of an import once more: a journal sent to a fresh Declaree by httpx over aiohttp, so many at once.

python -m benchmarks.bare.replay URL KEY CONCURRENCY JOURNAL

JOURNAL is a file of lines of JSON: method, path with query, body. Bodies are encoded and answers decoded, nothing else:
no error is translated, no answer looked at. Account ids are given by Declaree in the order of the creations, so nearly
every path meets the account that it met before, and all of them meet one.
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

from benchmarks.bare.outcome import timed

Call = tuple[str, str, dict[str, Any] | None]


class Carrier(httpx.AsyncBaseTransport):
    """As little as it takes to put aiohttp under httpx."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url, body = URL(str(request.url), encoded=True), await request.aread()
        headers = [(name.decode(), value.decode()) for name, value in request.headers.raw]
        async with self._session.request(request.method, url, headers=headers, data=body or None) as answer:
            return httpx.Response(answer.status, headers=answer.raw_headers, content=await answer.read())


def _calls(base: str, journal: str) -> list[Call]:
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
    async with session, httpx.AsyncClient(transport=Carrier(session), headers=headers) as client:
        remaining = iter(calls)
        await asyncio.gather(*(_worker(client, remaining, statuses) for _ in range(concurrency)))
    return statuses


if __name__ == "__main__":
    url, key, concurrency, journal = sys.argv[1:]
    prepared = _calls(url, journal)
    timed(lambda: _replay(prepared, key, int(concurrency)))

"""Fetch and decode: reads all pages of the list of employees one after the other, with aiohttp and json.

python -m benchmarks.bare.fetch URL CLIENT_ID CLIENT_SECRET [ATTRIBUTE ...]

Without attributes, it asks for all of them.
"""

import json
import sys
from collections import Counter

import aiohttp

from benchmarks.bare.measuring import run_measured

PAGE = 100
"""Employees per page."""


async def _read(url: str, client_id: str, client_secret: str, *attributes: str) -> Counter[str]:
    async with aiohttp.ClientSession(url) as session:
        async with session.post("/v1/auth", json={"client_id": client_id, "client_secret": client_secret}) as answer:
            token = json.loads(await answer.read())["data"]["token"]
        headers = {"Authorization": f"Bearer {token}"}
        count = 0
        while True:
            query = [("limit", str(PAGE)), ("offset", str(count)), *(("attributes[]", key) for key in attributes)]
            async with session.get("/v1/company/employees", params=query, headers=headers) as answer:
                answer.raise_for_status()
                page = json.loads(await answer.read())
            count += len(page["data"])
            if count >= page["metadata"]["total_elements"]:
                return Counter(employees=count)


if __name__ == "__main__":
    run_measured(lambda: _read(*sys.argv[1:]))

"""Fetches and decodes the pages of Personio that a preview reads, with the client of the product.

python -m benchmarks.previews.paging URL CLIENT_ID CLIENT_SECRET
"""

import asyncio
import sys
from collections import Counter

from pydantic import SecretStr

from benchmarks.bare.measuring import run_measured
from benchmarks.previews.draft import build_draft
from services.clients.personio.v1 import PersonioClient
from services.contracts.connections import PersonioAccess
from services.mapping.selection import select_attributes
from services.mapping.wanted import find_wanted_attributes
from services.runtime.clock import SystemClock


async def _read(url: str, client_id: str, client_secret: str) -> Counter[str]:
    access = PersonioAccess(url=url, client_id=client_id, client_secret=SecretStr(client_secret), insecure_http=True)
    async with PersonioClient(access, clock=SystemClock(), allow_private=True) as personio:
        selection = select_attributes(find_wanted_attributes(build_draft()), await personio.list_attributes())
        pages = personio.iterate_pages(selection.requested)
        counts = [sum(listed.read() is not None for listed in page.employees) async for page in pages]
        return Counter(employees=sum(counts), attributes=len(selection.requested))


if __name__ == "__main__":
    run_measured(lambda: _read(*sys.argv[1:]), new_loop=asyncio.new_event_loop)

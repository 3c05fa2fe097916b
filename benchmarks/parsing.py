"""Fetches and parses employees with the product's client, as a process like the bare loops.

python -m benchmarks.parsing URL CLIENT_ID CLIENT_SECRET
"""

import sys
from collections import Counter

from pydantic import SecretStr

from benchmarks.bare.measuring import run_measured
from services.clients.personio.v1 import PersonioClient
from services.contracts.connections import PersonioAccess
from services.runtime.clock import SystemClock


async def _parse(url: str, client_id: str, client_secret: str) -> Counter[str]:
    access = PersonioAccess(url=url, client_id=client_id, client_secret=SecretStr(client_secret), insecure_http=True)
    async with PersonioClient(access, clock=SystemClock(), allow_private=True) as personio:
        employees = [
            sum(listed.read() is not None for listed in page.employees) async for page in personio.iterate_pages()
        ]
        return Counter(employees=sum(employees))


if __name__ == "__main__":
    run_measured(lambda: _parse(*sys.argv[1:]))

"""The product's fetching and parsing, as a process like the bare loops.

python -m benchmarks.parsing URL CLIENT_ID CLIENT_SECRET
"""

import sys
from collections import Counter

from pydantic import SecretStr

from benchmarks.bare.outcome import timed
from services.clients.personio.client import PersonioClient
from services.contracts.connections import PersonioAccess
from services.runtime.clock import SystemClock


async def _parse(url: str, client_id: str, client_secret: str) -> Counter[str]:
    access = PersonioAccess(url=url, client_id=client_id, client_secret=SecretStr(client_secret))
    async with PersonioClient(access, clock=SystemClock()) as personio:
        return Counter(employees=sum([len(page.employees) async for page in personio.pages()]))


if __name__ == "__main__":
    timed(lambda: _parse(*sys.argv[1:]))

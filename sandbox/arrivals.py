"""What can be seen from outside while the product works: who arrives in Declaree, and who is still missing."""

from dataclasses import dataclass
from typing import Any

import httpx


@dataclass(frozen=True, slots=True)
class Tally:
    """Active employees in Personio, and how many of them have an enabled account in Declaree."""

    active: int
    arrived: int

    def __str__(self) -> str:
        return f"{self.arrived} of {self.active} active employees have an account"

    @property
    def complete(self) -> bool:
        return self.active == self.arrived


class Arrivals:
    """Looks at both sandboxes through their control APIs, never through the product."""

    def __init__(self, personio: str, declaree: str) -> None:
        self._personio = personio
        self._declaree = declaree
        self._http = httpx.AsyncClient(timeout=10, trust_env=False)
        self._seen = 0

    async def close(self) -> None:
        await self._http.aclose()

    async def tally(self) -> Tally:
        found = await self._get(f"{self._personio}/_control/employees?status=active")
        active = {str(person["id"]) for person in found["employees"]}
        enabled: set[str] = set()
        start = 0
        while True:
            page = (await self._get(f"{self._declaree}/_control/accounts?start={start}&limit=500"))["accounts"]
            enabled |= {account["external_id"] for account in page if account["enabled"] and account["external_id"]}
            start += len(page)
            if len(page) < 500:
                return Tally(len(active), len(active & enabled))

    async def someone(self) -> str:
        """The id of an active employee."""
        return str((await self._get(f"{self._personio}/_control/employees?status=active"))["employees"][0]["id"])

    async def news(self) -> list[str]:
        """One line for each write that Declaree has carried out since the last call."""
        page = await self._get(f"{self._declaree}/_control/journal?since={self._seen}&limit=1000")
        entries = page["entries"]
        if not entries:
            # a restarted sandbox counts its journal from 1 again
            self._seen = self._seen if page["last_seq"] >= self._seen else 0
            return []
        self._seen = entries[-1]["seq"]
        writes = [entry for entry in entries if entry["method"] != "GET" and (entry["status"] or 500) < 300]
        return [await self._line(entry) for entry in writes]

    async def _line(self, entry: dict[str, Any]) -> str:
        account, body = entry["account_id"], entry["body"] or {}
        if entry["method"] == "POST":
            name = body.get("name", {})
            return f"+ {name.get('givenName')} {name.get('familyName')}: account {account}"
        operations = body.get("Operations", [])
        changed = ", ".join(str(operation.get("path", "")).rpartition(":")[2] for operation in operations)
        return f"~ {await self._name(account)}: account {account}, {changed or 'replaced'}"

    async def _name(self, account: str) -> str:
        answer = await self._http.get(f"{self._declaree}/_control/accounts/{account}")
        found = answer.json() if answer.status_code == httpx.codes.OK else {}
        return f"{found.get('first_name')} {found.get('last_name')}"

    async def _get(self, url: str) -> Any:
        answer = await self._http.get(url)
        answer.raise_for_status()
        return answer.json()

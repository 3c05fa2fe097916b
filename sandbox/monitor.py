"""Observes the synchronisation through the control APIs of both sandboxes, independently of the product."""

from dataclasses import dataclass
from typing import Any

import httpx

ACCOUNTS_PAGE_SIZE = 500
"""Accounts per request to the control API of the sandbox Declaree."""


@dataclass(frozen=True, slots=True)
class AccountCount:
    """The progress of the synchronisation: how many active employees have an account."""

    active_employees: int
    """Number of active employees in Personio."""
    with_account: int
    """Number of active employees with an enabled account in Declaree."""

    def __str__(self) -> str:
        return f"{self.with_account} of {self.active_employees} active employees have an account"

    @property
    def is_complete(self) -> bool:
        """Whether every active employee has an enabled account."""
        return self.active_employees == self.with_account


class Monitor:
    """Reads employees, accounts and writes from the control APIs of the two sandboxes."""

    def __init__(self, personio: str, declaree: str) -> None:
        self._personio = personio
        self._declaree = declaree
        self._http = httpx.AsyncClient(timeout=10, trust_env=False)
        self._last_seq = 0

    async def close(self) -> None:
        """Closes the HTTP client."""
        await self._http.aclose()

    async def count_accounts(self) -> AccountCount:
        """Returns the number of active employees and of those with an account. Raises ``httpx.HTTPError``."""
        active = {str(employee["id"]) for employee in await self._list_active_employees()}
        enabled: set[str] = set()
        start = 0
        while True:
            url = f"{self._declaree}/_control/accounts?start={start}&limit={ACCOUNTS_PAGE_SIZE}"
            page = (await self._get(url))["accounts"]
            enabled |= {account["external_id"] for account in page if account["enabled"] and account["external_id"]}
            start += len(page)
            if len(page) < ACCOUNTS_PAGE_SIZE:
                return AccountCount(len(active), len(active & enabled))

    async def pick_employee_id(self) -> str:
        """Returns the id of the first active employee. Raises ``httpx.HTTPError``."""
        return str((await self._list_active_employees())[0]["id"])

    async def describe_new_writes(self) -> list[str]:
        """Returns one line for each successful write to Declaree since the last call. Raises ``httpx.HTTPError``."""
        page = await self._get(f"{self._declaree}/_control/journal?since={self._last_seq}&limit=1000")
        entries = page["entries"]
        if not entries:
            # a restarted sandbox numbers its journal from 1, so start from there as well
            self._last_seq = self._last_seq if page["last_seq"] >= self._last_seq else 0
            return []
        self._last_seq = entries[-1]["seq"]
        writes = [entry for entry in entries if entry["method"] != "GET" and (entry["status"] or 500) < 300]
        return [await self._describe_write(entry) for entry in writes]

    async def _describe_write(self, entry: dict[str, Any]) -> str:
        account, body = entry["account_id"], entry["body"] or {}
        if entry["method"] == "POST":
            name = body.get("name", {})
            return f"+ {name.get('givenName')} {name.get('familyName')}: account {account}"
        operations = body.get("Operations", [])
        changes = ", ".join(str(operation.get("path", "")).rpartition(":")[2] for operation in operations)
        return f"~ {await self._read_name(account)}: account {account}, {changes or 'replaced'}"

    async def _read_name(self, account_id: str) -> str:
        response = await self._http.get(f"{self._declaree}/_control/accounts/{account_id}")
        account = response.json() if response.status_code == httpx.codes.OK else {}
        return f"{account.get('first_name')} {account.get('last_name')}"

    async def _list_active_employees(self) -> list[dict[str, Any]]:
        body = await self._get(f"{self._personio}/_control/employees?status=active")
        employees: list[dict[str, Any]] = body["employees"]
        return employees

    async def _get(self, url: str) -> Any:
        response = await self._http.get(url)
        response.raise_for_status()
        return response.json()

"""Backups and losses for the recovery drills: MongoDB, Declaree, and what happens in Personio in between."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pymongo.asynchronous.database import AsyncDatabase

from tests.support.http import open_http
from tests.support.world import Sides, call_control, list_accounts

Document = dict[str, Any]

TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)")
"""A time as the store writes it."""
STRANGERS: tuple[tuple[str, Document], ...] = (
    ("administrator@example.com", {"roles": [{"value": "admin"}]}),
    ("contractor@example.com", {"externalId": "payroll-1029"}),
    ("closed@example.com", {"active": False}),
)
"""Address and other attributes of accounts without an employee: an administrator, one of another system, a disabled one."""


@dataclass(frozen=True, slots=True)
class Backup:
    """All collections of one database, as `mongodump` would store them."""

    documents: Mapping[str, list[Document]]
    """The documents of each collection."""
    indexes: Mapping[str, list[Document]]
    """The definitions of the indexes of each collection, without the index over ``_id``."""


async def back_up(database: AsyncDatabase[Document]) -> Backup:
    """Returns a backup, as the database is at one moment."""
    names = await database.list_collection_names()
    indexes = {name: [dict(index) async for index in await database[name].list_indexes()] for name in names}
    async with database.client.start_session(snapshot=True) as session:
        documents = {name: await database[name].find(session=session).to_list() for name in names}
    return Backup(documents, {name: [index for index in indexes[name] if index["name"] != "_id_"] for name in names})


async def restore(database: AsyncDatabase[Document], backup: Backup) -> None:
    """Replaces the database by the backup: collections that the backup does not have are gone."""
    await database.client.drop_database(database.name)
    for name, documents in backup.documents.items():
        await database.create_collection(name)
        if backup.indexes[name]:
            await database.command("createIndexes", name, indexes=backup.indexes[name])
        if documents:
            await database[name].insert_many(documents)


def age(value: Any, by: timedelta) -> Any:
    """Returns a document, or a part of one, with all times moved back, as it would be if that time had passed since then."""
    match value:
        case dict():
            return {key: age(item, by) for key, item in value.items()}
        case list():
            return [age(item, by) for item in value]
        case datetime():
            return value - by
        case str() if TIME.fullmatch(value):
            return (datetime.fromisoformat(value) - by).isoformat()
    return value


def age_backup(backup: Backup, by: timedelta) -> Backup:
    """Returns a backup as if it had been made earlier."""
    return Backup(age(dict(backup.documents), by), backup.indexes)


async def age_ledger(database: AsyncDatabase[Document], by: timedelta) -> None:
    """Moves the times of all ledger entries back, as if that time had passed. No change may be open."""
    async for entry in database["ledger"].find():
        result = await database["ledger"].replace_one({"_id": entry["_id"], "seq": entry["seq"]}, age(entry, by))
        assert result.matched_count == 1, f"the ledger entry {entry['_id']} was changed"


async def take_snapshot(sides: Sides, name: str) -> None:
    """Takes a backup of the accounts of the sandbox Declaree."""
    await _call_declaree(sides, "/snapshots", {"name": name})


async def restore_snapshot(sides: Sides, name: str) -> None:
    """Replaces the accounts of the sandbox Declaree by a backup. Its journal is kept."""
    await _call_declaree(sides, f"/snapshots/{name}/restore", {})


async def add_strangers(sides: Sides) -> dict[str, Document]:
    """Adds accounts that belong to no employee to the sandbox Declaree. Returns all of its accounts, by id."""
    for address, attributes in STRANGERS:
        account = {
            "userName": address,
            "emails": [{"value": address, "type": "work", "primary": True}],
            "name": {"givenName": "Ada", "familyName": "Stranger"},
            "active": True,
            **attributes,
        }
        await _call_declaree(sides, "/accounts", account)
    return {account["id"]: account for account in await list_accounts(sides)}


async def _call_declaree(sides: Sides, path: str, body: Document) -> None:
    async with open_http(base_url=f"{sides.declaree}/_control") as client:
        (await client.post(path, json=body)).raise_for_status()


@dataclass(frozen=True, slots=True)
class Turnover:
    """The ids of the employees that changed in Personio while something was lost."""

    joined: str
    """The new employee."""
    left: str
    """The employee that has left."""
    renamed: str
    """The employee with another last name."""
    moved: str
    """The employee with another manager."""

    @property
    def all(self) -> frozenset[str]:
        """All ids."""
        return frozenset({self.joined, self.left, self.renamed, self.moved})


async def change_employees(sides: Sides, round_number: int = 0) -> Turnover:
    """Lets one employee join, one leave, one change the name and one change the manager.

    Another ``round_number`` chooses other employees, so that a drill can have changes before and after its backup.
    """
    employees = (await call_control(sides, "GET", "/employees?status=active"))["employees"]
    ids = [str(employee["id"]) for employee in employees]
    manager, *others = ids
    left, renamed, moved = others[3 * round_number : 3 * round_number + 3]
    await call_control(sides, "POST", f"/employees/{left}/terminate")
    await call_control(sides, "POST", f"/employees/{renamed}/rename", last_name=f"Ostermann-{round_number}")
    await call_control(sides, "POST", f"/employees/{moved}/promote", supervisor=int(manager))
    joined = (await call_control(sides, "POST", "/employees"))["id"]
    return Turnover(joined=str(joined), left=left, renamed=renamed, moved=moved)

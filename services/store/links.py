"""Decisions of administrators about accounts that existed before, and the open ones that a writer asked for."""

import hashlib
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime

from pydantic import TypeAdapter
from pymongo import UpdateOne

from services.contracts.claims import Decision, LinkDecision
from services.contracts.damage import DocumentKind
from services.contracts.ids import AccountId, ConnectionId, PersonKey
from services.store.collection import Collection, Document, to_model
from services.store.damage_notes import DamageNotes
from services.store.errors import StoreFailedError

_TIME = TypeAdapter(datetime)


class Links:
    """The decisions of all connections, one document for each employee and account."""

    def __init__(self, collection: Collection, damage: DamageNotes) -> None:
        """``damage`` takes notes about decisions that cannot be read."""
        self._collection = collection
        self._damage = damage
        damage.add_check(DocumentKind.LINK, _read)

    async def read(self, people: Iterable[PersonKey]) -> dict[tuple[PersonKey, AccountId], LinkDecision]:
        """Returns the decisions about these employees, open ones included. Sends one query.

        Raises ``StoreFailedError`` for a damaged one: without it, an account could be linked that was refused.
        """
        documents = await self._collection.find({"person": {"$in": sorted({str(person) for person in people})}})
        decisions, problems = await self._damage.read_all(DocumentKind.LINK, documents, _read)
        for problem in problems.values():
            raise StoreFailedError(problem)
        return {(decision.person, decision.account_id): decision for decision in decisions}

    async def ask(self, asked: Sequence[LinkDecision]) -> None:
        """Stores open decisions. A decision that exists for the same employee and account stays as it is.

        If the account has another owner or shows other content, the existing decision was made about something else: it is
        replaced. A decision that is stored with its question also replaces an open one.
        """
        await self._collection.write_bulk([write for decision in asked for write in _build_question(decision)])

    async def withdraw(self, people: Iterable[PersonKey], asked: Iterable[LinkDecision]) -> int:
        """Removes the open decisions about these employees, except those in ``asked``. Returns their number."""
        kept = sorted(build_link_key(decision.person, decision.account_id) for decision in asked)
        of_people = {"person": {"$in": sorted({str(person) for person in people})}}
        return await self._collection.delete_all({**of_people, "open": True, "_id": {"$nin": kept}})

    async def decide(
        self, asked: LinkDecision, decision: Decision, now: datetime, *, account_hash: str | None = None
    ) -> LinkDecision | None:
        """Stores what an administrator decided, in place of an earlier decision, and returns it.

        ``asked`` is the decision as it was read, ``account_hash`` that of the account as the administrator saw it; None if it
        was not shown. Returns None if the decision is not stored, or is about other content or another owner by now.
        """
        document = await self._collection.update_and_get(
            {
                "_id": build_link_key(asked.person, asked.account_id),
                "account_hash": asked.account_hash,
                "former_owner": {"$exists": False} if asked.former_owner is None else asked.former_owner,
            },
            {
                "$set": {
                    "decision": decision.value,
                    "decided_at": _TIME.dump_python(now, mode="json"),
                    "account_hash": account_hash or asked.account_hash,
                },
                "$unset": {"open": True},
            },
        )
        return None if document is None else to_model(LinkDecision, document)

    async def page_open(self, connection: ConnectionId) -> AsyncIterator[tuple[LinkDecision, ...]]:
        """Yields the open decisions of a connection, in the order of their keys."""
        async for page in self._collection.iterate_pages({"connection_id": connection, "open": True}):
            yield tuple((await self._damage.read_all(DocumentKind.LINK, page, _read)).valid)

    async def count_open(self, connection: ConnectionId) -> int:
        """Returns the number of open decisions of a connection."""
        return await self._collection.count({"connection_id": connection, "open": True})

    async def forget(self, person: PersonKey) -> int:
        """Removes the decisions about one employee. Returns their number."""
        return await self._collection.delete_all({"person": str(person)})


def _read(document: Document) -> LinkDecision:
    return to_model(LinkDecision, document)


def build_link_key(person: PersonKey, account: AccountId) -> str:
    """Returns the ``_id`` of a decision: a hash in place of the account, which may contain any character."""
    return f"{person}/{hashlib.sha256(account.encode()).hexdigest()}"


def _build_question(decision: LinkDecision) -> tuple[UpdateOne, UpdateOne]:
    key = build_link_key(decision.person, decision.account_id)
    document: Document = {"person": str(decision.person), **decision.model_dump(mode="json", exclude_none=True)}
    if decision.decision is None:
        document["open"] = True
    is_outdated: list[Document] = [
        {"former_owner": {"$exists": True} if decision.former_owner is None else {"$ne": decision.former_owner}},
        {"account_hash": {"$ne": decision.account_hash}},
        *([{"open": True}] if decision.decision is not None else []),
    ]
    replaced: Document = {"_id": key, "$or": is_outdated}
    removed = {name: True for name in ("decision", "decided_at", "former_owner", "open") if name not in document}
    change = {"$set": document, **({"$unset": removed} if removed else {})}
    return UpdateOne(replaced, change), UpdateOne({"_id": key}, {"$setOnInsert": document}, upsert=True)

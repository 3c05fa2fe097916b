"""Claims: which employee owns which account and which external id on a server, across all connections.

Each claim is one document. Its ``_id`` is a hash of what is claimed, so that ids of any length and with any character are
unique by the index of ``_id``.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import TypeVar

from pymongo import UpdateOne

from services.contracts.claims import ClaimKind
from services.contracts.ids import AccountId, PersonKey
from services.store.collection import Collection
from services.store.errors import StoreFailedError

Id = TypeVar("Id", bound=str)


class Claims:
    """The claims of all connections. ``server`` is the normalised address of the server."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection

    async def find_owner(self, server: str, account: AccountId) -> PersonKey | None:
        """Returns the employee that owns the account; None if it has no owner.

        Raises ``StoreFailedError`` for a damaged claim: the account may be another employee's.
        """
        return await self._find_owner(ClaimKind.ACCOUNT, server, account)

    async def find_external_id_owner(self, server: str, external_id: str) -> PersonKey | None:
        """Returns the employee that owns the external id; None if it has no owner.

        Raises ``StoreFailedError`` for a damaged claim.
        """
        return await self._find_owner(ClaimKind.EXTERNAL_ID, server, external_id)

    async def _find_owner(self, kind: ClaimKind, server: str, claimed: str) -> PersonKey | None:
        key = hash_claim(kind, server, claimed)
        document = await self._collection.find_one({"_id": key}, ["owner"])
        if document is None:
            return None
        owner = _parse_owner(document.get("owner"))
        if owner is None:
            raise StoreFailedError(f"the stored claim {key} has no valid owner: correct or remove it")
        return owner

    async def find_owners(self, server: str, accounts: Iterable[AccountId]) -> dict[AccountId, PersonKey]:
        """Returns the owners of those accounts that have one. Sends one query. A damaged claim names no owner."""
        keys = {hash_claim(ClaimKind.ACCOUNT, server, account): account for account in accounts}
        stored = await self._read_owners(keys) if keys else {}
        owners = {keys[key]: _parse_owner(owner) for key, owner in stored.items()}
        return {account: owner for account, owner in owners.items() if owner is not None}

    async def read_owners(
        self, server: str, accounts: Iterable[AccountId], external_ids: Iterable[str]
    ) -> dict[tuple[ClaimKind, str], PersonKey | None]:
        """Returns the owner of each account and external id; None for one without an owner. Sends one query.

        A damaged claim is left out: whether an employee owns what it claims is unknown.
        """
        claimed = [(ClaimKind.ACCOUNT, account) for account in accounts] + [
            (ClaimKind.EXTERNAL_ID, id_) for id_ in external_ids
        ]
        keys = {hash_claim(kind, server, id_): (kind, id_) for kind, id_ in claimed}
        stored = await self._read_owners(keys) if keys else {}
        owners = {key: _parse_owner(owner) for key, owner in stored.items()}
        damaged = {key for key, owner in owners.items() if owner is None}
        return {one: owners.get(key) for key, one in keys.items() if key not in damaged}

    async def claim_accounts(self, server: str, owners: Mapping[AccountId, PersonKey]) -> frozenset[AccountId]:
        """Claims each account for its employee. Returns the accounts that another employee owns: they are not claimed.

        If two employees claim an account at the same time, one of them gets it. Repeating a call after a lost answer is
        safe.
        """
        return await self._claim(ClaimKind.ACCOUNT, server, owners)

    async def claim_external_ids(self, server: str, owners: Mapping[str, PersonKey]) -> frozenset[str]:
        """Claims each external id for its employee. Returns those that another employee owns: they are not claimed.

        If two employees claim an external id at the same time, one of them gets it. Repeating a call after a lost answer
        is safe.
        """
        return await self._claim(ClaimKind.EXTERNAL_ID, server, owners)

    async def transfer(self, server: str, account: AccountId, former: PersonKey, owner: PersonKey) -> bool:
        """Passes an account from one employee to another. Returns False if the former one does not own it.

        Repeating a call after a lost answer is safe: the new owner already has the account then.
        """
        claim = {"_id": hash_claim(ClaimKind.ACCOUNT, server, account), "owner": {"$in": [str(former), str(owner)]}}
        return await self._collection.update(claim, {"$set": {"owner": str(owner)}})

    async def release_accounts(self, server: str, owners: Mapping[AccountId, PersonKey]) -> int:
        """Removes the claim of each account that still has this owner. Returns their number."""
        return await self._release(ClaimKind.ACCOUNT, server, owners)

    async def release_external_ids(self, server: str, owners: Mapping[str, PersonKey]) -> int:
        """Removes the claim of each external id that still has this owner. Returns their number."""
        return await self._release(ClaimKind.EXTERNAL_ID, server, owners)

    async def _release(self, kind: ClaimKind, server: str, owners: Mapping[Id, PersonKey]) -> int:
        claims = [{"_id": hash_claim(kind, server, claimed), "owner": str(owner)} for claimed, owner in owners.items()]
        return await self._collection.delete_all({"$or": claims}) if claims else 0

    async def release(self, person: PersonKey) -> int:
        """Removes all claims of one employee. Returns their number."""
        return await self._collection.delete_all({"owner": str(person)})

    async def _claim(self, kind: ClaimKind, server: str, owners: Mapping[Id, PersonKey]) -> frozenset[Id]:
        operations = [_build_claim(kind, server, claimed, owner) for claimed, owner in owners.items()]
        result = await self._collection.write_bulk(operations)
        # The inserts of one employee by two writers at the same time are duplicates as well: the stored owner decides.
        claims = list(owners)
        doubtful = {hash_claim(kind, server, claims[index]): claims[index] for index in result.duplicates}
        stored = await self._read_owners(doubtful) if doubtful else {}
        return frozenset(claimed for key, claimed in doubtful.items() if stored.get(key) != str(owners[claimed]))

    async def _read_owners(self, keys: Iterable[str]) -> dict[str, object]:
        documents = await self._collection.find({"_id": {"$in": sorted(keys)}}, fields=["owner"])
        return {document["_id"]: document.get("owner") for document in documents}


def hash_claim(kind: ClaimKind, server: str, claimed: str) -> str:
    """Returns the key of a claim."""
    return hashlib.sha256(_describe(kind, server, claimed).encode()).hexdigest()


def _describe(kind: ClaimKind, server: str, claimed: str) -> str:
    """Returns what is claimed as JSON in ASCII: every character is valid in it, and no two claims have the same text."""
    return json.dumps([kind.value, server, claimed])


def _parse_owner(owner: object) -> PersonKey | None:
    """Returns the owner that a claim names; None if it names none."""
    try:
        return PersonKey.parse(owner) if isinstance(owner, str) else None
    except ValueError:
        return None


def _build_claim(kind: ClaimKind, server: str, claimed: str, owner: PersonKey) -> UpdateOne:
    """Matches the employee's own claim. Inserts a missing one; that of another employee makes the insert a duplicate."""
    key = hash_claim(kind, server, claimed)
    return UpdateOne(
        {"_id": key, "owner": str(owner)},
        {"$setOnInsert": {"claimed": _describe(kind, server, claimed)}},
        upsert=True,
    )

"""The accounts of a server during a rehearsal: writes change copies in memory, and lookups show the copies. Pure.

A rehearsal answers each write as a server does that takes it: with the changed account, with a conflict if another account has the
address, and with the same refusal for a value that the server has refused before.
"""

import json
from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass, replace

from services.contracts.addresses import fold_address
from services.contracts.ids import AccountId
from services.contracts.ledger import RefusedField
from services.provisioning import paths
from services.provisioning.applying import apply_write
from services.provisioning.calls import (
    Answer,
    Body,
    Conflict,
    CreateAccount,
    FindAccounts,
    Found,
    Lost,
    PatchAccount,
    Refused,
    Resource,
    Write,
    Written,
)
from services.provisioning.confirmation import STORED_DIFFERENTLY
from services.provisioning.desired import MANAGER_BY_EXTERNAL_ID, hash_value
from services.provisioning.marks import list_account_marks
from services.provisioning.packing import PackedDict
from services.provisioning.states import NOT_STORED, get_external_id, get_folded_name


@dataclass(frozen=True, slots=True)
class SentWrite:
    """A write that would be sent."""

    call: Write
    """The call."""
    account: AccountId
    """The account; a made-up id for a new one."""
    is_taken: bool = True
    """Whether the server takes it. It refuses what it has refused before, and an address of another account."""


class Rehearsal:
    """The accounts that a rehearsal has changed. All others are those of the server."""

    def __init__(
        self, changed: MutableMapping[AccountId, Body] | None = None, renamed: Mapping[str, str] | None = None
    ) -> None:
        """Starts without changes.

        ``changed`` is an empty dictionary for the copies; with None they are packed, because there may be thousands. ``renamed`` are
        external ids that another rehearsal of the server has changed.
        """
        self._changed = PackedDict[AccountId, Body](_dump, json.loads) if changed is None else changed
        self._by_mark: dict[str, AccountId | frozenset[AccountId]] = {}
        """Nearly every mark has one account, and a set of one needs 216 bytes more."""
        self._renamed = dict(renamed or {})

    def __contains__(self, account: AccountId) -> bool:
        """Whether the account was changed."""
        return account in self._changed

    @property
    def changed(self) -> frozenset[AccountId]:
        """The accounts that were changed."""
        return frozenset(self._changed)

    @property
    def renamed(self) -> Mapping[str, str]:
        """The new external ids of accounts, by the former ones."""
        return self._renamed

    def get(self, account: AccountId) -> Resource | None:
        """Returns the copy of a changed account; None for any other."""
        body = self._changed.get(account)
        return None if body is None else Resource(account, body)

    def show_managers(self, answer: Answer) -> Answer:
        """Returns an answer with the new external ids of managers, on a server that shows managers by external id."""
        if not self._renamed or not isinstance(answer, Found):
            return answer
        return Found(tuple(map(self._show_manager, answer.resources)))

    def _show_manager(self, live: Resource) -> Resource:
        named = paths.read(live.body, MANAGER_BY_EXTERNAL_ID)
        renamed = self._renamed.get(named) if isinstance(named, str) else None
        if renamed is None:
            return live
        return replace(live, body=paths.write(live.body, MANAGER_BY_EXTERNAL_ID, renamed))

    def cover_lookup(self, call: FindAccounts, answer: Answer) -> Answer:
        """Returns the server's answer to a lookup with the changed accounts in place of the real ones."""
        if not isinstance(answer, Found):
            return answer
        copies = [self.get(account) for account in sorted(self._find(_find_mark(call)))]
        matching = [copy for copy in copies if copy is not None and _matches(copy, call)]
        return Found((*(live for live in answer.resources if live.id not in self._changed), *matching))

    def _find(self, mark: str) -> frozenset[AccountId]:
        found = self._by_mark.get(mark, frozenset())
        return frozenset({found}) if isinstance(found, str) else found

    def write(
        self, call: Write, account: AccountId, live: Body, refused: Mapping[str, RefusedField], *, has_conflict: bool
    ) -> Answer:
        """Carries out a write on the copy, and returns the server's answer.

        ``live`` is the account before; empty for a create. ``refused`` are the fields that the server has refused for this employee.
        ``has_conflict`` tells whether another account has an address of the write.
        """
        after = apply_write(call, live)
        for path, field in refused.items():
            value = paths.read(after, path)
            if value == paths.read(live, path) or hash_value(value) != field.value:
                continue
            if field.code not in {NOT_STORED, STORED_DIFFERENTLY}:
                return _refuse(field.code)
            after = paths.write(after, path, paths.read(live, path))
        if has_conflict:
            return Conflict()
        written = Resource(account, {**after, "id": account} if isinstance(call, CreateAccount) else after)
        external_ids = get_external_id(Resource(account, live)), get_external_id(written)
        if external_ids[0] and external_ids[0] != external_ids[1]:
            self._renamed[external_ids[0]] = external_ids[1]
        self._keep(written)
        return Written(written)

    def _keep(self, live: Resource) -> None:
        before = self.get(live.id)
        for mark in () if before is None else _list_marks(before):
            self._note(mark, self._find(mark) - {live.id})
        self._changed[live.id] = live.body
        for mark in _list_marks(live):
            self._note(mark, self._find(mark) | {live.id})

    def _note(self, mark: str, accounts: frozenset[AccountId]) -> None:
        if accounts:
            self._by_mark[mark] = next(iter(accounts)) if len(accounts) == 1 else accounts
        else:
            self._by_mark.pop(mark, None)


def _dump(body: Body) -> bytes:
    return json.dumps(body).encode()


def list_new_addresses(call: Write, live: Body) -> tuple[str, ...]:
    """Returns the user name and e-mail addresses that a write gives to an account, without those that it has."""
    if isinstance(call, PatchAccount) and not any(map(_may_change_address, call.operations)):
        return ()
    before = {fold_address(address) for address in paths.list_addresses(live)}
    after = paths.list_addresses(apply_write(call, live))
    return tuple(dict.fromkeys(address for address in after if fold_address(address) not in before))


def _may_change_address(operation: Body) -> bool:
    path = operation.get("path")
    return not isinstance(path, str) or "username" in path.lower() or "emails" in path.lower()


def _list_marks(live: Resource) -> Iterator[str]:
    """Yields the keys of what an account can be found by."""
    marks = list_account_marks(live)
    yield from map(_name_external_id, marks.external_ids)
    yield from marks.addresses


def _find_mark(call: FindAccounts) -> str:
    """Returns the key of what a lookup asks for. User names and e-mail addresses have the same keys."""
    return _name_external_id(call.value) if call.attribute == "externalId" else fold_address(call.value)


def _name_external_id(external_id: str) -> str:
    return f"id {external_id}"


def _matches(live: Resource, call: FindAccounts) -> bool:
    """Returns whether an account with the mark of a lookup has it in the attribute of the lookup."""
    return call.attribute != "userName" or get_folded_name(live) == fold_address(call.value)


def _refuse(code: str) -> Answer:
    """Returns the answer with this code, as ``attempts`` notes it."""
    status, _, kind = code.partition(", ")
    if status == "500":
        return Lost(500)
    if status in {"409", "423"}:
        return Conflict(int(status))
    return Refused(int(status) if status.isdigit() else 400, kind if kind.isalpha() else None)

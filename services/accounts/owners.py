"""Answers the questions of settlements about the owner of an account: from the claims, the link decisions and the ledger."""

from services.accounts.ports import Claims, Entries, Links, People
from services.contracts.claims import Decision
from services.contracts.ids import AccountId, EmployeeId, PersonKey
from services.contracts.ledger import LedgerEntry
from services.provisioning.calls import AskOwnership, ClaimAccount, Claimed, Ownership
from services.provisioning.recognition import hash_account

MAX_CYCLE = 10
"""Maximum number of employees in an exchange of e-mail addresses that is recognised."""


class AccountOwners:
    """The ownership of the accounts on one connection's server."""

    def __init__(
        self,
        server: str,
        claims: Claims,
        links: Links,
        ledger: Entries,
        people: People,
    ) -> None:
        """``server`` is the normalised address. ``people`` are those in progress."""
        self._server = server
        self._claims = claims
        self._links = links
        self._ledger = ledger
        self._people = people

    async def ask(self, person: PersonKey, question: AskOwnership, own_account: AccountId | None) -> Ownership:
        """Returns the owner of an account and the decision about it. ``own_account`` is the account of ``person``."""
        owner = await self._find_owner(question.account.id)
        if owner is None or owner == person:
            return Ownership(
                "none" if owner is None else "self",
                decision=await self._find_decision(person, question),
                is_marked_for_other=await self._is_marked_for_other(person, question.foreign_external_id),
            )
        if owner.connection_id != person.connection_id:
            return Ownership("other-connection")
        entry = await self._get_entry(owner)
        has_left = entry is not None and entry.enabled is False
        return Ownership(
            "other",
            employee=owner.employee_id,
            has_left=has_left,
            is_circular=own_account is not None and await self._is_circular(entry, own_account),
            decision=await self._find_decision(person, question, owner.employee_id) if has_left else None,
        )

    async def _find_decision(
        self, person: PersonKey, question: AskOwnership, former_owner: EmployeeId | None = None
    ) -> Decision | None:
        decided = (await self._links.read([person])).get((person, question.account.id))
        return decided.find_valid(former_owner, hash_account(question.account)) if decided else None

    async def _is_marked_for_other(self, person: PersonKey, external_id: str | None) -> bool:
        if external_id is None:
            return False
        owner = await self._claims.find_external_id_owner(self._server, external_id)
        return owner not in {None, person}

    def note_account(self, person: PersonKey, account: AccountId) -> None:
        """Notes the account of a person of this batch, before its claim is stored with the results."""
        self._people.note_account(self._server, account, person)

    async def claim(self, person: PersonKey, call: ClaimAccount) -> Claimed:
        """Claims an account. The former owner's entry then no longer names the account."""
        if call.former_owner is None:
            return Claimed(not await self._claims.claim_accounts(self._server, {call.id: person}))
        former = PersonKey(person.connection_id, call.former_owner)
        if not await self._claims.transfer(self._server, call.id, former, person):
            return Claimed(is_ours=False)
        await self._ledger.release_account(former, call.id)
        return Claimed(is_ours=True)

    async def _find_owner(self, account: AccountId) -> PersonKey | None:
        """Returns the owner of an account. Claims of accounts that this batch has created are not stored yet."""
        return self._people.find_owner(self._server, account) or await self._claims.find_owner(self._server, account)

    async def _get_entry(self, person: PersonKey) -> LedgerEntry | None:
        return self._people.find_entry(person) or (await self._ledger.read([person])).get(person)

    async def _is_circular(self, entry: LedgerEntry | None, own_account: AccountId) -> bool:
        """Whether an employee waits for ``own_account``, directly or through others."""
        for _ in range(MAX_CYCLE):
            if entry is None or entry.blocked_by is None:
                return False
            if entry.blocked_by == own_account:
                return True
            owner = await self._find_owner(entry.blocked_by)
            entry = await self._get_entry(owner) if owner is not None else None
        return False

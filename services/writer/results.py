"""Writes the results of a batch into MongoDB: claims, link decisions, ledger entries."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from services.contracts.ids import AccountId, PersonKey
from services.contracts.ledger import LedgerEntry
from services.errors import ConnectorError, TransientError
from services.writer.ports import Claims, Ledger, Links
from services.writer.work import PersonWork

logger = logging.getLogger(__name__)

FLUSH_SIZE = 50
"""Number of people with results in one bulk write. Results are written while the rest of the batch is still running."""


class ResultWriter:
    """Writes the results of one batch in parts, and collects the people with an entry that another writer changed."""

    def __init__(self, ledger: Ledger, claims: Claims, links: Links) -> None:
        """Writes claims, then open link decisions, then ledger entries."""
        self._ledger = ledger
        self._claims = claims
        self._links = links
        self._settled: list[tuple[str, PersonWork]] = []
        self._flushes: list[asyncio.Task[frozenset[PersonKey]]] = []

    def add(self, server: str, person: PersonWork) -> None:
        """Takes the results of one person. ``server`` is the normalised address of the person's Declaree."""
        self._settled.append((server, person))
        if len(self._settled) == FLUSH_SIZE:
            self._begin_flush()

    async def wait(self) -> None:
        """Waits for every write, even if one failed, so that none outlives the batch."""
        await asyncio.gather(*self._flushes, return_exceptions=True)

    async def finish(self) -> frozenset[PersonKey]:
        """Writes the rest. Returns the people with results that are not stored: they are marked for verification."""
        self._begin_flush()
        return frozenset().union(*await asyncio.gather(*self._flushes))

    def _begin_flush(self) -> None:
        self._flushes.append(asyncio.create_task(self._flush(self._settled)))
        self._settled = []

    async def _flush(self, settled: Sequence[tuple[str, PersonWork]]) -> frozenset[PersonKey]:
        await self._claim_new_accounts(settled)
        people = [person for _, person in settled]
        asked = [decision for person in people for decision in person.asked]
        if asked:
            await self._links.ask(asked)
        unblocked = [person.stored.person for person in people if _is_question_obsolete(person)]
        if unblocked:
            await self._links.withdraw(unblocked, asked)
        changed = [
            person.entry.model_copy(update={"seq": person.stored.seq + 1}) for person in people if person.is_changed
        ]
        lost = await self._write(changed, {person.stored.person: person for person in people})
        if lost:
            await self._ledger.mark_lost([_note_found(person) for person in people if person.stored.person in lost])
            for key in lost:
                logger.warning(
                    "ledger entry changed concurrently; the batch is settled again", extra={"person": str(key)}
                )
        await self._release_claims([(server, person) for server, person in settled if person.stored.person not in lost])
        return lost

    async def _write(
        self, changed: Sequence[LedgerEntry], people: Mapping[PersonKey, PersonWork]
    ) -> frozenset[PersonKey]:
        """Writes the entries. Returns the people with an entry that another writer has changed.

        MongoDB fails a whole bulk for one document that it does not take. The entries are then written one by one, and the
        employees with such an entry are looked at again.
        """
        try:
            return await self._ledger.write(changed) if changed else frozenset()
        except TransientError:
            raise
        except ConnectorError as error:
            logger.warning("ledger entries are written one by one: %s", error)
        lost = frozenset[PersonKey]()
        for entry in changed:
            try:
                lost |= await self._ledger.write([entry])
            except TransientError:
                raise
            except ConnectorError as error:
                logger.error("ledger entry cannot be stored: %s", error, extra={"person": str(entry.person)})
                await self._ledger.mark_verify([entry.person])
                people[entry.person].outcomes.clear()
        return lost

    async def _release_claims(self, settled: Iterable[tuple[str, PersonWork]]) -> None:
        """Releases the accounts and external ids that people no longer have: others may get them."""
        accounts: dict[str, dict[AccountId, PersonKey]] = defaultdict(dict)
        external_ids: dict[str, dict[str, PersonKey]] = defaultdict(dict)
        for server, person in settled:
            before, after = person.stored, person.entry
            if before.account_id is not None and after.account_id != before.account_id:
                accounts[server][before.account_id] = before.person
            if before.external_id is not None and after.external_id != before.external_id:
                external_ids[server][before.external_id] = before.person
        for server, owners in accounts.items():
            await self._claims.release_accounts(server, owners)
        for server, names in external_ids.items():
            await self._claims.release_external_ids(server, names)

    async def _claim_new_accounts(self, settled: Iterable[tuple[str, PersonWork]]) -> None:
        """Claims the new accounts. An account of another employee is not recorded: the employee's own is looked up again."""
        wanted: dict[str, dict[AccountId, PersonWork]] = defaultdict(dict)
        for server, person in settled:
            account = person.entry.account_id
            if account is not None and account != person.stored.account_id:
                other = wanted[server].setdefault(account, person)
                if other is not person:
                    _drop_account(person)
        for server, people in wanted.items():
            owners = {account: person.stored.person for account, person in people.items()}
            for account in await self._claims.claim_accounts(server, owners):
                _drop_account(people[account])


def _is_question_obsolete(person: PersonWork) -> bool:
    """Whether the account that blocked the employee no longer does."""
    return person.stored.blocked_by is not None and person.stored.blocked_by != person.entry.blocked_by


def _note_found(person: PersonWork) -> LedgerEntry:
    """Returns an entry that is not written, with the user name that leads to an account that it alone knows."""
    entry = person.entry
    if entry.account_id in {None, person.stored.account_id} or entry.user_name is None:
        return entry
    return entry.model_copy(update={"attempted_names": (*entry.attempted_names, entry.user_name)})


def _drop_account(person: PersonWork) -> None:
    """Removes an account that the server also gave to another employee. The server's answer is ignored."""
    logger.error(
        "the server answered with the account of another employee; the employee's account is looked up again",
        extra={"person": str(person.stored.person)},
    )
    kept = {
        name: getattr(person.entry, name) for name in ("attempted", "attempted_names", "suspected_since", "look_at")
    }
    person.entry = person.stored.model_copy(update={"applied": None, "verify": True, **kept})
    person.outcomes.clear()

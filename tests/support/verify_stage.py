"""Verifications of a company over the sandbox Declaree, with the real mapper's engine and the real writer, in this process."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from sandbox.declaree.behaviour import Behaviour
from services.contracts.claims import ClaimKind
from services.contracts.cloudevents import SendReason, read_event
from services.contracts.connections import normalise_server
from services.contracts.drift import DriftKind
from services.contracts.events import EmployeeChanged
from services.contracts.ids import AccountId, EmployeeId, PersonKey
from services.contracts.ledger import LedgerEntry
from services.contracts.mappings import PublishedMapping
from services.contracts.tasks import Verify
from services.contracts.values import Value
from services.contracts.verifications import VerificationReport
from services.mapping.engine import Engine
from services.poller.outbox import Outbox
from services.poller.resend import Resender
from services.poller.verify import Verifier
from services.store.database import Store
from tests.support.builders import (
    CONNECTION,
    DECLAREE,
    make_attributes,
    make_person,
    make_published_mapping,
    make_rule,
    make_snapshot,
)
from tests.support.fake_accounts import FakeAccounts
from tests.support.fakes import FakePublisher
from tests.support.run_stage import PATIENCE
from tests.support.writer_stage import URL, WriterStage

MAPPING = make_published_mapping(
    make_rule("name.givenName", "first_name"),
    make_rule("name.familyName", "last_name"),
    make_rule("title", "position"),
)
"""The mapping of the company."""


SNAPSHOT_FIELDS = {"kind", "absent_since", "detected_at", "emitted_revision", "oversized"}
"""Fields of a snapshot that a test may set. All other values are attributes."""


class Finding(NamedTuple):
    """A finding without the connection."""

    kind: DriftKind
    """What is wrong."""
    employee: str | None
    """The employee."""
    account: str | None
    """The account."""
    fields: tuple[str, ...] = ()
    """The fields with other values, sorted."""


class VerifyStage:
    """A company, its store, its Declaree, a verifier and a writer. ``lease`` is called before the verifier writes."""

    def __init__(self, store: Store, behaviour: Behaviour | None = None) -> None:
        """``store`` must be a fake one."""
        self.store: Any = store
        self.writing = WriterStage(store, behaviour)
        self.clock = self.writing.clock
        self.declaree = self.writing.declaree
        self.access = DECLAREE.model_copy(update={"url": URL})
        self.accounts = FakeAccounts(self.writing.app, self.clock, self.access)
        self.publisher = FakePublisher()
        self.progress: list[Mapping[str, int]] = []
        self.lease = lambda: None
        self._published = MAPPING

    # ------------------------------------------------------------ the company

    async def add_employees(self, numbers: Iterable[int], **values: Value) -> None:
        """Adds employees with these attribute values, and settles them."""
        keys = [str(number) for number in numbers]
        await self.store_snapshots(keys, 1_000, **values)
        await self.settle(keys)

    async def store_snapshots(self, keys: Iterable[str], revision: int = 1_000, **changes: Any) -> None:
        """Stores what the poller has published of employees; fields of ``Snapshot`` are named, all others are attributes."""
        fields = {name: changes.pop(name) for name in SNAPSHOT_FIELDS & changes.keys()}
        for key in keys:
            values = {"email": f"e{key}@x.example", "last_name": f"Name {key}", "position": "Clerk", **changes}
            attributes = make_attributes(values)
            content = {"emitted_revision": revision, **fields}
            snapshot = make_snapshot(key, revision, attributes=attributes, **content)
            self.store.snapshots.content[snapshot.person] = snapshot

    async def settle(self, keys: Iterable[str]) -> None:
        """Lets the writer settle the present snapshots of employees."""
        await self.publish_mapping(self._published)
        snapshots = await self.store.snapshots.read(CONNECTION, map(EmployeeId, keys))
        await self._write([snapshot.to_event() for snapshot in snapshots.values()], SendReason.DETECTED)

    async def settle_resent(self) -> None:
        """Lets the writer settle what the verifier has resent."""
        records, self.publisher.log = self.publisher.log, []
        await self._write([read_event(EmployeeChanged, record.value) for record in records], SendReason.RESENT)

    async def _write(self, changes: list[EmployeeChanged], reason: SendReason) -> None:
        engine = Engine(self._published)
        if changes:
            await self.writing.handle(*(engine.map(change) for change in changes), reason=reason)

    async def publish_mapping(self, published: PublishedMapping) -> None:
        """Publishes a version of the mapping."""
        self._published = published
        self.store.mappings.content[CONNECTION, published.version] = published

    def pass_time(self, hours: float = 2) -> None:
        """Lets time pass, so that every change counts as settled or lost."""
        self.clock.seconds += 3600 * hours

    # ------------------------------------------------------------ what other hands do

    def find_account(self, key: str) -> AccountId:
        """Returns the account with the employee's external id."""
        return AccountId(self.writing.get_account(key)["id"])

    def change_account(self, key: str, **changes: Any) -> AccountId:
        """Changes attributes of the employee's account in Declaree; None removes one."""
        account = self.find_account(key)
        entry = self.declaree.directory.users[account]
        body = {name: value for name, value in (entry.resource | changes).items() if value is not None}
        self.declaree.registry.replace(entry, body, self.declaree.behaviour)
        return account

    def delete_account(self, key: str) -> AccountId:
        """Deletes the employee's account in Declaree."""
        account = self.find_account(key)
        self.declaree.directory.delete(self.declaree.directory.users[account])
        return account

    def forget(self, key: str) -> None:
        """Loses the ledger entry and the claims of an employee."""
        self.store.ledger.content.pop(make_person(key), None)
        claims = self.store.claims.content
        for claim in [claim for claim, owner in claims.items() if owner == make_person(key)]:
            del claims[claim]

    def claim_for(self, account: AccountId, owner: PersonKey) -> None:
        """Gives an account to another owner."""
        self.store.claims.content[ClaimKind.ACCOUNT, self.access_server, account] = owner

    @property
    def access_server(self) -> str:
        """The normalised address of the server."""
        return normalise_server(URL)

    def change_entry(self, key: str, **changes: Any) -> LedgerEntry:
        """Changes fields of a ledger entry."""
        entry: LedgerEntry = self.store.ledger.content[make_person(key)].model_copy(update=changes)
        self.store.ledger.content[make_person(key)] = entry
        return entry

    # ------------------------------------------------------------ verifications

    def make_verifier(self) -> Verifier:
        """Returns a verifier without memory, as another poller has."""
        outbox = Outbox(self.store.snapshots, self.publisher, self.lease)
        return Verifier(
            self.store,
            self.accounts.source,
            Resender(self.store, outbox, asyncio.Semaphore(1)),
            self.clock,
            self.lease,
            PATIENCE,
        )

    async def verify(self, run: str = "r1", *, repair: bool = False, is_patient: bool = True) -> VerificationReport:
        """Verifies all accounts, in as many slices as it takes, and returns the report."""
        action = Verify(repair=repair, is_patient=is_patient)

        async def note(counts: Mapping[str, int]) -> None:
            self.progress.append(dict(counts))

        while await self.make_verifier().verify(CONNECTION, run, action, note) is None:
            pass
        report: VerificationReport | None = await self.store.verifications.get_report(CONNECTION)
        assert report is not None
        assert report.run == run
        return report

    async def find(self, run: str = "r1", *, repair: bool = False, is_patient: bool = True) -> list[Finding]:
        """Verifies all accounts and returns the findings, sorted."""
        await self.verify(run, repair=repair, is_patient=is_patient)
        return await self.list_findings(run)

    async def list_findings(self, run: str = "r1", *, repaired: bool | None = None) -> list[Finding]:
        """Returns the findings of a verification, sorted; those that are repaired or not, or all."""
        return sorted(
            [
                Finding(drift.kind, drift.employee_id, drift.account_id, tuple(sorted(drift.fields)))
                async for drift in self.store.verifications.iterate_drifts(CONNECTION, run)
                if repaired in {None, drift.is_repaired}
            ]
        )

    @property
    def resent(self) -> list[str]:
        """The employees that were resent, sorted."""
        return sorted(read_event(EmployeeChanged, record.value).employee_id for record in self.publisher.log)

"""Examines connections for `doctor`: what is stored about them, and both systems of a few of them."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from services.admin.bounds import run_check
from services.admin.checks import SystemCheck, check_declaree, check_fields, check_mapping, check_personio
from services.admin.connection_findings import StoredFacts, judge_stored
from services.admin.findings import Finding
from services.admin.stored_judgement import read_facts
from services.admin.vendor_findings import judge_clock, judge_ends, judge_pace
from services.contracts.ids import ConnectionId
from services.contracts.vendor_notes import VendorNotes
from services.runtime.clock import Clock
from services.runtime.settings import PollingSettings
from services.store.database import Store
from services.store.errors import UnknownConnectionError

MAX_PROBED = 10
"""Number of connections up to which `doctor` sends requests to the systems of all of them. If there are more, it examines the
systems of one that is named."""


@dataclass(frozen=True, slots=True)
class ConnectionReport:
    """The findings about one connection."""

    connection: ConnectionId
    """The connection's id."""
    name: str
    """The connection's name."""
    findings: tuple[Finding, ...]
    """What was found."""


class ConnectionExaminer:
    """Examines connections. Each check is limited in time."""

    def __init__(self, store: Store, clock: Clock, polling: PollingSettings, *, allow_private: bool) -> None:
        """``allow_private`` allows addresses of private networks."""
        self._store = store
        self._clock = clock
        self._polling = polling
        self._allow_private = allow_private

    async def examine(self, only: ConnectionId | None) -> tuple[tuple[Finding, ...], tuple[ConnectionReport, ...]]:
        """Returns what was found about the connections together, and about each. ``only`` leaves the others out.

        Raises ``UnknownConnectionError``.
        """
        facts: list[StoredFacts] = []
        failed = await run_check("connections", self._read_facts(facts))
        if failed:
            return failed, ()
        chosen = [one for one in facts if only in {None, one.summary.id}]
        if only is not None and not chosen:
            raise UnknownConnectionError(only)
        is_probed = len(chosen) <= MAX_PROBED
        reports = await asyncio.gather(*(self._examine(one, is_probed=is_probed) for one in chosen))
        return (_judge_keys(facts),), tuple(reports)

    async def _read_facts(self, facts: list[StoredFacts]) -> tuple[Finding, ...]:
        """Adds the facts of all connections. Has no finding of its own: what it raises is one."""
        facts += await read_facts(self._store, self._polling, now=self._clock.now())
        return ()

    async def _examine(self, facts: StoredFacts, *, is_probed: bool) -> ConnectionReport:
        """Examines one connection. ``is_probed`` sends requests to its systems."""
        connection, run = facts.summary.id, facts.status.last_run
        polled = VendorNotes() if run is None else run.notes
        notes = polled
        probed: list[Finding] = []
        if is_probed and facts.summary.problem is None:
            personio, declaree = await self._probe(connection)
            mapping = await run_check("mapping", self._check_mapping(connection, personio))
            fields = await run_check("Declaree fields", self._check_fields(connection, personio, declaree))
            probed = [
                *personio.findings,
                *declaree.findings,
                *mapping,
                *fields,
                *self._judge_notes("Declaree", declaree.notes),
            ]
            notes = personio.notes.add_ends(polled)  # a poll uses further endpoints
        elif not is_probed:
            probed = [Finding("Personio and Declaree", note=f"not asked: see `doctor {connection}`")]
        findings = (
            *probed,
            *self._judge_notes("Personio", notes),
            *judge_stored(facts, self._clock.now()),
        )
        return ConnectionReport(connection, facts.summary.name, findings)

    async def _probe(self, connection: ConnectionId) -> tuple[SystemCheck, SystemCheck]:
        """Sends read requests to both systems."""
        checks: dict[str, SystemCheck] = {}

        async def probe(system: str) -> tuple[Finding, ...]:
            stored = await self._store.connections.get(connection)
            check = check_personio if system == "Personio" else check_declaree
            checks[system] = await check(stored, self._clock, allow_private=self._allow_private)
            return checks[system].findings

        systems = ("Personio", "Declaree")
        found = await asyncio.gather(*(run_check(system, probe(system)) for system in systems))
        personio, declaree = (
            checks.get(system, SystemCheck(findings, VendorNotes()))
            for system, findings in zip(systems, found, strict=True)
        )
        return personio, declaree

    async def _check_mapping(self, connection: ConnectionId, personio: SystemCheck) -> tuple[Finding, ...]:
        return (await check_mapping(self._store, connection, personio.definitions),)

    async def _check_fields(
        self, connection: ConnectionId, personio: SystemCheck, declaree: SystemCheck
    ) -> tuple[Finding, ...]:
        return await check_fields(self._store, self._clock, connection, personio, declaree, is_stored=False)

    def _judge_notes(self, system: str, notes: VendorNotes) -> tuple[Finding, ...]:
        clock = [] if notes.clock_ahead_seconds is None else [judge_clock(system, notes.clock_ahead_seconds)]
        return (*judge_ends(system, notes, self._clock.now()), *clock, *judge_pace(system, notes))


def _judge_keys(facts: Sequence[StoredFacts]) -> Finding:
    """Returns whether ENCRYPTION_KEYS opens the secrets of all connections."""
    unusable = [one.summary.id for one in facts if one.summary.problem is not None]
    if unusable:
        problem = (
            f"{len(unusable)} of {len(facts)} cannot be used ({', '.join(unusable[:MAX_PROBED])}): see their findings"
        )
        return Finding("connections", problem)
    return Finding("connections", note=f"ENCRYPTION_KEYS opens all secrets (connections: {len(facts)})")

"""Erases employees and connections from the fakes."""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from services.contracts.ids import ConnectionId, PersonKey
from services.contracts.tasks import Task
from services.contracts.verifications import VerificationStep
from services.store.collection import PAGE_SIZE
from services.store.contents import CONTENTS
from tests.support.fake_store.pages import give_turn, page_people

if TYPE_CHECKING:
    from tests.support.fake_store import FakeStore


def _ignore(_: Mapping[str, int]) -> None:
    pass


class FakeErasure:
    """``services.store.erasure.Erasure`` over the other fakes of a store."""

    def __init__(self, store: "FakeStore") -> None:
        self._store = store

    async def count_person(self, person: PersonKey) -> dict[str, int]:
        """Returns the number of things about an employee by collection."""
        await give_turn()
        return self._erase_person(person, dry_run=True)

    async def count_reports(self, person: PersonKey) -> int:
        """Returns the number of other employees with this employee as manager."""
        await give_turn()
        entries = self._store.ledger.list_entries(person.connection_id)
        return sum(entry.manager is not None and entry.manager.employee_id == person.employee_id for entry in entries)

    async def erase_person(self, person: PersonKey) -> dict[str, int]:
        """Erases an employee. Returns the numbers by collection."""
        await give_turn()
        return self._erase_person(person, dry_run=False)

    async def page_people(self, connection: ConnectionId) -> AsyncIterator[tuple[PersonKey, ...]]:
        """Yields the employees with a snapshot, and then those with a ledger entry."""
        for content in (self._store.snapshots.content, self._store.ledger.content):
            keys = [person for person in content if person.connection_id == connection]
            async for page in page_people(partial(list, keys), PAGE_SIZE):
                yield tuple(page)

    async def count_connection(self, connection: ConnectionId) -> dict[str, int]:
        """Returns the number of things about a connection by collection."""
        await give_turn()
        return self._erase_connection(connection, dry_run=True)

    async def erase_connection(
        self, connection: ConnectionId, progress: Callable[[Mapping[str, int]], None] = _ignore
    ) -> dict[str, int]:
        """Erases a connection. Returns the numbers by collection."""
        await give_turn()
        counts = self._erase_connection(connection, dry_run=False)
        progress(counts)
        return counts

    def _erase_person(self, person: PersonKey, *, dry_run: bool) -> dict[str, int]:
        store, employee = self._store, person.employee_id
        links = [
            key
            for key, link in store.links.content.items()
            if link.person == person or (link.connection_id == person.connection_id and link.former_owner == employee)
        ]
        claims = [key for key, owner in store.claims.content.items() if owner == person]
        tasks = [
            task
            for task in store.tasks.content.values()
            if task.connection_id == person.connection_id and employee in getattr(task.action, "people", ())
        ]
        steps = {
            key: _forget(step, person)
            for key, step in store.verifications.content.items()
            if key[0] == person.connection_id and _forget(step, person) != step
        }
        notes = [
            key
            for key, note in store.damage.content.items()
            if (note.connection_id, note.employee_id) == (person.connection_id, employee)
        ]
        seen = [key for key, observation in store.observations.content.items() if observation.person == person]
        examples = [key for key, pinned in store.examples.content.items() if person in pinned.people]
        counts = {
            "mapping_examples": len(examples),
            "observations": len(seen),
            "snapshots": int(person in store.snapshots.content),
            "ledger": int(person in store.ledger.content),
            "claims": len(claims),
            "links": len(links),
            "tasks": len(tasks),
            "damage": len(notes),
            "verifications": len(steps),
        }
        if not dry_run:
            store.snapshots.content.pop(person, None)
            store.ledger.content.pop(person, None)
            _remove(store.observations.content, seen)
            _remove(store.claims.content, claims)
            _remove(store.examples.content, examples)
            _remove(store.links.content, links)
            _remove(store.damage.content, notes)
            store.tasks.content |= {task.id: _forget_task(task, person) for task in tasks}
            store.verifications.content |= steps
        return counts

    def _erase_connection(self, connection: ConnectionId, *, dry_run: bool) -> dict[str, int]:
        store = self._store
        # the content of each repository, and how a key of it leads to a connection
        contents: dict[str, tuple[dict[Any, Any], Callable[[Any], object]]] = {
            "observations": (store.observations.content, lambda key: store.observations.content[key].connection_id),
            "snapshots": (store.snapshots.content, lambda key: key.connection_id),
            "ledger": (store.ledger.content, lambda key: key.connection_id),
            "claims": (store.claims.content, lambda key: store.claims.content[key].connection_id),
            "links": (store.links.content, lambda key: key[0].connection_id),
            "tasks": (store.tasks.content, lambda key: store.tasks.content[key].connection_id),
            "verifications": (store.verifications.content, lambda key: key[0]),
            "source_catalogues": (store.catalogues.content, lambda key: key),
            "field_catalogues": (store.field_catalogues.content, lambda key: key),
            "damage": (store.damage.content, lambda key: store.damage.content[key].connection_id),
            "mapping_drafts": (store.drafts.content, lambda key: key),
            "mapping_examples": (store.examples.content, lambda key: key[0]),
            "mappings": (store.mappings.content, lambda key: key[0]),
            "brakes": (store.brakes.content, lambda key: key),
            "runs": (store.runs.content, lambda key: store.runs.content[key].connection_id),
            "connections": (store.connections.content, lambda key: key),
            "leases": (store.leases.content, lambda key: key.removeprefix("connection/")),
        }
        counts: dict[str, int] = {}
        for described in CONTENTS:
            if described.of_connection is None:
                continue
            content, read_connection = contents[described.collection]
            keys = [key for key in content if read_connection(key) == connection]
            counts[described.collection] = len(keys)
            if not dry_run:
                _remove(content, keys)
        counts["verifications"] += connection in store.verifications.reports
        if not dry_run:
            store.verifications.reports.pop(connection, None)
        return counts


def _remove(content: dict[Any, Any], keys: Iterable[Any]) -> None:
    for key in keys:
        del content[key]


def _forget_task(task: Task, person: PersonKey) -> Task:
    people = tuple(employee for employee in getattr(task.action, "people", ()) if employee != person.employee_id)
    return task.model_copy(update={"action": task.action.model_copy(update={"people": people})})


def _forget(step: VerificationStep, person: PersonKey) -> VerificationStep:
    """Returns a step without an employee."""
    employee = person.employee_id
    return step.model_copy(
        update={
            "drifts": tuple(drift for drift in step.drifts if drift.employee_id != employee),
            "listed": tuple(
                account.model_copy(update={"employee_id": None}) if account.employee_id == employee else account
                for account in step.listed
            ),
            "to_repair": tuple(other for other in step.to_repair if other != employee),
        }
    )

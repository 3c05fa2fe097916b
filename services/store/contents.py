"""What each collection contains about connections and employees: which documents are about one of them."""

from collections.abc import Callable
from dataclasses import dataclass

from services.contracts.ids import ConnectionId, PersonKey
from services.store.collection import Document, Filter, Update


@dataclass(frozen=True, slots=True)
class Mention:
    """Documents that name an employee among others: they stay without the employee."""

    find: Callable[[PersonKey], Filter]
    """Selects the documents."""
    erase: Callable[[PersonKey], Update]
    """Removes the employee from them."""


@dataclass(frozen=True, slots=True)
class CollectionContent:
    """Which documents of one collection are about a connection, or about an employee."""

    collection: str
    """Name of the collection."""
    of_connection: Callable[[ConnectionId], Filter] | None = None
    """Selects the documents about a connection; None if the collection has none."""
    of_person: Callable[[PersonKey], Filter] | None = None
    """Selects the documents about an employee; None if the collection has none."""
    mention: Mention | None = None
    """The documents that name an employee among others; None if the collection has none."""


def _match_range(connection: ConnectionId) -> Document:
    """Matches the keys of a connection, also in damaged documents: each begins with the id and a slash."""
    return {"$gte": f"{connection}/", "$lt": f"{connection}0"}  # "0" follows "/"


def match_keys(connection: ConnectionId) -> Document:
    """Matches the documents of a connection by their keys, also damaged ones."""
    return {"_id": _match_range(connection)}


def _match_person(person: PersonKey) -> Document:
    return {"_id": str(person)}


def _match_links(person: PersonKey) -> Document:
    """Matches decisions about the employee, and decisions about an account that the employee has left behind."""
    left_behind = {"connection_id": person.connection_id, "former_owner": person.employee_id}
    return {"$or": [{"person": str(person)}, left_behind]}


def _match_notes(person: PersonKey) -> Document:
    return {"connection_id": person.connection_id, "employee_id": person.employee_id}


def _match_tasks(person: PersonKey) -> Document:
    return {"connection_id": person.connection_id, "action.people": person.employee_id}


def _match_steps(person: PersonKey) -> Document:
    names = ("drifts.employee_id", "listed.employee_id", "to_repair")
    named = [{name: person.employee_id} for name in names]
    return {"connection_id": person.connection_id, "of_run": {"$gt": ""}, "$or": named}


def _erase_from_step(person: PersonKey) -> list[Document]:
    employee = {"$literal": person.employee_id}
    is_other = {"$ne": ["$$this.employee_id", employee]}
    unnamed = {"$unsetField": {"field": "employee_id", "input": "$$this"}}
    return [
        {
            "$set": {
                "drifts": {"$filter": {"input": _read_list("$drifts"), "cond": is_other}},
                "listed": {"$map": {"input": _read_list("$listed"), "in": {"$cond": [is_other, "$$this", unnamed]}}},
                "to_repair": {"$filter": {"input": _read_list("$to_repair"), "cond": {"$ne": ["$$this", employee]}}},
            }
        }
    ]


def _read_list(field: str) -> Document:
    return {"$cond": [{"$isArray": field}, field, []]}


def _match_field(connection: ConnectionId) -> Document:
    return {"connection_id": connection}


CONTENTS = (
    CollectionContent(
        "tasks",
        _match_field,
        mention=Mention(_match_tasks, lambda person: {"$pull": {"action.people": person.employee_id}}),
    ),
    CollectionContent("observations", _match_field, lambda person: {"person": str(person)}),
    CollectionContent("snapshots", match_keys, _match_person),
    CollectionContent("ledger", match_keys, _match_person),
    CollectionContent(
        "claims", lambda connection: {"owner": _match_range(connection)}, lambda person: {"owner": str(person)}
    ),
    CollectionContent("links", match_keys, _match_links),
    CollectionContent(
        "verifications",
        lambda connection: {"$or": [{"_id": connection}, match_keys(connection)]},
        mention=Mention(_match_steps, _erase_from_step),
    ),
    CollectionContent("source_catalogues", lambda connection: {"_id": connection}),
    CollectionContent("field_catalogues", lambda connection: {"_id": connection}),
    CollectionContent("mappings", match_keys),
    CollectionContent("mapping_drafts", lambda connection: {"_id": connection}),
    CollectionContent("mapping_examples", match_keys, lambda person: {"people": str(person)}),
    CollectionContent("runs", _match_field),
    CollectionContent("brakes", lambda connection: {"_id": connection}),
    CollectionContent("damage", _match_field, _match_notes),
    CollectionContent("work_ranges"),
    CollectionContent("dead_letters"),
    CollectionContent("forgotten"),
    CollectionContent("connections", lambda connection: {"_id": connection}),
    CollectionContent("leases", lambda connection: {"_id": f"connection/{connection}"}),
)
"""Every collection, in the order in which a connection is erased from them. Without tasks, no poller takes up a paused
connection. The connection itself is among the last: until then, an interrupted removal can be repeated."""

"""Pinned examples of mappings: a document for each connection and name. They can contain personal data."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from services.contracts.examples import MAX_PINNED, PinnedExample
from services.contracts.ids import ConnectionId
from services.store.collection import Collection, Document, to_model
from services.store.contents import match_keys
from services.store.errors import ExampleLimitError, StoreFailedError

MAX_LENGTH = 100_000
"""Maximum number of characters of one example, as JSON."""
REPLACEMENT = "\ufffd"
"""Stands for a character that cannot be shown on a line."""


@dataclass(frozen=True, slots=True)
class StoredExamples:
    """The examples of one connection."""

    examples: tuple[PinnedExample, ...]
    """Those that can be read, by name."""
    unreadable: tuple[str, ...] = ()
    """Names of those that cannot be read: damaged, or of a newer version of the product. Each is on one line: what no command
    line can contain, or what could control the terminal, is U+FFFD."""


class Examples:
    """The examples of all connections."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection

    async def list_all(self, connection: ConnectionId) -> StoredExamples:
        """Returns the examples of a connection. One that cannot be read hides no other."""
        documents = await self._collection.find(match_keys(connection), sort={"_id": 1})
        return _read_all(connection, documents)

    async def save(self, pinned: PinnedExample) -> bool:
        """Stores an example, in place of one with the same name, also of one that cannot be read. Returns whether there was one.

        Raises ``ExampleLimitError`` for an example that is too large, and for a new one above ``MAX_PINNED``.
        """
        connection, document = pinned.connection_id, _to_document(pinned)
        if len(document["example"]) > MAX_LENGTH:
            raise ExampleLimitError(f"the example has more than {MAX_LENGTH:,} characters: map fewer or shorter values")
        if await self._collection.update({"_id": document["_id"]}, [{"$replaceWith": {"$literal": document}}]):
            return True
        if not await self._collection.insert(document):  # stored in between, and perhaps removed again
            return await self.save(pinned)
        # counted afterwards: of two that are stored at the same time, neither passes the limit
        if await self._collection.count(match_keys(connection)) > MAX_PINNED:
            await self.remove(connection, pinned.example.name)
            raise ExampleLimitError(
                f"connection {connection} has {MAX_PINNED} pinned examples: remove one with `mapping unpin {connection} NAME`"
            )
        return False

    async def remove(self, connection: ConnectionId, name: str) -> bool:
        """Removes an example, also one that cannot be read. Returns whether there was one.

        A damaged name with characters that ``list_all`` replaces is found by what ``list_all`` shows.
        """
        if await self._collection.delete_all({"_id": _build_key(connection, name)}):
            return True
        if REPLACEMENT not in name:
            return False
        documents = await self._collection.find(match_keys(connection), fields=["_id"])
        shown = [document["_id"] for document in documents if _show_name(connection, document) == name]
        return bool(shown and await self._collection.delete_all({"_id": {"$in": shown}}))


def _read_all(connection: ConnectionId, documents: Sequence[Document]) -> StoredExamples:
    examples, unreadable = [], []
    for document in documents:
        try:
            examples.append(_read(document))
        except StoreFailedError:
            unreadable.append(_show_name(connection, document))
    return StoredExamples(tuple(examples), tuple(unreadable))


def _show_name(connection: ConnectionId, document: Document) -> str:
    name = str(document["_id"]).removeprefix(_build_key(connection, ""))
    return "".join(character if character.isprintable() else REPLACEMENT for character in name)


def _read(document: Document) -> PinnedExample:
    """Returns the example.

    Raises ``StoreFailedError`` for an invalid document, for one with the key of another one or with a name of several lines, and
    for one that is not found by its people: nothing would erase it with them.
    """
    try:
        content = json.loads(document.get("example", ""))
    except (TypeError, ValueError, RecursionError):
        content = None
    pinned = to_model(PinnedExample, {**document, "example": content})
    if document["_id"] != _build_key(pinned.connection_id, pinned.example.name):
        raise StoreFailedError(f"the stored PinnedExample {document['_id']} has invalid fields (_id)")
    if not pinned.example.name.isprintable() or document.get("people") != _list_people(pinned):
        raise StoreFailedError(f"the stored PinnedExample {document['_id']} has invalid fields (name, people)")
    return pinned


def _to_document(pinned: PinnedExample) -> Document:
    """Returns the document. The example stays JSON text: names of attributes contain dots, and numbers can exceed MongoDB's."""
    return {
        "_id": _build_key(pinned.connection_id, pinned.example.name),
        **pinned.model_dump(mode="json", exclude={"example"}),
        "people": _list_people(pinned),
        "example": pinned.example.model_dump_json(),
    }


def _list_people(pinned: PinnedExample) -> list[str]:
    return [str(person) for person in pinned.people]


def _build_key(connection: ConnectionId, name: str) -> str:
    return f"{connection}/{name}"

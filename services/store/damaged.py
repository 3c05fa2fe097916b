"""What the repositories do about damaged documents: one concerns its own person, and stops no query over all of them."""

import logging
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from pydantic import BaseModel

from services.contracts.ids import PersonKey
from services.store.collection import Document, to_model
from services.store.errors import StoreFailedError

logger = logging.getLogger(__name__)

M = TypeVar("M", bound=BaseModel)

COUNTABLE: dict[str, Any] = {"$or": [{"seq": {"$exists": False}}, {"seq": {"$type": "number"}}]}
"""Documents with a ``seq`` that can be increased. MongoDB fails a whole bulk because of one with another value."""


def parse_keys(documents: Iterable[Document]) -> Iterator[PersonKey]:
    """Yields the people of documents, by their ``_id``. No other field can be missing or differ from it."""
    for document in documents:
        try:
            yield PersonKey.parse(document["_id"])
        except (ValueError, AttributeError):  # another type than text, or the id of something else
            logger.warning("a document with an invalid id is passed over")


def select_named(documents: Iterable[Document], field: str = "_id") -> Iterator[Document]:
    """Yields the documents with a text as id. A damaged one can have any value, which can neither be a key nor be sorted."""
    return (document for document in documents if isinstance(document.get(field), str))


def read_valid(model: type[M], documents: Iterable[Document]) -> Iterator[M]:
    """Yields the models of the valid documents. The invalid ones are logged and passed over."""
    for document in documents:
        try:
            yield to_model(model, document)
        except StoreFailedError as error:
            logger.warning("a damaged document is passed over: %s", error)

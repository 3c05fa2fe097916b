"""Field catalogues: one for each connection, replaced as a whole."""

from datetime import timedelta
from typing import Any

import pytest
from bson import BSON
from motor.motor_asyncio import AsyncIOMotorDatabase

from services.contracts.fields import (
    MAX_ALL_VALUES,
    MAX_FIELD_CHANGES,
    MAX_FIELDS,
    MAX_PATH,
    MAX_TEXT,
    FieldCatalogue,
    FieldChange,
    FieldChangeKind,
    FieldOrigin,
    FieldType,
    TargetField,
)
from services.store.database import Store
from tests.support.builders import CONNECTION, NOW, OTHER

CATALOGUE = FieldCatalogue(
    connection_id=CONNECTION,
    fields=(
        TargetField(path="title", label_en="Title", label_de="Position", origin=FieldOrigin.BOTH, is_required=True),
        TargetField(
            path="urn:x:2.0:User:car",
            label_en="Car",
            label_de="Car",
            type=FieldType.REFERENCE,
            is_multi_valued=True,
            values=("büro", "none"),
            is_writable=False,
        ),
    ),
    listed_at=NOW,
    asked_at=NOW + timedelta(minutes=1),
    changes=(
        FieldChange(
            path="title", kind=FieldChangeKind.TYPE_CHANGED, at=NOW, type="text", type_before="list of integer"
        ),
    ),
)
"""A catalogue with every kind of content."""


async def test_field_catalogue_is_read_as_saved(store: Store) -> None:
    """Another connection has none."""
    await store.field_catalogues.save(CATALOGUE)

    assert await store.field_catalogues.get(CONNECTION) == CATALOGUE
    assert await store.field_catalogues.get(OTHER) is None


async def test_saved_field_catalogue_replaces_the_earlier_one(store: Store) -> None:
    """A field that the server no longer lists is gone."""
    smaller = FieldCatalogue(connection_id=CONNECTION, fields=CATALOGUE.fields[:1])
    await store.field_catalogues.save(CATALOGUE)

    await store.field_catalogues.save(smaller)

    assert await store.field_catalogues.get(CONNECTION) == smaller


async def test_field_catalogue_is_removed_with_its_connection(store: Store) -> None:
    """That of another connection stays."""
    await store.field_catalogues.save(CATALOGUE)
    await store.field_catalogues.save(CATALOGUE.model_copy(update={"connection_id": OTHER}))

    erased = await store.erasure.erase_connection(CONNECTION)

    assert erased["field_catalogues"] == 1
    assert await store.field_catalogues.get(CONNECTION) is None
    assert await store.field_catalogues.get(OTHER) is not None


@pytest.mark.mongo
async def test_damaged_field_catalogue_is_replaced_by_the_next_check(
    mongodb_store: Store, raw: AsyncIOMotorDatabase[dict[str, Any]]
) -> None:
    """It contains nothing that the server does not list."""
    await raw["field_catalogues"].insert_one({"_id": CONNECTION, "fields": [{"path": 7}]})

    damaged = await mongodb_store.field_catalogues.get(CONNECTION)
    await mongodb_store.field_catalogues.save(CATALOGUE)

    assert damaged is None
    assert await mongodb_store.field_catalogues.get(CONNECTION) == CATALOGUE


def test_largest_field_catalogue_fits_into_a_document() -> None:
    """MongoDB has 16 MB for a document."""
    text, wide = "\U0001f697" * MAX_TEXT, "x" * MAX_PATH
    values = (text,) * (MAX_ALL_VALUES // MAX_FIELDS)
    field = TargetField(path=wide, label_en=text, label_de=text, values=values)
    change = FieldChange(path=wide, kind=FieldChangeKind.VANISHED, at=NOW, type="list of reference")
    changes = {"fields": (field,) * MAX_FIELDS, "changes": (change,) * MAX_FIELD_CHANGES}

    document = CATALOGUE.model_copy(update=changes).model_dump(mode="json")

    assert len(BSON.encode(document)) < 16_000_000 / 5

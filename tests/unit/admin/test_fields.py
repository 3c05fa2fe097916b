"""The field catalogue of a connection: read live, stored by a check, and compared with the mapping."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from services.admin.checks import MAX_FIELD_FINDINGS, SystemCheck, check_fields
from services.admin.fields import compare_fields, refresh_field_catalogue
from services.contracts.fields import FieldChangeKind, TargetField
from services.contracts.mappings import AttributeSource, MappingDocument, Rule, default_mapping
from services.contracts.vendor_notes import VendorNotes
from services.store.database import Store
from tests.support.builders import CONNECTION, NOW
from tests.support.fakes import FakeClock

CODE = TargetField(path="urn:x:2.0:User:code", label_en="", label_de="")
TITLE = TargetField(path="title", label_en="", label_de="")
EARLIER = NOW - timedelta(days=1)
PERSONIO = SystemCheck((), VendorNotes())


def answer(*fields: TargetField) -> SystemCheck:
    """Returns the check of a Declaree that lists these fields."""
    return SystemCheck((), VendorNotes(), fields=fields)


async def publish(store: Store, *targets: str) -> None:
    """Publishes the default mapping with further rules."""
    rules = tuple(Rule(target=target, source=AttributeSource(attribute="x")) for target in targets)
    document = MappingDocument(rules=(*default_mapping().rules, *rules))
    await store.mappings.publish(CONNECTION, document, now=EARLIER - timedelta(days=1), expected_version=None)


async def describe(store: Store, declaree: SystemCheck, *, is_stored: bool = True) -> Sequence[tuple[str, str | None]]:
    """Returns the kind and the text of each finding about the fields."""
    findings = await check_fields(store, FakeClock(), CONNECTION, PERSONIO, declaree, is_stored=is_stored)
    return [
        ("problem", found.problem) if found.problem else ("hint", found.hint) if found.hint else ("note", found.note)
        for found in findings
    ]


async def test_refreshed_catalogue_is_stored_with_its_changes(store: Store) -> None:
    """The next comparison begins there."""
    await refresh_field_catalogue(store, CONNECTION, [TITLE, CODE], EARLIER)

    second = await refresh_field_catalogue(store, CONNECTION, [TITLE], NOW)

    assert [(change.path, change.kind) for change in second.changes] == [(CODE.path, FieldChangeKind.VANISHED)]
    assert await store.field_catalogues.get(CONNECTION) == second


async def test_compared_catalogue_is_not_stored(store: Store) -> None:
    """A list that only was looked at is not the basis of later changes."""
    first = await refresh_field_catalogue(store, CONNECTION, [TITLE], EARLIER)

    compared = await compare_fields(store, CONNECTION, [TITLE, CODE], NOW)

    assert [change.path for change in compared.changes] == [CODE.path]
    assert await store.field_catalogues.get(CONNECTION) == first


async def test_check_of_fitting_fields_is_a_note(store: Store) -> None:
    """It says how many fields the server lists."""
    await publish(store, "title")

    assert await describe(store, answer(TITLE, CODE)) == [("note", "the server lists 2")]
    assert await describe(store, answer(TITLE, CODE)) == [("note", "the server lists 2")]


async def test_check_without_schemas_knows_documented_fields(store: Store) -> None:
    """A rule for another field is a hint."""
    await publish(store, "title")
    documented = await describe(store, answer())
    await publish(store, "title", CODE.path)

    ((kind, text),) = await describe(store, answer())

    assert documented == [("note", "the server lists none, so that only documented ones are known")]
    assert kind == "hint"
    assert f"rule 5 ({CODE.path}): unknown field" in str(text)


async def test_check_without_a_mapping_compares_nothing(store: Store) -> None:
    """The fields are stored nevertheless."""
    assert await describe(store, answer(TITLE)) == [("note", "the server lists 1")]
    assert await store.field_catalogues.get(CONNECTION) is not None


async def test_check_of_an_unreachable_server_stores_nothing(store: Store) -> None:
    """It says nothing about the fields."""
    await publish(store, CODE.path)

    assert await describe(store, SystemCheck((), VendorNotes())) == []
    assert await store.field_catalogues.get(CONNECTION) is None


@pytest.mark.parametrize("is_stored", [True, False])
async def test_vanished_field_of_the_mapping_is_a_problem(store: Store, *, is_stored: bool) -> None:
    """The check fails, and so does every later one until the mapping is right."""
    await publish(store, CODE.path)
    await refresh_field_catalogue(store, CONNECTION, [TITLE, CODE], EARLIER)

    found = [await describe(store, answer(TITLE), is_stored=is_stored) for _ in range(2)]

    assert found[0] == found[1]
    assert [kind for kind, _ in found[0]] == ["problem"]


async def test_number_of_findings_is_bounded(store: Store) -> None:
    """A mapping for another server has a finding for each of its rules."""
    await publish(store, *(f"{CODE.path}{number}" for number in range(MAX_FIELD_FINDINGS + 5)))

    found = await describe(store, answer(TITLE))

    assert len(found) == MAX_FIELD_FINDINGS + 1
    assert found[-1] == ("hint", "there are 5 more findings: correct these first")

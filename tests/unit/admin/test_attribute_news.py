"""Which changes of visible attributes an administrator is told, and in which words."""

from datetime import datetime, timedelta

import pytest

from services.admin.attribute_news import NEWS_LIFETIME, find_changes, judge_changes, summarise_keys
from services.contracts.catalogues import AttributeChange, AttributeChangeKind, SourceCatalogue
from services.contracts.mappings import AttributeSource, EmploymentDates, MappingDocument, PublishedMapping, Rule
from services.store.database import Store
from tests.support.builders import CONNECTION, NOW, OTHER

PUBLISHED = PublishedMapping(
    connection_id=CONNECTION,
    version=1,
    mapping=MappingDocument(
        rules=(
            Rule(target="title", source=AttributeSource(attribute="office.name")),
            Rule(target="locale", source=AttributeSource(attribute="office.id")),
        )
    ),
    published_at=NOW,
)
NEW, VANISHED = AttributeChangeKind.NEW, AttributeChangeKind.VANISHED
RETURNED, TYPE_CHANGED = AttributeChangeKind.RETURNED, AttributeChangeKind.TYPE_CHANGED
LATER = NOW + timedelta(days=1)


def make_change(key: str, kind: AttributeChangeKind, at: datetime = LATER) -> AttributeChange:
    """Returns a change of an attribute."""
    before = "tags" if kind is TYPE_CHANGED else None
    return AttributeChange(key=key, label="", kind=kind, at=at, type="standard", type_before=before)


@pytest.mark.parametrize(
    ("key", "kind", "at", "is_told"),
    [
        pytest.param("office", VANISHED, LATER, True, id="vanished and read"),
        pytest.param(
            "office", VANISHED, NOW - timedelta(days=400), True, id="vanished long ago, and the mapping reads it"
        ),
        pytest.param("team", VANISHED, LATER, False, id="vanished and not read"),
        pytest.param("office", TYPE_CHANGED, LATER, True, id="another type of an attribute that is read"),
        pytest.param("team", TYPE_CHANGED, LATER, False, id="another type of an attribute that is not read"),
        pytest.param("office", TYPE_CHANGED, NOW, False, id="another type, and a mapping was published since"),
        pytest.param("office", RETURNED, LATER, True, id="returned and read"),
        pytest.param("team", RETURNED, LATER, False, id="returned and not read"),
        pytest.param("team", NEW, LATER, True, id="new"),
        pytest.param("team", NEW, NOW, False, id="new, and a mapping was published since"),
        pytest.param("office", NEW, LATER, False, id="new and read already"),
    ],
)
def test_change_is_told_if_it_concerns_the_mapping(
    key: str, kind: AttributeChangeKind, at: datetime, *, is_told: bool
) -> None:
    """A mapping that was published afterwards shows that its author knows the attribute."""
    judged = judge_changes([make_change(key, kind, at)], PUBLISHED, LATER)

    assert [found.change.key for found in judged] == ([key] if is_told else [])


def test_news_end_after_some_time() -> None:
    """An attribute that nothing reads is not a hint for ever."""
    new = make_change("team", NEW, LATER)

    assert judge_changes([new], PUBLISHED, LATER + NEWS_LIFETIME) == ()


def test_vanished_attribute_is_told_with_the_fields_that_stay() -> None:
    """Only this kind is a problem."""
    (vanished,) = judge_changes([make_change("office", VANISHED)], PUBLISHED, LATER)
    (changed,) = judge_changes([make_change("office", TYPE_CHANGED)], PUBLISHED, LATER)

    assert vanished.is_harmful
    assert "no longer releases office (seen on 2026-03-10)" in vanished.describe()
    assert "title, locale stays as it is" in vanished.describe()
    assert not changed.is_harmful
    assert "from tags to standard" in changed.describe()


def test_vanished_date_leaves_the_other_dates_to_decide() -> None:
    """Access does not stay as it is: a termination date still ends it without the last working day."""
    employment = EmploymentDates(disable_after_last_day=True)
    dated = PUBLISHED.model_copy(update={"mapping": PUBLISHED.mapping.model_copy(update={"employment": employment})})

    (vanished,) = judge_changes([make_change("last_working_day", VANISHED)], dated, LATER)

    assert "Access begins and ends by the other dates and the status" in vanished.describe()


def test_keys_are_summarised_on_one_line() -> None:
    """A company may release a hundred attributes at once."""
    changes = [make_change("office", VANISHED), *(make_change(f"new_{number}", NEW) for number in range(7))]

    line = summarise_keys(judge_changes(changes, PUBLISHED, LATER))

    assert line == "vanished: office; new: new_0, new_1, new_2, new_3, new_4, and 2 more"


async def test_changes_are_judged_by_the_mapping_of_their_connection(store: Store) -> None:
    """Another company's mapping reads other attributes, and a connection without a mapping reads none."""
    changes = (make_change("office", VANISHED), make_change("team", NEW))
    for connection in (CONNECTION, OTHER):
        await store.catalogues.save(SourceCatalogue(connection_id=connection, attributes=(), changes=changes))
    await store.mappings.publish(CONNECTION, PUBLISHED.mapping, now=NOW, expected_version=None)

    found = await find_changes(store, [CONNECTION, OTHER], LATER)

    keys = {connection: [one.change.key for one in judged] for connection, judged in found.items()}
    assert keys == {CONNECTION: ["office", "team"], OTHER: ["team"]}

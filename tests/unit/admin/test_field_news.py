"""What an administrator is told about the fields of Declaree."""

from datetime import timedelta
from typing import Any

import pytest

from services.admin.attribute_news import NEWS_LIFETIME
from services.admin.field_news import judge_fields
from services.contracts.fields import FieldCatalogue, FieldType, TargetField
from services.contracts.mappings import AttributeSource, ConstantSource, MappingDocument, PublishedMapping, Rule
from services.mapping.target_fields import build_field_catalogue
from tests.support.builders import CONNECTION, NOW

CODE = "urn:x:2.0:User:code"
NAMES = ("name.givenName", "name.familyName")
LATER = NOW + timedelta(days=1)


def make_field(path: str = CODE, **changes: Any) -> TargetField:
    """Returns a listed field."""
    return TargetField.model_validate({"path": path, "label_en": "", "label_de": ""} | changes)


def make_mapping(*targets: str, published_at: Any = NOW - timedelta(days=60)) -> PublishedMapping:
    """Returns a published mapping with the names, and with rules for these targets."""
    rules = tuple(Rule(target=path, source=AttributeSource(attribute="x")) for path in (*NAMES, *targets))
    return PublishedMapping(
        connection_id=CONNECTION, version=1, mapping=MappingDocument(rules=rules), published_at=published_at
    )


def compare(before: list[TargetField], after: list[TargetField]) -> FieldCatalogue:
    """Returns the catalogue after a second check."""
    listed = [make_field("title")]
    first = build_field_catalogue(CONNECTION, [*listed, *before], None, NOW)
    return build_field_catalogue(CONNECTION, [*listed, *after], first, LATER)


def judge(
    before: list[TargetField],
    after: list[TargetField],
    mapping: PublishedMapping | None,
    now: Any = LATER,
) -> list[tuple[str, bool]]:
    """Returns texts of the news after a second check, and whether they are harmful."""
    return [(found.text, found.is_harmful) for found in judge_fields(compare(before, after), mapping, None, now)]


def test_known_fields_are_not_news() -> None:
    """A mapping that fits has nothing to be told."""
    assert judge([make_field()], [make_field()], make_mapping(CODE)) == []


@pytest.mark.parametrize("now", [LATER, LATER + timedelta(days=400)])
def test_vanished_field_is_told_as_long_as_the_mapping_writes_it(now: Any) -> None:
    """It is told once, not as an unknown field as well."""
    ((text, is_harmful),) = judge([make_field()], [], make_mapping(CODE), now)

    assert text.startswith(f"rule 3 ({CODE}): the server no longer lists the field (seen on {LATER:%Y-%m-%d})")
    assert is_harmful


def test_vanished_field_that_no_rule_writes_is_not_news() -> None:
    """It concerns no account."""
    assert judge([make_field()], [], make_mapping()) == []


def test_documented_field_that_vanished_is_told() -> None:
    """The documentation still has it, and this server stores it no longer."""
    ((text, is_harmful),) = judge([make_field("locale")], [], make_mapping("locale"))

    assert "rule 3 (locale): the server no longer lists the field" in text
    assert is_harmful


def test_read_only_field_is_told_with_its_day() -> None:
    """Without a known day, it is told as well."""
    read_only = make_field(is_writable=False)

    changed = judge([make_field()], [read_only], make_mapping(CODE))
    always = judge([read_only], [read_only], make_mapping(CODE))

    assert changed == [
        (f"rule 3 ({CODE}): the server lists it as read-only since {LATER:%Y-%m-%d}: remove the rule", True)
    ]
    assert always == [(f"rule 3 ({CODE}): the server lists it as read-only: remove the rule", True)]


def test_other_type_of_a_written_field_is_a_hint_for_some_time() -> None:
    """Values of Personio may fit nevertheless."""
    before, after = [make_field()], [make_field(type=FieldType.INTEGER)]

    ((text, is_harmful),) = judge(before, after, make_mapping(CODE))

    assert f"the type of {CODE} changed from text to integer ({LATER:%Y-%m-%d})" in text
    assert not is_harmful
    assert judge(before, after, make_mapping()) == []
    assert judge(before, after, make_mapping(CODE, published_at=LATER)) == []
    assert judge(before, after, make_mapping(CODE), LATER + NEWS_LIFETIME) == []


@pytest.mark.parametrize("before", [[], [make_field(is_writable=False)]], ids=["new", "writable again"])
def test_new_fields_are_told_together_for_some_time(before: list[TargetField]) -> None:
    """A mapping can write them. One that was published since shows that its author knows them."""
    ((text, is_harmful),) = judge(before, [make_field()], make_mapping())

    assert text == f"a mapping can now write {CODE}: see `mapping fields {CONNECTION}`"
    assert not is_harmful
    assert judge(before, [make_field()], None) == [(text, False)]
    assert judge(before, [make_field()], make_mapping(CODE)) == []
    assert judge(before, [make_field()], make_mapping(published_at=LATER)) == []
    assert judge(before, [make_field()], make_mapping(), LATER + NEWS_LIFETIME) == []


def test_many_new_fields_are_shortened() -> None:
    """A server with a new version may list hundreds."""
    many = [make_field(f"{CODE}{number}") for number in range(8)]

    ((text, _),) = judge([], many, make_mapping())

    assert f"{CODE}4, and 3 more: see" in text


def test_server_that_stops_listing_is_a_hint() -> None:
    """The last list stays in use."""
    first = build_field_catalogue(CONNECTION, [make_field()], None, NOW)
    silent = build_field_catalogue(CONNECTION, [], first, LATER)

    (found,) = judge_fields(silent, make_mapping(CODE), None, LATER)

    assert found.text.startswith(f"the server no longer lists its fields: those of {NOW:%Y-%m-%d} are used")
    assert not found.is_harmful


def test_required_field_without_a_rule_is_a_hint() -> None:
    """The server may refuse each new account."""
    required = [make_field(is_required=True)]

    assert judge(required, required, make_mapping()) == [
        (f"no rule writes {CODE}, which an account needs: add a rule for it", False)
    ]


def test_harmful_news_come_first() -> None:
    """The order of the rest is that of the rules."""
    rules = (
        *(Rule(target=path, source=AttributeSource(attribute="x")) for path in NAMES),
        Rule(target="title", source=ConstantSource(value=7)),
        Rule(target="urn:x:2.0:User:unknown", source=AttributeSource(attribute="x")),
        Rule(target=CODE, source=AttributeSource(attribute="x")),
    )
    mapping = make_mapping().model_copy(update={"mapping": MappingDocument(rules=rules)})

    news = judge([make_field()], [], mapping)

    assert [is_harmful for _, is_harmful in news] == [True, False, False]
    assert [text.split(":")[0] for text, _ in news] == [
        "rule 5 (urn",
        "rule 3 (title)",
        "rule 4 (urn",
    ]

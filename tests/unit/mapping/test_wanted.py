"""The wanted attributes: what the mapping reads, and the minimum."""

import pytest

from services.contracts.cloudevents import to_record
from services.contracts.employees import HIRE_DATE, LAST_DAYS, REQUIRED_ATTRIBUTES
from services.contracts.mappings import MANAGER, ConstantSource, EmploymentDates, MappingDocument, Rule, default_mapping
from services.contracts.values import Value
from services.mapping.wanted import find_needed_attributes, find_wanted_attributes, select_wanted
from tests.support.builders import make_change, make_rule


def test_connection_without_a_mapping_wants_the_minimum() -> None:
    """A mapping that is published later needs a poll only for what it reads beside it."""
    assert find_wanted_attributes(None) == {*REQUIRED_ATTRIBUTES, HIRE_DATE}


def test_default_mapping_wants_the_supervisor() -> None:
    """The manager of an account is found by the id of the supervisor."""
    assert find_wanted_attributes(default_mapping()) == {*REQUIRED_ATTRIBUTES, HIRE_DATE, "supervisor.id"}


def test_mapping_wants_what_its_rules_and_the_user_name_read() -> None:
    """A constant reads nothing. A part of a nested attribute has a key of its own."""
    mapping = MappingDocument(
        rules=(
            make_rule("title", "position"),
            make_rule("department", "cost_centers.name"),
            make_rule(MANAGER, "dynamic_7"),
            Rule(target="locale", source=ConstantSource(value="de")),
        ),
        user_name_attribute="dynamic_9",
    )

    wanted = find_wanted_attributes(mapping)

    assert wanted == {*REQUIRED_ATTRIBUTES, HIRE_DATE, "position", "cost_centers.name", "dynamic_7", "dynamic_9"}


@pytest.mark.promise("P11")
def test_dates_are_wanted_if_the_mapping_applies_them() -> None:
    """The hire date always: an active employee may not have begun. It is needed only if accounts begin earlier."""
    early = MappingDocument(rules=(), employment=EmploymentDates(days_before_start=0))
    ending = MappingDocument(rules=(), employment=EmploymentDates(disable_after_last_day=True))

    assert find_needed_attributes(MappingDocument(rules=())) == set(REQUIRED_ATTRIBUTES)
    assert find_needed_attributes(early) == {*REQUIRED_ATTRIBUTES, HIRE_DATE}
    assert find_needed_attributes(ending) == {*REQUIRED_ATTRIBUTES, *LAST_DAYS}


@pytest.mark.parametrize(
    ("sent", "selected"),
    [
        ({"office.id": 1, "office.name": "Kiel"}, {"office.name": "Kiel"}),
        ({"office.id": 1}, {"office.name": None}),
        ({"office": None}, {"office.name": None}),
        ({"officer": 1}, {}),
        ({}, {}),
    ],
    ids=["complete", "part missing", "empty", "another attribute", "absent"],
)
def test_part_of_a_sent_attribute_is_empty_or_has_a_value(sent: dict[str, Value], selected: dict[str, Value]) -> None:
    """Only an attribute that Personio does not send at all is unknown."""
    assert select_wanted({"office.name"}, sent) == selected


def test_attribute_without_parts_is_not_found_by_them() -> None:
    """Its value is unknown if Personio sends parts in its place."""
    assert select_wanted({"dynamic_9"}, {"dynamic_9.name": "Kiel"}) == {}


@pytest.mark.promise("P11")
def test_event_of_five_mapped_attributes_is_below_1_kb() -> None:
    """Personio releases 64 attributes, of which the mapping reads five. Key and headers count as well."""
    sent: dict[str, Value] = {f"dynamic_{number}": "Text of an attribute" * 5 for number in range(57)}
    sent |= {"first_name": "Wilhelmine", "last_name": "von Hohenstein-Lichterfelde", "status": "active"}
    sent |= {"email": "wilhelmine.von-hohenstein-lichterfelde@nordlicht.example", "supervisor.id": 1234567}
    sent |= {"position": "Head of Accounting", "cost_centers.name": ("Accounting", "Controlling")}
    rules = (*default_mapping().rules, make_rule("title", "position"), make_rule("department", "cost_centers.name"))
    wanted = find_wanted_attributes(MappingDocument(rules=rules))
    event = make_change(employee="1234567", revision=1_773_045_002_417)

    record = to_record(event.model_copy(update={"attributes": select_wanted(wanted, sent), "changed": tuple(wanted)}))

    headers = sum(len(name) + len(value) for name, value in record.headers)
    assert len(sent) == 64
    assert len(record.key or b"") + len(record.value or b"") + headers < 1_024

"""Reading and writing SCIM attributes by path: any spelling, extensions, chosen entries, and nothing else touched."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.mappings import ENTERPRISE, MANAGER, WORK_EMAIL
from services.contracts.model import Value
from services.provisioning import paths

OWN = "urn:ietf:params:scim:schemas:extension:declaree:2.0:User"
MOBILE = 'phoneNumbers[type eq "mobile"].value'

BODY: dict[str, Any] = {
    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", ENTERPRISE],
    "id": "5",
    "userName": "ada@x.example",
    "active": True,
    "name": {"givenName": "Ada", "familyName": "Lovelace"},
    "emails": [
        {"type": "home", "value": "ada@home.example"},
        {"type": "work", "value": "ada@x.example", "primary": True},
    ],
    "roles": [],
    ENTERPRISE: {"employeeNumber": "4711", "manager": {"value": "9", "$ref": "/Users/9", "displayName": "Charles"}},
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("userName", "ada@x.example"),
        ("active", True),
        ("name.givenName", "Ada"),
        (WORK_EMAIL, "ada@x.example"),
        ('emails[type eq "home"].value', "ada@home.example"),
        (f"{ENTERPRISE}:employeeNumber", "4711"),
        (MANAGER, "9"),
        ("urn:ietf:params:scim:schemas:core:2.0:User:name.familyName", "Lovelace"),
        ("name.middleName", None),
        (MOBILE, None),
        ("title", None),
        ("roles", None),
        (f"{OWN}:code", None),
    ],
)
def test_what_stands_at_a_path_is_read_and_nothing_is_none(path: str, value: Any) -> None:
    assert paths.read(BODY, path) == value


def test_names_are_compared_without_regard_to_case_and_keep_the_servers_spelling() -> None:
    odd = {"USERNAME": "a", "Name": {"GIVENNAME": "Ada"}, "Emails": [{"TYPE": "Work", "VALUE": "a@x.example"}]}
    odd_extension = {ENTERPRISE.upper(): {"EmployeeNumber": "1"}}
    assert paths.read(odd, "userName") == "a"
    assert paths.read(odd, "name.givenName") == "Ada"
    assert paths.read(odd, WORK_EMAIL) == "a@x.example"
    assert paths.read(odd_extension, f"{ENTERPRISE}:employeeNumber") == "1"
    assert paths.write(odd, "name.givenName", "Eva")["Name"] == {"GIVENNAME": "Eva"}
    assert paths.write(odd, WORK_EMAIL, "b@x.example")["Emails"] == [{"TYPE": "Work", "VALUE": "b@x.example"}]
    changed = paths.write(odd_extension, f"{ENTERPRISE}:employeeNumber", "2")
    assert changed[ENTERPRISE.upper()] == {"EmployeeNumber": "2"}
    assert ENTERPRISE not in changed


@pytest.mark.parametrize(
    "path", ["", "name.", "a.b.c", ".x", "emails[type eq work].value", "emails[].value", "a b", "x[", "urn:"]
)
def test_a_text_that_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="is not a path"):
        paths.parse(path)


def test_an_entry_that_is_not_there_is_added_and_becomes_the_only_primary_address() -> None:
    body = {"emails": [{"type": "home", "value": "ada@home.example", "primary": True}]}
    assert paths.write(body, WORK_EMAIL, "ada@x.example")["emails"] == [
        {"type": "home", "value": "ada@home.example", "primary": False},
        {"value": "ada@x.example", "type": "work", "primary": True},
    ]
    assert paths.write({}, MOBILE, "+49 1")["phoneNumbers"] == [{"value": "+49 1", "type": "mobile"}]
    assert body["emails"][0]["primary"] is True, "what was read is never changed"


def test_entries_that_are_no_objects_choose_nothing_and_are_kept() -> None:
    body = {"emails": ["ada@old.example", None]}
    assert paths.read(body, WORK_EMAIL) is None
    assert paths.write(body, WORK_EMAIL, "a@x.example")["emails"][:2] == body["emails"]
    assert paths.read({"emails": "ada@old.example", "name": "Ada"}, WORK_EMAIL) is None
    assert paths.write({"name": "Ada"}, "name.givenName", "Ada") == {"name": {"givenName": "Ada"}}


def test_to_clear_an_entry_is_to_take_it_away_with_its_value() -> None:
    assert paths.write(BODY, WORK_EMAIL, None)["emails"] == [{"type": "home", "value": "ada@home.example"}]
    assert paths.write({"phoneNumbers": [{"type": "fax", "value": "1"}]}, MOBILE, None) == {
        "phoneNumbers": [{"type": "fax", "value": "1"}]
    }


def test_of_several_entries_only_the_chosen_one_is_changed() -> None:
    entries = [{"type": kind, "value": kind} for kind in ("home", "work", "other")]
    changed = paths.write({"emails": entries}, WORK_EMAIL, "new")["emails"]
    assert changed == [entries[0], {"type": "work", "value": "new"}, entries[2]]
    assert paths.write({"emails": entries}, WORK_EMAIL, None)["emails"] == [entries[0], entries[2]]


def test_a_path_without_a_part_means_the_value_of_the_entry() -> None:
    chosen = paths.parse('phoneNumbers[type eq "mobile"]')
    assert chosen.entry("+49 1") == {"value": "+49 1", "type": "mobile"}
    assert (chosen.list_path, paths.parse(f'{OWN}:cards[type eq "x"].value').list_path) == (
        "phoneNumbers",
        f"{OWN}:cards",
    )


def test_to_clear_a_part_of_an_entry_keeps_its_other_parts() -> None:
    body = {"addresses": [{"type": "work", "streetAddress": "Weg 1", "locality": "Kiel"}]}
    assert paths.write(body, 'addresses[type eq "work"].streetAddress', None) == {
        "addresses": [{"type": "work", "locality": "Kiel"}]
    }


def test_a_reference_is_exchanged_or_cleared_with_everything_that_described_the_old_one() -> None:
    exchanged = paths.write(BODY, MANAGER, "12")
    assert exchanged[ENTERPRISE] == {"employeeNumber": "4711", "manager": {"value": "12"}}
    assert paths.write(BODY, MANAGER, None)[ENTERPRISE] == {"employeeNumber": "4711"}


def test_an_extension_is_listed_among_the_schemas_exactly_while_it_holds_something() -> None:
    path = f"{OWN}:code"
    filled = paths.write(BODY, path, "C1")
    assert filled[OWN] == {"code": "C1"}
    assert filled["schemas"] == [*BODY["schemas"], OWN]
    assert paths.write(filled, path, "C2")["schemas"] == filled["schemas"]
    emptied = paths.write(filled, path, None)
    assert (OWN in emptied, emptied["schemas"]) == (False, BODY["schemas"])
    assert paths.write({"schemas": None}, path, "C1")["schemas"] == [OWN]


WRITABLE = st.sampled_from(
    ["title", "userName", "name.givenName", "name.middleName", WORK_EMAIL, MOBILE, MANAGER, f"{OWN}:code", "roles"]
)
VALUES = st.text(min_size=1) | st.booleans() | st.integers() | st.lists(st.text(), min_size=1).map(tuple)


@given(path=WRITABLE, value=VALUES)
def test_what_was_written_is_read_and_every_other_path_holds_what_it_held(path: str, value: Value) -> None:
    written = paths.write(BODY, path, value)
    expected = list(value) if isinstance(value, tuple) else value
    assert paths.read(written, path) == expected
    others = ["id", "active", "name.familyName", 'emails[type eq "home"].value', f"{ENTERPRISE}:employeeNumber"]
    assert [paths.read(written, other) for other in others] == [paths.read(BODY, other) for other in others]
    cleared = paths.write(written, path, None)
    assert paths.read(cleared, path) is None
    assert [paths.read(cleared, other) for other in others] == [paths.read(BODY, other) for other in others]

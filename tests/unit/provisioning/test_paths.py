"""Reading and writing SCIM attributes by path: any spelling, extensions, filtered entries, and no side effects."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.mappings import ENTERPRISE, MANAGER, WORK_EMAIL
from services.contracts.values import Value
from services.provisioning import paths

OWN = "urn:ietf:params:scim:schemas:extension:declaree:2.0:User"
HOME = 'emails[type eq "home"].value'
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
def test_read_gives_value_at_path_or_none(path: str, value: Any) -> None:
    """Every kind of path gives its value, and None where the attribute is missing or empty."""
    assert paths.read(BODY, path) == value


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("TITLE", "title"),
        ("ti\N{LATIN CAPITAL LETTER T WITH STROKE}le", "ti\N{LATIN SMALL LETTER T WITH STROKE}le"),
        ("t\N{KELVIN SIGN}", "tk"),
        ("\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}d", "i\N{COMBINING DOT ABOVE}d"),
    ],
)
def test_name_is_found_by_its_lowercase(name: str, path: str) -> None:
    """Lowercase can be longer than the name, and can be ASCII where the name is not."""
    extension = "urn:example:" + path

    assert paths.read({"other": 1, "urn:example:" + name: {"title": "Head"}}, extension + ":title") == "Head"
    assert paths.read({"urn:example:" + name[:-1]: {"title": "Head"}}, extension + ":title") is None


def test_names_match_in_any_case_and_keep_spelling() -> None:
    """Names match without regard to case, and a write keeps the server's spelling."""
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
def test_parse_invalid_path_raises(path: str) -> None:
    """A text that is not a path raises an error."""
    with pytest.raises(ValueError, match="is not a path"):
        paths.parse(path)


def test_write_adds_missing_entry_as_primary_address() -> None:
    """A missing entry is added, and becomes the only primary address."""
    body = {"emails": [{"type": "home", "value": "ada@home.example", "primary": True}]}

    assert paths.write(body, WORK_EMAIL, "ada@x.example")["emails"] == [
        {"type": "home", "value": "ada@home.example", "primary": False},
        {"value": "ada@x.example", "type": "work", "primary": True},
    ]
    assert paths.write({}, MOBILE, "+49 1")["phoneNumbers"] == [{"value": "+49 1", "type": "mobile"}]
    assert body["emails"][0]["primary"] is True, "a body that was read is never changed in place"


def test_email_without_type_is_the_work_email() -> None:
    """A server may drop the types of e-mails: the primary one, or the first, is then the work e-mail, and is replaced."""
    primary = [{"value": "h@x.example"}, {"value": "a@x.example", "primary": True}]
    plain = [{"value": "a@x.example"}, {"value": "h@x.example"}]
    mixed = [{"value": "h@x.example"}, {"value": "a@x.example", "type": "WORK"}]

    assert [paths.read({"emails": emails}, WORK_EMAIL) for emails in (primary, plain, mixed)] == ["a@x.example"] * 3
    assert paths.write({"emails": primary}, WORK_EMAIL, "new")["emails"] == [
        {"value": "h@x.example"},
        {"value": "new", "primary": True},
    ]
    assert paths.read({"emails": plain}, HOME) == "h@x.example"
    assert paths.read({"emails": primary}, HOME) == "h@x.example"
    assert paths.read({"emails": mixed}, HOME) is None, "a server that keeps types has another entry of its own"
    assert paths.has_untyped_entry({"emails": plain}, paths.parse(WORK_EMAIL))
    assert not paths.has_untyped_entry({"emails": mixed}, paths.parse(WORK_EMAIL))


def test_list_addresses_gives_user_name_and_emails() -> None:
    """Every address of an account may be the one that another employee wants."""
    body = {"userName": "a@x.example", "emails": [{"VALUE": "b@x.example", "type": "home"}, {"type": "work"}, None]}

    assert paths.list_addresses(body) == ["a@x.example", "b@x.example"]
    assert paths.list_addresses({"emails": "b@x.example"}) == []


def test_write_keeps_entries_that_are_not_objects() -> None:
    """Entries of an unexpected form match no filter and stay as they are."""
    body = {"emails": ["ada@old.example", None]}

    assert paths.read(body, WORK_EMAIL) is None
    assert paths.write(body, WORK_EMAIL, "a@x.example")["emails"][:2] == body["emails"]
    assert paths.read({"emails": "ada@old.example", "name": "Ada"}, WORK_EMAIL) is None
    assert paths.write({"name": "Ada"}, "name.givenName", "Ada") == {"name": {"givenName": "Ada"}}


def test_write_none_removes_the_entry() -> None:
    """To clear the value of an entry removes the entry."""
    assert paths.write(BODY, WORK_EMAIL, None)["emails"] == [{"type": "home", "value": "ada@home.example"}]
    assert paths.write({"phoneNumbers": [{"type": "fax", "value": "1"}]}, MOBILE, None) == {
        "phoneNumbers": [{"type": "fax", "value": "1"}]
    }


def test_write_changes_the_matching_entry_only() -> None:
    """Only the entry that matches the filter changes."""
    entries = [{"type": kind, "value": kind} for kind in ("home", "work", "other")]
    changed = paths.write({"emails": entries}, WORK_EMAIL, "new")["emails"]

    assert changed == [entries[0], {"type": "work", "value": "new"}, entries[2]]
    assert paths.write({"emails": entries}, WORK_EMAIL, None)["emails"] == [entries[0], entries[2]]


def test_path_without_sub_attribute_means_the_value() -> None:
    """A path without a sub-attribute means the value of the entry."""
    path = paths.parse('phoneNumbers[type eq "mobile"]')

    assert path.build_entry("+49 1") == {"value": "+49 1", "type": "mobile"}
    assert path.list_path == "phoneNumbers"
    assert paths.parse(f'{OWN}:cards[type eq "x"].value').list_path == f"{OWN}:cards"


def test_write_none_keeps_other_sub_attributes() -> None:
    """To clear a sub-attribute of an entry keeps the others."""
    body = {"addresses": [{"type": "work", "streetAddress": "Weg 1", "locality": "Kiel"}]}

    assert paths.write(body, 'addresses[type eq "work"].streetAddress', None) == {
        "addresses": [{"type": "work", "locality": "Kiel"}]
    }


def test_write_reference_drops_details_of_the_old_one() -> None:
    """A new or cleared reference drops the sub-attributes that described the old one."""
    exchanged = paths.write(BODY, MANAGER, "12")

    assert exchanged[ENTERPRISE] == {"employeeNumber": "4711", "manager": {"value": "12"}}
    assert paths.write(BODY, MANAGER, None)[ENTERPRISE] == {"employeeNumber": "4711"}


def test_write_lists_extension_in_schemas_if_not_empty() -> None:
    """An extension is in ``schemas`` exactly while it has a value."""
    path = f"{OWN}:code"
    filled = paths.write(BODY, path, "C1")

    assert filled[OWN] == {"code": "C1"}
    assert filled["schemas"] == [*BODY["schemas"], OWN]
    assert paths.write(filled, path, "C2")["schemas"] == filled["schemas"]

    emptied = paths.write(filled, path, None)

    assert OWN not in emptied
    assert emptied["schemas"] == BODY["schemas"]
    assert paths.write({"schemas": None}, path, "C1")["schemas"] == [OWN]


WRITABLE = st.sampled_from(
    ["title", "userName", "name.givenName", "name.middleName", WORK_EMAIL, MOBILE, MANAGER, f"{OWN}:code", "roles"]
)
VALUES = st.text(min_size=1) | st.booleans() | st.integers() | st.lists(st.text(), min_size=1).map(tuple)


@given(path=WRITABLE, value=VALUES)
def test_write_changes_no_other_path(path: str, value: Value) -> None:
    """A written value is read back, and no other path changes."""
    written = paths.write(BODY, path, value)
    expected = list(value) if isinstance(value, tuple) else value

    assert paths.read(written, path) == expected

    others = ["id", "active", "name.familyName", 'emails[type eq "home"].value', f"{ENTERPRISE}:employeeNumber"]

    assert [paths.read(written, other) for other in others] == [paths.read(BODY, other) for other in others]

    cleared = paths.write(written, path, None)

    assert paths.read(cleared, path) is None
    assert [paths.read(cleared, other) for other in others] == [paths.read(BODY, other) for other in others]


def test_cost_of_a_huge_account_is_bounded() -> None:
    """One hostile server's account of 100,000 addresses would hold the process of all companies for minutes."""
    many = [{"value": f"{number}@x.example"} for number in range(paths.MAX_ENTRIES)]
    behind = {"emails": [*many, {"type": "work", "value": "zoe@x.example"}]}
    wide = {"USERNAME": "zoe", "title": "Dr", **{f"a{number}": 1 for number in range(paths.MAX_MEMBERS)}}

    assert paths.read(behind, WORK_EMAIL) == "0@x.example"
    assert len(paths.list_addresses(behind)) == paths.MAX_ENTRIES
    assert paths.read(wide, "userName") is None
    assert paths.read(wide, "title") == "Dr"


def test_write_keeps_the_entries_that_are_not_looked_at() -> None:
    """Nothing of an account is lost because it is large."""
    body = {"emails": [{"value": f"{number}@x.example"} for number in range(2 * paths.MAX_ENTRIES)]}

    written = paths.write(body, WORK_EMAIL, "zoe@x.example")

    assert written["emails"][0]["value"] == "zoe@x.example"
    assert written["emails"][1:] == body["emails"][1:]

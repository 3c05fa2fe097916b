"""The fields that a rule may write: allowed by form, and never identity, life cycle or rights in any spelling."""

import string
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.targets import ENTERPRISE, MANAGER, NOT_MAPPABLE, WORK_EMAIL, find_misuse, identify_field
from services.provisioning import paths
from tests.unit.contracts.strategies import repeatable

CORE = "urn:ietf:params:scim:schemas:core:2.0:User"
OWN = "urn:ietf:params:scim:schemas:extension:declaree:2.0:User"

ALLOWED = [
    "title",
    "name",
    "name.givenName",
    "NAME.GivenName",
    "displayName",
    "preferredLanguage",
    "activeSince",
    "photos",
    'phoneNumbers[type eq "mobile"].value',
    'phoneNumbers[type eq "mobile"]',
    'addresses[type eq "work"].streetAddress',
    'addresses[type eq "Büro 1"].locality',
    'emails[type eq "home"].value',
    'emails[type eq "other"]',
    'EMAILS[TYPE EQ "Home"].Display',
    f"{CORE}:title",
    f"{CORE}:name.familyName",
    f"{CORE.upper()}:TITLE",
    f'{CORE}:emails[type eq "home"].value',
    f"{ENTERPRISE}:costCenter",
    f"{ENTERPRISE.lower()}:COSTCENTER",
    f"{OWN}:code",
    f"{OWN}:birth.day",
    "urn:scim:schemas:extension:enterprise:1.0:department",
    "urn:example:2.0:User:code",
]


@pytest.mark.parametrize("target", ALLOWED)
def test_other_fields_can_be_targets(target: str) -> None:
    """A company maps names, languages, phones, codes and other e-mail addresses."""
    assert find_misuse(target) is None
    assert paths.parse(target).text == target


SPELLINGS = [
    "{}",
    "{}.value",
    "{}.x",
    '{}[type eq "x"]',
    '{}[type eq "x"].value',
    '{}[value eq "x"].type',
    f"{CORE}:{{}}",
    f"{CORE.upper()}:{{}}",
    f"{CORE}:{{}}.value",
    f'{CORE}:{{}}[type eq "x"].value',
    f"{CORE}:{CORE}:{{}}",
    f"{CORE}:{ENTERPRISE}:{{}}",
    f"{ENTERPRISE}:{CORE}:{{}}",
    f"{ENTERPRISE}:{ENTERPRISE}:{{}}",
    f"{ENTERPRISE}:{{}}",
    f"{OWN}:{{}}",
    "urn:scim:schemas:core:1.0:{}",
    "urn:ietf:params:scim:schemas:core:2.0:{}",
    "urn:ietf:params:scim:schemas:core:2.0:Group:{}",
    "urn:ietf:params:scim:api:messages:2.0:PatchOp:{}",
    "urn:x:{}",
    "{}:{}",
    ":{}",
    ".{}",
    "{}.",
    "/{}",
    " {}",
    "{} ",
    "{}\n",
    "\ufeff{}",
    "{}\u200b",
    "{}\x00",
    "{}, title",
    '{}[type eq "x"',
    "{}[]",
    "{}[0]",
    "{}[type eq 'x'].value",
    "{}[primary eq true].value",
    "{}[type pr].value",
    '{}[type eq "x" or type eq "y"].value',
    '{}[not (type eq "x")].value',
    '{}[type eq "x"][type eq "y"].value',
    '{}[type eq "\\"x"].value',
    f"{CORE}:{{}}:value",
    f"{ENTERPRISE}:{{}}:value",
    f"{ENTERPRISE}:{{}}:value.x",
    f"{OWN}:{{}}:2.0:value",
    "urn:x:{}:value",
    "User.{}",
    "User.{}.value",
    "User:{}",
    f"{ENTERPRISE}.{{}}",
]
"""Paths with an attribute; a lenient server may understand each of them."""


@pytest.mark.parametrize("change", [str, str.lower, str.upper], ids=["as in the RFC", "lowercase", "uppercase"])
@pytest.mark.parametrize("spelling", SPELLINGS, ids=ascii)
def test_protected_attributes_are_refused_in_any_spelling(spelling: str, change: Callable[[str], str]) -> None:
    """They decide about the owner of an account, its life cycle and its rights."""
    protected = [*NOT_MAPPABLE, "manager", "managerId"]

    assert [name for name in protected if find_misuse(spelling.replace("{}", change(name))) is None] == []


@pytest.mark.parametrize(
    "name", ["entitlements", "externalId", "groups", "password", "roles", "userName", "x509Certificates"]
)
@pytest.mark.parametrize(
    "spelling", ["name.{}", f"{OWN}:account.{{}}", '{0}:x[{1} eq "a"].value', '{0}:x[a eq "b"].{1}']
)
def test_rights_are_refused_as_a_part_of_an_attribute(spelling: str, name: str) -> None:
    """An extension may keep the rights of a user in an object of its own."""
    target = spelling.format(OWN, name) if "{0}" in spelling else spelling.format(name)

    assert "Declaree or its administrator sets it" in str(find_misuse(target))


@pytest.mark.parametrize("urn", ["urn:roles:2.0:User", "urn:groups:id:1.0", "urn:x:meta:2.0:User"])
def test_urn_with_a_common_word_can_be_an_extension(urn: str) -> None:
    """Only what follows the resource, or ends the URN, may be an attribute."""
    assert find_misuse(f"{urn}:code") is None


def test_protected_attributes_are_those_of_the_rfc() -> None:
    """The list holds the common attributes of RFC 7643, section 3, and those of section 4.1 that decide about access."""
    assert {name.lower() for name in NOT_MAPPABLE} >= {"id", "externalid", "meta", "schemas"}
    assert {name.lower() for name in NOT_MAPPABLE} >= {"username", "active", "password"}
    assert {name.lower() for name in NOT_MAPPABLE} >= {"groups", "entitlements", "roles", "x509certificates"}


@pytest.mark.parametrize(
    "target",
    [
        WORK_EMAIL,
        WORK_EMAIL.upper(),
        f"{CORE}:{WORK_EMAIL}",
        f"{OWN}:{WORK_EMAIL}",
        "emails",
        "EMAILS",
        f"{CORE}:emails",
        "emails.value",
        'emails[type eq "work"]',
        'emails[type eq "work"].primary',
        'emails[type eq "work"].display',
        "emails[type eq 'work'].value",
        "emails[email.type eq 'work']",
        'emails[type eq " work"].value',
        'emails[type eq "wor\u212a"].value',
        'emails[type eq ""].value',
        'emails[type eq "wo\\u0072k"].value',
        'emails[type  eq "work"].value',
        'emails[ type eq "work" ].value',
        'emails[type ne "home"].value',
        'emails[type sw "w"].value',
        "emails[type pr].value",
        "emails[primary eq true].value",
        'emails[primary eq "true"].value',
        'emails[value eq "ada@x.example"].value',
        'emails[value eq "ada@x.example"]',
        'emails[type eq "home" or type eq "work"].value',
        'emails[type eq "home"].type',
        'emails[type eq "home"].primary',
        'emails[type eq "home"].$ref',
        'emails[type eq "home"].value.x',
    ],
)
def test_work_email_is_refused_in_any_spelling(target: str) -> None:
    """The work e-mail is a login, and no rule may turn another address into it."""
    assert find_misuse(target) is not None


@pytest.mark.parametrize(
    "target",
    [
        MANAGER,
        MANAGER.lower(),
        MANAGER.upper(),
        f"{ENTERPRISE}:manager",
        f"{ENTERPRISE}:manager.displayName",
        f"{ENTERPRISE}:manager.managerId",
        f'{ENTERPRISE}:manager[value eq "1"]',
        f"{OWN}:manager.value",
        "manager",
        "manager.value",
        "managerId",
        f"{CORE}:manager.value",
    ],
)
def test_manager_target_has_one_spelling(target: str) -> None:
    """Another spelling would write the employee's id in place of the account's."""
    assert f"for the manager, write {MANAGER}" in str(find_misuse(target))


@pytest.mark.parametrize(
    "target",
    [
        *("", ".", "name.", ".name", "name..givenName", "name.given.name", "first name", "1name", "$ref", "na\u00efve"),
        *("t\u0131tle", "title\n", "title\x00", 'x[y eq "a\nb"]', "x[y]", "urn:x", "urn:x:", "urn::title", "urn:x:y:"),
        *(
            CORE,
            f"{CORE}:",
            ENTERPRISE,
            f"{ENTERPRISE}:",
            ENTERPRISE.upper(),
            OWN,
            f"{CORE}.title",
            f"{CORE}:{OWN}:code",
        ),
        *(f"{OWN}:{OWN}:code", f"{OWN}:urn:title", "urn:ietf:params:scim:schemas:core:2.0:title", "users/1", "title;x"),
        "urn:ietf:params:scim:api:messages:2.0:PatchOp:title",
    ],
    ids=ascii,
)
def test_text_that_is_not_one_field_is_refused(target: str) -> None:
    """A schema as a whole, a second URN, or a text that servers may read in different ways."""
    assert "is not the path of a field" in str(find_misuse(target))


_CHARACTERS = string.ascii_letters + "019._-$:[]\" '()\\\n\u0131\u017f\u212a"
_WORDS = st.sampled_from(
    [CORE, ENTERPRISE, "emails", '[type eq "work"]', '[type eq "home"]', ".value", *NOT_MAPPABLE, ":", "."]
)


@repeatable
@given(st.lists(_WORDS | st.text(_CHARACTERS, max_size=4), max_size=5).map("".join))
def test_any_allowed_target_is_parsed_as_one_field(target: str) -> None:
    """The writer reads the path of an allowed target as the rule has read it, so it writes what was allowed."""
    if find_misuse(target) is not None:
        return

    path = paths.parse(target)

    assert path.attribute.lower() not in {name.lower() for name in NOT_MAPPABLE}
    assert "urn:" not in (path.extension or "").lower()[4:]
    read = (path.extension, path.attribute, path.key, path.value, path.sub or (path.key and "value"))
    assert identify_field(target) == tuple((part or "").lower() for part in read)

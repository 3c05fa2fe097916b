"""The mapping document: valid content, and the messages for invalid content."""

import json
from typing import Any

import pytest
from hypothesis import given
from pydantic import ValidationError

from services.contracts.mappings import (
    ENTERPRISE,
    LIFE_CYCLE,
    MANAGER,
    AttributeSource,
    MappingDocument,
    PublishedMapping,
    Rule,
    default_mapping,
)
from services.contracts.outcomes import Intent
from tests.support.builders import CONNECTION, NOW
from tests.unit.contracts import strategies

CORE = "urn:ietf:params:scim:schemas:core:2.0:User"


def build_document(*targets: str, **more: Any) -> dict[str, Any]:
    """Returns a mapping as an administrator writes it, with a rule for each target."""
    rules = [{"target": target, "source": {"kind": "attribute", "attribute": "office.name"}} for target in targets]
    return {"rules": rules, **more}


def read_error(content: dict[str, Any]) -> str:
    """Returns the text of the validation error."""
    with pytest.raises(ValidationError) as raised:
        MappingDocument.model_validate_json(json.dumps(content))
    return str(raised.value)


@strategies.repeatable
@given(strategies.mappings)
def test_any_mapping_is_imported_as_exported(mapping: MappingDocument) -> None:
    """Export and import lose nothing."""
    assert MappingDocument.model_validate_json(mapping.model_dump_json()) == mapping


@strategies.repeatable
@given(strategies.mappings)
def test_any_published_mapping_is_read_as_stored(mapping: MappingDocument) -> None:
    """MongoDB contains the JSON form of the document."""
    published = PublishedMapping(connection_id=CONNECTION, version=1, mapping=mapping, published_at=NOW)

    assert PublishedMapping.model_validate(published.model_dump(mode="json")) == published


def test_default_mapping_has_names_and_manager() -> None:
    """A new connection works without a mapping of its own."""
    mapping = MappingDocument.model_validate_json(default_mapping().model_dump_json())

    assert {rule.target: rule.source for rule in mapping.rules} == {
        "name.givenName": AttributeSource(attribute="first_name"),
        "name.familyName": AttributeSource(attribute="last_name"),
        MANAGER: AttributeSource(attribute="supervisor.id"),
    }
    assert mapping.user_name_attribute == "email"
    assert mapping.life_cycle == LIFE_CYCLE


# ------------------------------------------------------------ targets


@pytest.mark.parametrize(
    "targets", [("title", "title"), ("title", "Title"), ("name.givenName", "title", "NAME.givenname")]
)
def test_field_with_two_rules_is_rejected(targets: tuple[str, ...]) -> None:
    """SCIM ignores the case of attribute names."""
    message = read_error(build_document(*targets))

    assert f"keep one rule for {targets[0].lower()}" in message


@pytest.mark.parametrize(
    ("targets", "named"),
    [
        (("title", f"{CORE}:title"), "title"),
        (('phoneNumbers[type eq "work"]', 'phoneNumbers[TYPE EQ "Work"].value'), 'phonenumbers[type eq "work"]'),
        ((f"{ENTERPRISE}:costCenter", f"{ENTERPRISE.upper()}:COSTCENTER"), f"{ENTERPRISE}:costCenter".lower()),
    ],
)
def test_two_spellings_of_a_field_are_one_field(targets: tuple[str, ...], named: str) -> None:
    """Two rules would write the field in turn."""
    message = read_error(build_document(*targets))

    assert "keep one rule for " in message
    assert named in message


@pytest.mark.parametrize("target", ["userName", f"{CORE}:roles", 'emails[type eq "work"].value', "name.", "manager"])
def test_field_that_no_rule_may_write_is_rejected(target: str) -> None:
    """A rule for it would break the link between employee and account, or give rights."""
    assert target in read_error(build_document(target))


def test_manager_can_be_a_target() -> None:
    """The writer replaces its value by the account of the manager."""
    assert MappingDocument.model_validate(build_document(MANAGER)).rules[0].target == MANAGER


def test_manager_cannot_be_a_constant() -> None:
    """A constant would give all employees the same manager."""
    rule = {"target": MANAGER, "source": {"kind": "constant", "value": "20114"}}

    assert "the source of the manager is a constant" in read_error({"rules": [rule]})


# ------------------------------------------------------------ life cycle


def test_unnamed_status_keeps_its_default() -> None:
    """A mapping that changes one status still disables the accounts of leavers."""
    mapping = MappingDocument.model_validate(
        build_document(life_cycle={"onboarding": "provision", "sabbatical": "ignore"})
    )

    assert mapping.life_cycle == {
        "active": Intent.PROVISION,
        "onboarding": Intent.PROVISION,
        "leave": Intent.IGNORE,
        "inactive": Intent.DISABLE,
        "sabbatical": Intent.IGNORE,
    }


def test_default_life_cycle_cannot_be_changed() -> None:
    """Each document has its own copy of the defaults."""
    MappingDocument.model_validate(build_document()).life_cycle["active"] = Intent.IGNORE

    assert MappingDocument.model_validate(build_document()).life_cycle["active"] is Intent.PROVISION
    assert LIFE_CYCLE["active"] is Intent.PROVISION


def test_status_cannot_mean_reject() -> None:
    """A status cannot be a mistake in an employee's data."""
    assert "use provision, disable or ignore" in read_error(build_document(life_cycle={"leave": "reject"}))


@pytest.mark.parametrize("status", ["Active", " active", "LEAVE", "leave "])
def test_misspelled_status_is_rejected(status: str) -> None:
    """The engine compares statuses in lowercase, so another spelling would never match."""
    assert "a status must be in lowercase" in read_error(build_document(life_cycle={status: "provision"}))


# ------------------------------------------------------------ the rest of a document


@pytest.mark.parametrize(
    ("rule", "location"),
    [
        ({"source": {"kind": "attribute", "attribute": "a"}}, "rules.0.target"),
        ({"target": "", "source": {"kind": "attribute", "attribute": "a"}}, "rules.0.target"),
        ({"target": "title"}, "rules.0.source"),
        ({"target": "title", "source": {"attribute": "a"}}, "rules.0.source"),
        ({"target": "title", "source": {"kind": "formula", "value": "1"}}, "rules.0.source"),
        ({"target": "title", "source": {"kind": "attribute", "attribute": ""}}, "rules.0.source.attribute.attribute"),
        ({"target": "title", "source": {"kind": "constant", "value": {}}}, "rules.0.source.constant.value"),
        (
            {
                "target": "title",
                "source": {"kind": "constant", "value": 1},
                "transforms": [{"kind": "no-such-transform"}],
            },
            "rules.0.transforms.0",
        ),
        (
            {"target": "title", "source": {"kind": "constant", "value": 1}, "on_missing": "ignore"},
            "rules.0.on_missing",
        ),
        (
            {
                "target": "title",
                "source": {"kind": "constant", "value": 1},
                "transforms": [{"kind": "value_table", "table": {"a": "b"}, "otherwise": "clear"}],
            },
            "rules.0.transforms.0.value_table.otherwise",
        ),
    ],
)
def test_error_names_the_location_in_the_document(rule: dict[str, Any], location: str) -> None:
    """The author of a mapping must find the mistake."""
    with pytest.raises(ValidationError) as raised:
        MappingDocument.model_validate_json(json.dumps({"rules": [rule]}))

    assert any(".".join(map(str, problem["loc"])).startswith(location) for problem in raised.value.errors())


@pytest.mark.parametrize(
    "content",
    [
        {},
        build_document(user_name_attribute=""),
        build_document(format_version=2),
        build_document(life_cycle={"x": "y"}),
    ],
)
def test_invalid_document_is_rejected(content: dict[str, Any]) -> None:
    """A document needs rules and known values."""
    with pytest.raises(ValidationError):
        MappingDocument.model_validate_json(json.dumps(content))


@pytest.mark.parametrize("version", [0, -1])
def test_published_version_is_at_least_one(version: int) -> None:
    """Version 0 means that no mapping is published."""
    with pytest.raises(ValidationError):
        PublishedMapping(connection_id=CONNECTION, version=version, mapping=default_mapping(), published_at=NOW)


def test_rule_leaves_the_field_unchanged_by_default() -> None:
    """An empty value must not clear a field by accident."""
    assert Rule(target="title", source=AttributeSource(attribute="position")).on_missing == "leave"

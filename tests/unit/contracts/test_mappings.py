"""What a mapping document may say, and what it is told when it says something else."""

import json
from typing import Any

import pytest
from hypothesis import given
from pydantic import ValidationError

from services.contracts.events import Intent
from services.contracts.mappings import (
    ENTERPRISE,
    LIFE_CYCLE,
    MANAGER,
    AttributeSource,
    Mapping,
    PublishedMapping,
    Rule,
    default_mapping,
)
from tests.stored import CONNECTION, NOW
from tests.unit.contracts import strategies

CORE = "urn:ietf:params:scim:schemas:core:2.0:User"


def document(*targets: str, **more: Any) -> dict[str, Any]:
    """A mapping as somebody would write it, with a rule for each target."""
    rules = [{"target": target, "source": {"kind": "attribute", "attribute": "office.name"}} for target in targets]
    return {"rules": rules, **more}


def refusal(content: dict[str, Any]) -> str:
    with pytest.raises(ValidationError) as raised:
        Mapping.model_validate_json(json.dumps(content))
    return str(raised.value)


@strategies.everywhere_alike
@given(strategies.mappings)
def test_any_mapping_survives_export_and_import(mapping: Mapping) -> None:
    assert Mapping.model_validate_json(mapping.model_dump_json()) == mapping


@strategies.everywhere_alike
@given(strategies.mappings)
def test_any_published_mapping_survives_the_store(mapping: Mapping) -> None:
    published = PublishedMapping(connection_id=CONNECTION, version=1, mapping=mapping, published_at=NOW)
    assert PublishedMapping.model_validate(published.model_dump(mode="json")) == published


def test_the_mapping_that_a_connection_starts_with_is_valid_and_maps_names_and_supervisor() -> None:
    mapping = Mapping.model_validate_json(default_mapping().model_dump_json())
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
def test_a_field_is_the_target_of_one_rule_however_it_is_spelled(targets: tuple[str, ...]) -> None:
    message = refusal(document(*targets))
    assert f"more than one for: {targets[0].lower()}" in message


@pytest.mark.parametrize(
    "target",
    [
        "id",
        "externalId",
        "EXTERNALID",
        "active",
        "userName",
        "password",
        "schemas",
        "meta",
        "meta.created",
        "groups",
        'groups[type eq "direct"].value',
        "emails",
        "emails.value",
        'emails[type eq "work"].value',
        'Emails[Type eq "Work"].Value',
        'emails[type eq "work"].primary',
        f"{CORE}:active",
        f"{CORE.upper()}:USERNAME",
        f'{CORE}:emails[type eq "work"].value',
    ],
)
def test_identity_and_life_cycle_are_no_targets_however_they_are_spelled(target: str) -> None:
    assert f"{target} cannot be the target of a rule" in refusal(document(target))


@pytest.mark.parametrize(
    "target",
    [
        "title",
        "name.givenName",
        "name.middleName",
        "displayName",
        'emails[type eq "home"].value',
        'phoneNumbers[type eq "work"].value',
        "activeSince",
        f"{CORE}:title",
        f"{ENTERPRISE}:costCenter",
        "urn:example:params:scim:schemas:extension:travel:2.0:User:active",
        "urn:example:params:scim:schemas:extension:travel:2.0:User:manager.value",
        MANAGER,
    ],
)
def test_other_fields_are_targets(target: str) -> None:
    assert Mapping.model_validate(document(target)).rules[0].target == target


@pytest.mark.parametrize(
    "target", [MANAGER.lower(), f"{ENTERPRISE}:manager", f"{ENTERPRISE}:manager.displayName", MANAGER.upper()]
)
def test_the_manager_has_one_spelling(target: str) -> None:
    """Any other would be written as it stands: with the employee's id in place of the account's."""
    assert f"the manager's target is written {MANAGER}" in refusal(document(target))


def test_the_manager_comes_from_an_attribute() -> None:
    rule = {"target": MANAGER, "source": {"kind": "constant", "value": "20114"}}
    assert "the manager comes from an attribute that holds an employee id" in refusal({"rules": [rule]})


# ------------------------------------------------------------ life cycle


def test_a_status_that_a_mapping_does_not_name_means_what_it_usually_means() -> None:
    """Who gives one status another meaning does not thereby let those who left keep their access."""
    mapping = Mapping.model_validate(document(life_cycle={"onboarding": "provision", "sabbatical": "ignore"}))
    assert mapping.life_cycle == {
        "active": Intent.PROVISION,
        "onboarding": Intent.PROVISION,
        "leave": Intent.IGNORE,
        "inactive": Intent.DISABLE,
        "sabbatical": Intent.IGNORE,
    }


def test_the_usual_life_cycle_is_nobodys_to_change() -> None:
    Mapping.model_validate(document()).life_cycle["active"] = Intent.IGNORE
    assert Mapping.model_validate(document()).life_cycle["active"] is Intent.PROVISION
    assert LIFE_CYCLE["active"] is Intent.PROVISION


def test_no_status_rejects_people() -> None:
    assert "a status means provision, disable or ignore" in refusal(document(life_cycle={"leave": "reject"}))


@pytest.mark.parametrize("status", ["Active", " active", "LEAVE", "leave "])
def test_a_status_that_would_never_be_found_is_refused(status: str) -> None:
    assert "statuses are written in small letters" in refusal(document(life_cycle={status: "provision"}))


# ------------------------------------------------------------ the rest of a document


@pytest.mark.parametrize(
    ("rule", "place"),
    [
        ({"source": {"kind": "attribute", "attribute": "a"}}, "rules.0.target"),
        ({"target": "", "source": {"kind": "attribute", "attribute": "a"}}, "rules.0.target"),
        ({"target": "title"}, "rules.0.source"),
        ({"target": "title", "source": {"attribute": "a"}}, "rules.0.source"),
        ({"target": "title", "source": {"kind": "formula", "value": "1"}}, "rules.0.source"),
        ({"target": "title", "source": {"kind": "attribute", "attribute": ""}}, "rules.0.source.attribute.attribute"),
        ({"target": "title", "source": {"kind": "constant", "value": {}}}, "rules.0.source.constant.value"),
        (
            {"target": "title", "source": {"kind": "constant", "value": 1}, "transforms": [{"kind": "upper"}]},
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
def test_a_rule_that_is_wrong_is_found_at_its_place(rule: dict[str, Any], place: str) -> None:
    with pytest.raises(ValidationError) as raised:
        Mapping.model_validate_json(json.dumps({"rules": [rule]}))
    assert any(".".join(map(str, problem["loc"])).startswith(place) for problem in raised.value.errors())


@pytest.mark.parametrize(
    "content", [{}, document(user_name_attribute=""), document(format_version=2), document(life_cycle={"x": "y"})]
)
def test_a_document_of_another_shape_is_no_mapping(content: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Mapping.model_validate_json(json.dumps(content))


@pytest.mark.parametrize("version", [0, -1])
def test_published_versions_count_from_one(version: int) -> None:
    with pytest.raises(ValidationError):
        PublishedMapping(connection_id=CONNECTION, version=version, mapping=default_mapping(), published_at=NOW)


def test_a_rule_leaves_the_field_alone_where_there_is_no_value_unless_it_says_otherwise() -> None:
    assert Rule(target="title", source=AttributeSource(attribute="position")).on_missing == "leave"

"""What the field catalogue says of a server is what the server does with an account."""

from typing import Any

import httpx
import pytest

from sandbox.declaree.app import create_app
from services.clients.declaree.client import DeclareeClient
from services.contracts.fields import FieldCatalogue, FieldType, TargetField
from services.contracts.mappings import AttributeSource, ConstantSource, MappingDocument, Rule, default_mapping
from services.contracts.outcomes import Outcome
from services.contracts.targets import ENTERPRISE, MANAGER
from services.mapping.target_fields import build_field_catalogue
from services.mapping.target_problems import TargetProblemKind, find_target_problems
from services.provisioning import paths
from tests.system.pipeline import Pipeline

pytestmark = pytest.mark.mongo

VALUES: dict[FieldType, Any] = {FieldType.BOOLEAN: True, FieldType.TEXT: "Nordlicht"}
"""A value for each type of the sandbox's fields."""


async def read_catalogue(pipeline: Pipeline) -> FieldCatalogue:
    """Returns the catalogue of the sandbox."""
    access = (await pipeline.store.connections.get(pipeline.connection)).declaree
    transport = httpx.ASGITransport(app=create_app(pipeline.declaree))
    client = DeclareeClient(access, clock=pipeline.clock, transport=transport, allow_private=False)
    listed = await client.list_fields()
    await client.close()
    return build_field_catalogue(pipeline.connection, listed, None, pipeline.clock.now())


def choose_value(field: TargetField) -> Any:
    """Returns a value that the field should accept."""
    value = field.values[0] if field.values else VALUES[field.type]
    return (value,) if field.is_multi_valued else value


async def sync_with(pipeline: Pipeline, *rules: Rule) -> tuple[MappingDocument, int]:
    """Publishes the default mapping with further rules, and polls. Returns the mapping and an active employee."""
    mapping = MappingDocument(rules=(*default_mapping().rules, *rules))
    await pipeline.store.mappings.publish(pipeline.connection, mapping, now=pipeline.clock.now(), expected_version=None)
    employee = pipeline.hire(status="active")
    await pipeline.sync()
    return mapping, employee


@pytest.mark.parametrize("dialect", ["rfc", "page", "page_strict"])
async def test_every_field_of_the_catalogue_can_be_written(pipeline: Pipeline, dialect: str) -> None:
    """A mapping that writes all of them has no problem, and each value arrives."""
    pipeline.declaree.behaviour = pipeline.declaree.behaviour.model_copy(update={"dialect": dialect})
    catalogue = await read_catalogue(pipeline)
    used = {rule.target for rule in default_mapping().rules}
    written = [field for field in catalogue.fields if field.path not in used]
    values = {field.path: choose_value(field) for field in written if not field.path.startswith("emails")}
    addresses = [field.path for field in written if field.path not in values]  # unique on the server

    mapping, employee = await sync_with(
        pipeline,
        *(Rule(target=path, source=ConstantSource(value=value)) for path, value in values.items()),
        *(Rule(target=path, source=AttributeSource(attribute="email")) for path in addresses),
    )
    account = pipeline.get_account(employee)

    assert MANAGER in used
    assert len(values) > 30
    assert find_target_problems(mapping, catalogue) == ()
    assert pipeline.list_outcomes(employee)[-1].outcome is Outcome.CREATED
    stored = {path: paths.read(account, path) for path in values}
    assert {paths.read(account, path) for path in addresses} == {account["userName"]}
    assert stored == {path: list(value) if isinstance(value, tuple) else value for path, value in values.items()}


async def test_unknown_target_is_found_before_the_server_refuses_it(pipeline: Pipeline) -> None:
    """The field that is suggested for it is the one that works."""
    wrong = Rule(target=f"{ENTERPRISE}:costCentre", source=ConstantSource(value="CC-1"))
    catalogue = await read_catalogue(pipeline)

    mapping, employee = await sync_with(pipeline, wrong)
    (problem,) = find_target_problems(mapping, catalogue)
    (before,) = pipeline.list_outcomes(employee)
    suggested = wrong.model_copy(update={"target": f"{ENTERPRISE}:costCenter"})
    _, other = await sync_with(pipeline, suggested)

    assert problem.kind is TargetProblemKind.UNKNOWN
    assert f"write {suggested.target}" in problem.text
    assert before.outcome is Outcome.INCOMPLETE
    assert pipeline.get_account(other)[ENTERPRISE]["costCenter"] == "CC-1"

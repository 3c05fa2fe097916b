"""The forms on the vendor's page about SCIM: understood beside the RFC's, alone, or not at all."""

from dataclasses import replace
from typing import Any

import pytest

from sandbox.declaree.faults import Fault
from services.contracts.mappings import ENTERPRISE
from services.provisioning.server import Way
from tests.support.builders import CONNECTION
from tests.unit.writer.company import Company
from tests.unit.writer.servers import (
    FULL,
    LIFE,
    MANAGER,
    OTHER,
    STEADY,
    hire,
    leave,
    live_through,
    read_content,
    write,
)

SILENT: dict[str, Any] = {"schemas": False, "service_provider_config": False, "resource_types": False}
"""A server that says nothing about itself."""


@pytest.mark.parametrize("discovery", [{}, SILENT], ids=["described", "silent"])
@pytest.mark.parametrize("dialect", ["rfc", "page", "page_strict"])
async def test_account_is_right_in_every_dialect(company: Company, dialect: str, discovery: dict[str, Any]) -> None:
    """Every kind of field is written in the forms that the server understands, and they are remembered."""
    company.stage.change_behaviour(dialect=dialect, id_format="uuid", **discovery)
    await hire(company, "7", "6")
    await live_through(company, "7")

    assert await live_through(company, "6") == [STEADY] * len(LIFE)
    assert await leave(company, "6") == STEADY


@pytest.mark.parametrize("dialect", ["page", "page_strict"])
async def test_manager_is_named_by_external_id_from_the_start(company: Company, dialect: str) -> None:
    """``/Schemas`` lists ``managerId``: the first account that has a manager is created with it, by one request."""
    company.stage.change_behaviour(dialect=dialect)
    await hire(company)
    server = await company.stage.get_server()

    await company.settle(FULL.make_request("7", 1_000))

    assert len(server.writes) == 3
    assert await read_content(company.stage, "7") == FULL


async def test_manager_that_is_passed_over_is_written_in_another_form(company: Company) -> None:
    """The server ignores ``manager.value`` without an error: reading back shows it, and the next account is right at once."""
    company.stage.change_behaviour(dialect="page_strict", **SILENT)
    await hire(company)
    server = await company.stage.get_server()
    await company.settle(FULL.make_request("7", 1_000))
    writes = len(server.writes)

    await company.settle(FULL.make_request("6", 1_000))

    assert [await read_content(company.stage, employee) for employee in "76"] == [FULL, FULL]
    assert len(server.writes) == writes + 1


async def test_paths_of_the_page_are_remembered(company: Company) -> None:
    """A server that answers paths of the RFC with ``invalidPath`` gets those of the page from then on."""
    stage = company.stage
    stage.change_behaviour(dialect="page_strict")
    await hire(company, "7", "6")
    contents = (replace(FULL, mobile=None), replace(OTHER, mobile=None))
    await live_through(company, "7", contents)
    server = await stage.get_server()
    before = len(server.writes)

    await live_through(company, "6", contents)

    operations = [operation for call in server.writes[before:] for operation in getattr(call, "operations", ())]
    paths = {operation["path"] for operation in operations}
    assert "name.familyName" not in paths
    assert {"familyName", "emails[email.type eq 'work']", f"{ENTERPRISE}:manager"} <= paths


async def test_put_without_id_is_used_where_nothing_else_works(company: Company) -> None:
    """The page shows a PUT of the collection. It is the last way, and it is remembered."""
    stage = company.stage
    stage.change_behaviour(dialect="page_strict", patch_routed=False)
    stage.declaree.faults.order(Fault(kind="status", method="PUT", path="/Users/*", status=405, count=None))
    await hire(company, "7", "6")
    await live_through(company, "7")

    assert await live_through(company, "6") == [STEADY] * len(LIFE)
    assert (await stage.get_endpoints())[CONNECTION].memory.preferred is Way.PUT_COLLECTION


async def test_manager_is_found_out_where_put_alone_works(company: Company) -> None:
    """A PUT with ``manager.value`` is confirmed without a manager: the external id is tried in the same way."""
    stage = company.stage
    stage.change_behaviour(dialect="page_strict", patch_routed=False, **SILENT)
    stage.declaree.faults.order(Fault(kind="status", method="PUT", path="/Users", status=405, count=None))
    await hire(company, "7", "6")
    await live_through(company, "7")

    assert await live_through(company, "6") == [STEADY] * len(LIFE)


@pytest.mark.parametrize("dialect", ["page", "page_strict"])
async def test_cleared_manager_is_cleared_in_every_dialect(company: Company, dialect: str) -> None:
    """A manager that is named by an external id is removed as any other one."""
    company.stage.change_behaviour(dialect=dialect)
    await hire(company, "7")
    await live_through(company, "7", (FULL,))

    outcome, _ = await write(company, "7", LIFE[2])

    assert MANAGER in outcome.written
    assert (await read_content(company.stage, "7")).manager is None

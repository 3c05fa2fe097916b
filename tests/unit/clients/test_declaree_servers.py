"""The client against sandboxes that behave as other servers and proxies do, over a socket."""

from typing import Any

import pytest

from sandbox.declaree.app import create_app
from sandbox.declaree.behaviour import Behaviour
from sandbox.declaree.state import Declaree
from services.clients.declaree.client import DeclareeClient
from services.clients.declaree.errors import DeclareeUnavailableError
from services.provisioning.calls import (
    CreateAccount,
    FindAccounts,
    Found,
    ListAccounts,
    Page,
    PatchAccount,
    ReadAccount,
    ReplaceAccount,
    Unsupported,
    Written,
)
from tests.support.fakes import FakeClock
from tests.support.serving import serve_in_thread
from tests.unit.clients.declaree_stage import ACCESS, KEY, PATCH, build_user, open_stage


@pytest.mark.parametrize(
    "behaviour",
    [
        {"answer_form": "utf8_encoding"},
        {"answer_form": "gzip"},
        {"answer_form": "x_gzip"},
        {"answer_form": "gzip_members"},
        {"answer_form": "latin1"},
        {"answer_form": "undeclared_latin1"},
        {"answer_form": "large_header"},
        {"answer_form": "many_headers"},
        {"scim_media_type": False},
        {"trailing_slash": "required"},
        {"trailing_slash": "required", "scim_media_type": False, "answer_form": "gzip_members"},
    ],
)
async def test_every_call_works_behind_real_proxies(behaviour: dict[str, Any]) -> None:
    """Names arrive right, and each call has its usual answer."""
    app = create_app(Declaree(api_key=KEY, behaviour=Behaviour.model_validate(behaviour)))

    with serve_in_thread(app) as url:
        access = ACCESS.model_copy(update={"url": f"{url}/SCIM/v2"})
        client = DeclareeClient(access, clock=FakeClock(), allow_private=True)
        created = await client.perform(CreateAccount(build_user()))
        assert isinstance(created, Written)
        assert created.resource is not None
        account = created.resource.id
        assert created.resource.body["name"]["givenName"] == "Zoë"
        assert await client.perform(ReadAccount(account)) == Found((created.resource,))
        assert await client.perform(FindAccounts("externalId", "7")) == Found((created.resource,))
        assert await client.perform(ListAccounts()) == Page((created.resource,), 1)
        assert isinstance(await client.perform(PatchAccount(account, PATCH.operations)), Written)
        assert isinstance(await client.perform(ReplaceAccount(account, build_user())), Written)
        await client.probe()
        await client.close()


async def test_deflate_is_named_as_the_cause() -> None:
    """The client asked for gzip only."""
    app = create_app(Declaree(api_key=KEY, behaviour=Behaviour(answer_form="deflate")))

    with serve_in_thread(app) as url:
        access = ACCESS.model_copy(update={"url": f"{url}/SCIM/v2"})
        client = DeclareeClient(access, clock=FakeClock(), allow_private=True)
        with pytest.raises(DeclareeUnavailableError, match="encoding deflate"):
            await client.probe()
        await client.close()


@pytest.mark.parametrize(
    "behaviour",
    [
        {"plain_list_status": 400},
        {"plain_list_status": 500},
        {"plain_list_status": 500, "no_match_status": 404},
        {"plain_list_status": 400, "filters": "none"},
        {"no_match_status": 404},
        {"filters": "not_implemented"},
    ],
)
async def test_probe_accepts_servers_that_lack_lookups(behaviour: dict[str, Any]) -> None:
    """Reading by id and writing still work on these servers."""
    async with open_stage(**behaviour) as stage:
        await stage.client.probe()


async def test_lookups_that_a_server_lacks_are_unsupported() -> None:
    """The settlement then chooses another way to find accounts."""
    async with open_stage(filters="none", plain_list_status=500) as stage:
        assert await stage.client.perform(FindAccounts("userName", "zoe@example.com")) == Unsupported()
        assert await stage.client.perform(ListAccounts()) == Unsupported()


@pytest.mark.parametrize("status", [200, 404])
async def test_filter_without_a_match_finds_nothing(status: Any) -> None:
    """The RFC wants an empty list; some servers answer with a SCIM error."""
    async with open_stage(no_match_status=status) as stage:
        assert await stage.client.perform(FindAccounts("userName", "zoe@example.com")) == Found()


@pytest.mark.parametrize(
    ("behaviour", "patch", "etag", "manager_by_external_id"),
    [
        ({"dialect": "page"}, True, False, True),
        ({"dialect": "page_strict", "schemas": False}, True, False, None),
        ({"versions": True, "patch": False}, False, True, False),
        ({"versions": True, "advertise_versions": False}, True, False, False),
        ({"service_provider_config": False}, None, None, False),
    ],
)
async def test_sandbox_is_described_in_every_dialect(
    behaviour: dict[str, Any], patch: bool | None, etag: bool | None, manager_by_external_id: bool | None
) -> None:
    """The vendor's page lists ``managerId`` below the manager."""
    async with open_stage(**behaviour) as stage:
        description = await stage.client.discover()

    assert description.schema
    assert description.patch is patch
    assert description.etag is etag
    assert description.manager_by_external_id is manager_by_external_id

"""How the independent SCIM servers answer the forms of PATCH: one row for each operation, with both answers."""

from typing import Any

import httpx
import pytest

from tests.support.scim_servers.calls import Answer, create_user, get_user, patch_user, select_answer
from tests.support.scim_servers.server import ScimServer
from tests.support.world import ENTERPRISE

WORK = 'emails[type eq "work"].value'
"""The path of the work e-mail."""

EMAIL = {"value": "ada@work.example", "type": "work", "primary": True}
"""A work e-mail."""

MANAGER = {ENTERPRISE: {"manager": {"value": "3"}}}
"""A user with a manager."""

DONE = (204, None), (200, None)
"""Both servers have done it: scim2-server answers 204, SCIM-SDK 200 with the user."""

NO_TARGET = (400, "noTarget")
"""The attribute or the entry is absent, and the server does not create it."""

PATCHES: list[tuple[dict[str, Any], dict[str, Any], Answer, Answer]] = [
    ({}, {"op": "replace", "path": "active", "value": False}, *DONE),
    ({}, {"op": "replace", "path": "name.givenName", "value": "Ada"}, *DONE),
    ({}, {"op": "add", "path": "emails", "value": [EMAIL]}, *DONE),
    ({}, {"op": "replace", "path": WORK, "value": "new@work.example"}, NO_TARGET, NO_TARGET),
    ({"emails": [EMAIL]}, {"op": "replace", "path": WORK, "value": "new@work.example"}, *DONE),
    ({"emails": [EMAIL]}, {"op": "remove", "path": 'emails[type eq "work"]'}, *DONE),
    ({}, {"op": "remove", "path": 'emails[type eq "work"]'}, *DONE),
    ({}, {"op": "remove", "path": "title"}, (204, None), NO_TARGET),
    ({}, {"op": "replace", "path": f"{ENTERPRISE}:manager.value", "value": "17"}, *DONE),
    ({}, {"op": "add", "path": f"{ENTERPRISE}:manager", "value": {"value": "17"}}, *DONE),
    ({}, {"op": "add", "path": f"{ENTERPRISE}:manager", "value": "17"}, (400, "invalidValue"), (400, None)),
    ({}, {"op": "replace", "path": ENTERPRISE, "value": {"manager": {"value": "17"}}}, *DONE),
    ({}, {"op": "remove", "path": f"{ENTERPRISE}:manager"}, (204, None), NO_TARGET),
    (MANAGER, {"op": "remove", "path": f"{ENTERPRISE}:manager"}, *DONE),
    (MANAGER, {"op": "replace", "path": f"{ENTERPRISE}:manager.value", "value": "17"}, *DONE),
    (MANAGER, {"op": "replace", "path": f"{ENTERPRISE}:manager", "value": {"value": "17"}}, *DONE),
    ({}, {"op": "replace", "value": {"active": False, ENTERPRISE: {"manager": {"value": "17"}}}}, *DONE),
    ({}, {"op": "replace", "value": {"name.givenName": "Ada"}}, *DONE),
    ({}, {"op": "replace", "path": "shoeSize", "value": "44"}, (400, "invalidPath"), (400, "invalidFilter")),
]
"""Attributes of the user before, the operation, and the answers of scim2-server and of SCIM-SDK."""


def collect_values(body: Any) -> set[Any]:
    """Returns all strings, numbers and booleans in a JSON value."""
    if isinstance(body, dict):
        return set().union(*map(collect_values, body.values()))
    return set().union(*map(collect_values, body)) if isinstance(body, list) else {body}


@pytest.mark.parametrize(
    ("before", "operation", "strict", "sdk"),
    PATCHES,
    ids=[
        f"{op['op']}-{op.get('path', 'no-path').rpartition(':')[2]}-{'present' if old else 'absent'}"
        for old, op, *_ in PATCHES
    ],
)
async def test_patch_is_answered_as_recorded(
    server: ScimServer,
    client: httpx.AsyncClient,
    before: dict[str, Any],
    operation: dict[str, Any],
    strict: Answer,
    sdk: Answer,
) -> None:
    """The servers agree on the forms that the writer sends, and differ in how strict they are."""
    user = await create_user(client, **before)

    answer = await patch_user(client, user, operation)
    live = await get_user(client, user)

    assert answer == select_answer(server, strict, sdk)
    if operation["op"] == "remove":
        assert not collect_values(before) & collect_values(live)
    else:
        assert (collect_values(operation["value"]) <= collect_values(live)) == (answer[0] < 300)

"""Faults for single persons and effects, and the answers that they give."""

import pytest

from tests.sandbox.declaree.in_process import DeclareeSandbox, build_operation, build_user, read_error

# ---------------------------------------------------------------- answers


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirect_fault_can_leave_the_origin(sandbox: DeclareeSandbox, status: int) -> None:
    """A client that follows the redirect sends its key to another server."""
    location = "https://elsewhere.example/SCIM/v2/Users"
    await sandbox.order_fault("redirect", location=location, redirect_status=status)

    answer = await sandbox.request("POST", "/Users", build_user())

    assert answer.status_code == status
    assert answer.headers["location"] == location
    assert sandbox.list_user_names() == set()


async def test_gateway_page_answers_for_an_account(sandbox: DeclareeSandbox) -> None:
    """A 404 with a page does not prove that the account is gone."""
    account = (await sandbox.create())["id"]
    await sandbox.order_fault("status", status=404, body="html", method="GET", path="/Users/*")

    answer = await sandbox.request("GET", f"/Users/{account}")

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert (await sandbox.get(f"/Users/{account}"))["id"] == account


async def test_large_id_fault_answers_with_a_large_id(sandbox: DeclareeSandbox) -> None:
    """The account is created, and the answer does not show its id."""
    await sandbox.order_fault("large_id", method="POST", after_commit=True, id_bytes=5_000)

    answer = await sandbox.request("POST", "/Users", build_user("zoe@example.com"))

    assert answer.status_code == 201
    assert answer.json() == {"id": "x" * 5_000}
    assert sandbox.list_user_names() == {"zoe@example.com"}


async def test_other_account_fault_answers_with_another_account(sandbox: DeclareeSandbox) -> None:
    """The answer shows another account, without or after the effect of the request."""
    account, other = [(await sandbox.create(build_user(email)))["id"] for email in ("a@example.com", "b@example.com")]
    rename = build_operation("replace", "userName", "c@example.com")

    await sandbox.order_fault("other_account", method="GET", path=f"/Users/{account}", account_id=other)

    assert (await sandbox.get(f"/Users/{account}"))["id"] == other
    assert (await sandbox.get(f"/Users/{account}"))["id"] == account

    await sandbox.order_fault("other_account", method="PATCH", account_id=other)

    assert (await sandbox.patch(account, rename)).json()["id"] == other
    assert sandbox.list_user_names() == {"a@example.com", "b@example.com"}

    await sandbox.order_fault("other_account", method="PATCH", account_id=other, after_commit=True)

    assert (await sandbox.patch(account, rename)).json()["id"] == other
    assert sandbox.list_user_names() == {"c@example.com", "b@example.com"}


# ---------------------------------------------------------------- conditions on the body


async def test_fault_hits_only_writes_that_disable(sandbox: DeclareeSandbox) -> None:
    """The first write that disables an account is refused, in each of its forms; the next one succeeds."""
    account = (await sandbox.create())["id"]
    other = build_operation("replace", "title", "Dr.")
    operations = (
        build_operation("replace", "active", False),
        build_operation("Replace", "Active", "False"),
        build_operation("replace", None, {"active": "false"}),
    )

    for operation in operations:
        await sandbox.order_fault("status", status=423, disables=True)
        assert (await sandbox.patch(account, other)).status_code == 200
        assert read_error(await sandbox.patch(account, operation)) == (423, None)
        assert (await sandbox.patch_and_get(account, operation))["active"] is False

    await sandbox.order_fault("status", status=409, disables=True, count=None)

    assert (await sandbox.request("PUT", f"/Users/{account}", build_user(active=True))).status_code == 200
    assert (await sandbox.request("PUT", f"/Users/{account}", build_user(active=False))).status_code == 409
    assert (await sandbox.request("POST", "/Users", {"active": False})).status_code == 409


async def test_fault_hits_bodies_that_contain_a_text(sandbox: DeclareeSandbox) -> None:
    """A single person's writes can fail while all others succeed."""
    await sandbox.order_fault("status", status=500, body_contains='"externalid": "7"', count=None)

    assert (await sandbox.request("POST", "/Users", build_user(externalId="7"))).status_code == 500
    assert (await sandbox.request("POST", "/Users", build_user(externalId="8"))).status_code == 201
    assert (await sandbox.request("GET", "/Users")).status_code == 200


async def test_status_fault_can_name_type_and_detail(sandbox: DeclareeSandbox) -> None:
    """A test orders the exact error that a server was seen to send."""
    await sandbox.order_fault("status", status=400, scim_type="noTarget", detail="nothing there")

    answer = await sandbox.request("GET", "/Users")

    assert read_error(answer) == (400, "noTarget")
    assert answer.json()["detail"] == "nothing there"

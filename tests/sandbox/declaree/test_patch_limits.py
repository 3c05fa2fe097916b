"""PATCH operations that the RFC allows and real servers reject: each limit has a switch."""

import pytest

from tests.sandbox.declaree.in_process import (
    ENTERPRISE,
    DeclareeSandbox,
    build_operation,
    build_user,
    read_error,
    run_sandbox,
)

MANAGER = f"{ENTERPRISE}:manager"
WORK_EMAIL = 'emails[type eq "work"].value'
REFUSALS = pytest.mark.parametrize(
    ("verdict", "error"), [("no_target", (400, "noTarget")), ("error", (500, None))], ids=["no_target", "error"]
)


async def test_unrouted_patch_gets_a_page_while_put_works() -> None:
    """A gateway that does not know PATCH answers for itself, although the configuration lists PATCH as supported."""
    async with run_sandbox(patch_routed=False) as sandbox:
        account = (await sandbox.create())["id"]

        answer = await sandbox.patch(account, build_operation("replace", "title", "Dr."))

        assert answer.status_code == 404
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert (await sandbox.get("/ServiceProviderConfig"))["patch"] == {"supported": True}
        assert (await sandbox.request("PUT", f"/Users/{account}", build_user(title="Dr."))).status_code == 200
        assert (await sandbox.get(f"/Users/{account}"))["title"] == "Dr."


async def test_refused_operator_gets_501() -> None:
    """The other operators still work."""
    async with run_sandbox(refused_operators=["add"]) as sandbox:
        account = (await sandbox.create())["id"]

        assert read_error(await sandbox.patch(account, build_operation("Add", "title", "Dr."))) == (501, None)
        assert (await sandbox.patch_and_get(account, build_operation("replace", "title", "Dr.")))["title"] == "Dr."


async def test_bare_path_of_an_extension_can_be_refused() -> None:
    """Paths into the extension, and operations without a path, still work."""
    async with run_sandbox(bare_extension_path=False) as sandbox:
        account = (await sandbox.create())["id"]

        answer = await sandbox.patch(account, build_operation("replace", ENTERPRISE, {"department": "Sales"}))

        assert read_error(answer) == (400, "invalidPath")

        for operation in (
            build_operation("replace", f"{ENTERPRISE}:department", "Sales"),
            build_operation("replace", None, {ENTERPRISE: {"department": "Sales"}}),
        ):
            assert (await sandbox.patch_and_get(account, operation))[ENTERPRISE] == {"department": "Sales"}


@REFUSALS
async def test_replace_of_an_absent_part_can_be_refused(verdict: str, error: tuple[int, str | None]) -> None:
    """``add`` and the whole attribute still work, and a present part can be replaced."""
    async with run_sandbox(replace_of_absent_part=verdict) as sandbox:
        first, second = [
            (await sandbox.create(build_user(email)))["id"] for email in ("a@example.com", "b@example.com")
        ]
        account = (await sandbox.create())["id"]
        part = build_operation("replace", f"{MANAGER}.value", second)

        assert read_error(await sandbox.patch(account, part)) == error
        assert (
            read_error(await sandbox.patch(account, build_operation("replace", None, {f"{MANAGER}.value": second})))
            == error
        )
        assert (await sandbox.patch(account, build_operation("add", f"{MANAGER}.value", first))).status_code == 200
        assert (await sandbox.patch_and_get(account, part))[ENTERPRISE]["manager"]["value"] == second
        assert (
            await sandbox.patch(account, build_operation("replace", WORK_EMAIL, "c@example.com"))
        ).status_code == 200


@REFUSALS
async def test_replace_by_value_path_can_be_refused(verdict: str, error: tuple[int, str | None]) -> None:
    """The part of an e-mail address that exists is refused as well; all addresses can be replaced as a whole."""
    async with run_sandbox(replace_by_value_path=verdict) as sandbox:
        chief = (await sandbox.create(build_user("a@example.com")))["id"]
        account = (await sandbox.create())["id"]
        emails = [{"value": "b@example.com", "type": "work"}]

        assert (
            read_error(await sandbox.patch(account, build_operation("replace", WORK_EMAIL, "b@example.com"))) == error
        )
        assert (await sandbox.patch_and_get(account, build_operation("replace", "emails", emails)))["emails"] == emails
        assert (await sandbox.patch(account, build_operation("replace", f"{MANAGER}.value", chief))).status_code == 200


async def test_administrators_are_not_limited(sandbox: DeclareeSandbox) -> None:
    """The control API prepares accounts on every server."""
    sandbox.change_behaviour(refused_operators=["replace"], replace_of_absent_part="error", patch_routed=False)
    account = (await sandbox.create())["id"]

    await sandbox.control("PATCH", f"/accounts/{account}", {"set": {f"{MANAGER}.value": account}})

    assert (await sandbox.get(f"/Users/{account}"))[ENTERPRISE]["manager"]["value"] == account

"""A restored backup of Declaree: an older state comes back as a whole."""

from pathlib import Path

from tests.sandbox.declaree.in_process import (
    ENTERPRISE,
    DeclareeSandbox,
    build_operation,
    build_user,
    run_sandbox,
)

MANAGER = f"{ENTERPRISE}:manager"


async def test_restore_brings_back_identities_and_states(sandbox: DeclareeSandbox) -> None:
    """External ids, addresses, managers, roles and versions are those of the backup, in searches as well."""
    chief = (await sandbox.create(build_user("chief@example.com", externalId="1")))["id"]
    body = build_user(externalId="2", roles=[{"value": "Admin"}], **{ENTERPRISE: {"manager": {"value": chief}}})
    before = await sandbox.create(body)
    await sandbox.control("POST", "/snapshots", {"name": "hour ago"})

    await sandbox.patch_and_get(
        before["id"],
        build_operation("replace", "active", False),
        build_operation("replace", "userName", "ada@example.com"),
        build_operation("replace", "emails", [{"value": "ada@example.com", "type": "work"}]),
        build_operation("replace", "externalId", "3"),
        build_operation("remove", MANAGER),
        build_operation("remove", "roles"),
    )
    await sandbox.control("POST", "/snapshots/hour%20ago/restore")

    assert await sandbox.get(f"/Users/{before['id']}") == before
    assert await sandbox.find_ids('externalId eq "2"') == [before["id"]]
    assert await sandbox.find_ids('externalId eq "3"') == []
    assert await sandbox.find_ids('userName eq "ada@example.com"') == []
    assert (await sandbox.control("GET", "/summary"))["active"] == 2
    assert (await sandbox.create(build_user("ada@example.com")))["userName"] == "ada@example.com"


async def test_restored_state_survives_a_restart(tmp_path: Path) -> None:
    """The state file holds the restored entries, so that a kill after the restore loses nothing."""
    file = tmp_path / "state"
    async with run_sandbox(state_file=file) as sandbox:
        kept = await sandbox.create(build_user(externalId="1"))
        await sandbox.control("POST", "/snapshots", {"name": "a"})
        await sandbox.patch_and_get(kept["id"], build_operation("replace", "externalId", "9"))
        await sandbox.create(build_user("later@example.com"))
        await sandbox.control("POST", "/snapshots/a/restore")

    async with run_sandbox(state_file=file) as sandbox:
        assert (await sandbox.get("/Users"))["Resources"] == [kept]
        assert await sandbox.find_ids('externalId eq "1"') == [kept["id"]]

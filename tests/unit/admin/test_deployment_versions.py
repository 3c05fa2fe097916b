"""How the versions of the running processes are judged."""

from services.admin.deployment import judge_versions
from services.admin.findings import Finding
from services.runtime.version import VERSION


def test_processes_of_this_version_are_right() -> None:
    """With their number, and what else is known."""
    assert judge_versions("writer", {VERSION: 2}, "; more") == Finding(
        "writer", note=f"running: 2 of version {VERSION}; more"
    )


def test_other_version_is_a_hint() -> None:
    """It is usual during an upgrade, and must not stay so."""
    found = judge_versions("writer", {VERSION: 1, "0.0.9": 2})

    assert found.problem is None
    assert str(found.hint).startswith(
        f"running: 2 of version 0.0.9, 1 of version {VERSION}, and this program is {VERSION}: finish"
    )

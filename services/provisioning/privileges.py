"""Roles and entitlements of an account that may be a privilege."""

from typing import Any

from services.provisioning import paths
from services.provisioning.calls import Resource

UNPRIVILEGED = frozenset({"", "user", "employee", "member", "false"})
"""Values of ``roles`` and ``entitlements``, in lowercase, that give no privilege. Every other value counts as one."""


def is_privileged(live: Resource) -> bool:
    """Returns whether the account has a role or an entitlement that may be a privilege."""
    return bool(list_privileges(live))


def list_privileges(live: Resource) -> frozenset[str]:
    """Returns the roles and entitlements of the account that may be a privilege, in lowercase."""
    values = (_list_values(paths.read(live.body, name)) for name in ("roles", "entitlements"))
    return frozenset[str]().union(*values) - UNPRIVILEGED


def _list_values(value: Any) -> frozenset[str]:
    entries = value if isinstance(value, list) else [value]
    values = (_name_entry(entry) if isinstance(entry, dict) else entry for entry in entries)
    return frozenset(str(value).strip().lower() for value in values if value is not None)


def _name_entry(entry: dict[str, Any]) -> Any:
    """Returns what names an entry of a list; the entry itself if nothing does, so that it counts as a privilege."""
    members = {name.lower(): value for name, value in entry.items() if value is not None}
    return members.get("value", members.get("display", members or None))

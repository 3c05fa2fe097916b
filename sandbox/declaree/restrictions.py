"""What the server refuses to clients, or ignores, although the RFC allows it. Administrators are not restricted."""

from typing import Any

from sandbox.declaree.behaviour import Behaviour
from sandbox.declaree.directory import Entry
from sandbox.declaree.errors import ScimError, bad_request
from sandbox.declaree.values import Resource
from sandbox.declaree.written_paths import list_written_values


def check_payload(payload: Any, entry: Entry | None, behaviour: Behaviour) -> None:
    """Raises ``ScimError`` if the write contains a refused attribute, or is for a failing account.

    ``entry`` is the account of the write; None for a new one.
    """
    if not (behaviour.refused_attributes or behaviour.failing_accounts):
        return
    written = list_written_values(payload)
    if behaviour.failing_accounts and not _list_identities(written, entry).isdisjoint(
        identity.casefold() for identity in behaviour.failing_accounts
    ):
        raise ScimError(500, "internal error")
    refused = {path.casefold() for path in behaviour.refused_attributes}
    for path, _value in written:
        if path in refused:
            if behaviour.refused_attributes_status == 500:
                raise ScimError(500, "internal error")
            raise bad_request("invalidValue", f"{path} is refused")


def _list_identities(written: list[tuple[str, Any]], entry: Entry | None) -> set[str]:
    """Returns the case-folded ids and names of the write's account, as stored and as written."""
    identities = {str(value).casefold() for path, value in written if path in {"externalid", "username"}}
    if entry is not None:
        stored = entry.resource
        identities |= {entry.id.casefold(), stored["userName"].casefold(), stored.get("externalId", "").casefold()}
    return identities


def restrict_change(new: Resource, old: Entry, behaviour: Behaviour) -> Resource:
    """Returns the account after a client's PUT or PATCH. Raises ``ScimError`` for a change that is not allowed."""
    for name in behaviour.immutable_attributes:
        if name in old.resource and new.get(name) != old.resource[name]:
            raise bad_request("mutability", f"{name} cannot be changed")
    if not old.resource.get("active", False) or new.get("active", True):
        return new
    if behaviour.ignore_disabling:
        return {**new, "active": True}
    roles = {str(role.get("value", "")).casefold() for role in old.resource.get("roles", ())}
    if roles.isdisjoint(role.casefold() for role in behaviour.protected_roles):
        return new
    raise ScimError(behaviour.protected_status, "an administrator cannot be disabled")

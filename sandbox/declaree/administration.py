"""What an administrator does in Declaree's own pages, behind the back of whoever writes over SCIM."""

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from sandbox.declaree.directory import Administration, Directory, Entry, emails
from sandbox.declaree.documents import display_name
from sandbox.declaree.schemas import ENTERPRISE_URN
from sandbox.declaree.state import Declaree
from sandbox.declaree.values import Resource


class Place(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str = Field(min_length=1)
    sticky: bool = False


class AccountEdit(BaseModel):
    """``set`` holds SCIM attributes by name or path; null clears."""

    model_config = ConfigDict(extra="forbid")
    set: dict[str, Any] = Field(default_factory=dict)
    invited: bool | None = None
    administrations: list[Place] | None = None


def create_account(declaree: Declaree, body: Resource) -> Entry:
    """``body`` is a SCIM user. Raises ``ScimError`` as the endpoint does."""
    return declaree.registry.create("User", body, declaree.behaviour)


def edit_account(declaree: Declaree, entry: Entry, edit: AccountEdit) -> Entry:
    if edit.set:
        operations = {"Operations": [{"op": "replace", "value": edit.set}]}
        entry = declaree.registry.patch(entry, operations, declaree.behaviour)
    if edit.invited is not None:
        entry = declaree.registry.invite(entry, invited=edit.invited)
    if edit.administrations is not None:
        places = tuple(Administration(place.name, place.sticky) for place in edit.administrations)
        entry = declaree.registry.assign(entry, places)
    return entry


def change_email(declaree: Declaree, entry: Entry, email: str) -> Entry:
    """User name and e-mail are the same thing in Declaree's form."""
    changed = {"userName": email, "emails": [{"value": email, "type": "work", "primary": True}]}
    return edit_account(declaree, entry, AccountEdit(set=changed))


def compact(entry: Entry, directory: Directory) -> Resource:
    resource = entry.resource
    manager = manager_of(entry, directory)
    return {
        "id": entry.id,
        "external_id": resource.get("externalId"),
        "user_name": resource["userName"],
        "emails": emails(resource),
        "first_name": resource["name"]["givenName"],
        "last_name": resource["name"]["familyName"],
        "enabled": resource.get("active", False),
        "invited": entry.invited,
        "manager_id": resource.get(ENTERPRISE_URN, {}).get("manager", {}).get("value"),
        "manager_name": display_name(manager) if manager else None,
        "administrations": [{"name": found.name, "sticky": found.sticky} for found in entry.administrations],
        "created": entry.created,
        "modified": entry.modified,
        "version": entry.version,
    }


def manager_of(entry: Entry, directory: Directory) -> Entry | None:
    value = entry.resource.get(ENTERPRISE_URN, {}).get("manager", {}).get("value", "")
    return directory.users.get(value)


def accounts_document(declaree: Declaree, filters: Mapping[str, str], start: int, limit: int) -> Resource:
    """A page of accounts; ``start`` counts from 0. Filters: q, active, external_id, user_name."""
    directory = declaree.directory
    chosen = list(matching(directory, filters))
    page = islice(chosen, start, start + limit)
    return {"total": len(chosen), "start": start, "accounts": [compact(entry, directory) for entry in page]}


def matching(directory: Directory, filters: Mapping[str, str]) -> Iterable[Entry]:
    user_name, external_id = filters.get("user_name"), filters.get("external_id")
    found: Iterable[Entry] = directory.users.values()
    if user_name is not None:
        holder = directory.user_by_name(user_name)
        found = [holder] if holder else []
    elif external_id is not None:
        found = directory.by_external_id("User", external_id)
    if external_id is not None:
        found = (entry for entry in found if entry.resource.get("externalId") == external_id)
    if filters.get("active") in {"true", "false"}:
        wanted = filters["active"] == "true"
        found = (entry for entry in found if entry.resource.get("active", False) is wanted)
    text = filters.get("q", "").strip().casefold()
    return (entry for entry in found if not text or text in _searched(entry))


def _searched(entry: Entry) -> str:
    resource = entry.resource
    name = resource["name"]
    parts = (resource["userName"], name["givenName"], name["familyName"], resource.get("externalId", ""), entry.id)
    return "\n".join(parts).casefold()

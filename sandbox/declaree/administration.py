"""Changes that an administrator makes on Declaree's own pages, without a SCIM request."""

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from sandbox.declaree.directory import Administration, Directory, Entry, get_display_name, list_emails
from sandbox.declaree.schemas import ENTERPRISE_URN
from sandbox.declaree.state import Declaree
from sandbox.declaree.values import Resource


class AdministrationEdit(BaseModel):
    """One administration of an account, as the control API receives it."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    name: str = Field(min_length=1)
    """Name of the administration."""
    sticky: bool = False
    """Whether a write by the connector keeps the account in this administration."""


class AccountEdit(BaseModel):
    """Changes to one account, as the control API receives them."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    set: dict[str, Any] = Field(default_factory=dict)
    """SCIM attributes to set, by name or path; null clears an attribute."""
    invited: bool | None = None
    """Whether the account is invited; None leaves this unchanged."""
    administrations: list[AdministrationEdit] | None = None
    """The account's administrations; None leaves them unchanged."""


def create_account(declaree: Declaree, body: Resource) -> Entry:
    """Creates an account from the SCIM user ``body``. Raises ``ScimError`` in the same cases as the SCIM endpoint."""
    return declaree.registry.create("User", body, declaree.behaviour)


def edit_account(declaree: Declaree, entry: Entry, edit: AccountEdit) -> Entry:
    """Applies an edit and returns the changed account. Raises ``ScimError`` for an invalid value."""
    if edit.set:
        operations = {"Operations": [{"op": "replace", "value": edit.set}]}
        entry = declaree.registry.patch(entry, operations, declaree.behaviour)
    if edit.invited is not None:
        entry = declaree.registry.set_invited(entry, invited=edit.invited)
    if edit.administrations is not None:
        administrations = tuple(Administration(item.name, item.sticky) for item in edit.administrations)
        entry = declaree.registry.assign_administrations(entry, administrations)
    return entry


def change_email(declaree: Declaree, entry: Entry, email: str) -> Entry:
    """Sets the user name and the e-mail address, which are one field in Declaree's form. Raises ``ScimError``."""
    attributes = {"userName": email, "emails": [{"value": email, "type": "work", "primary": True}]}
    return edit_account(declaree, entry, AccountEdit(set=attributes))


def summarize_account(entry: Entry, directory: Directory) -> Resource:
    """Returns the fields of an account that the control API lists."""
    resource = entry.resource
    manager = find_manager(entry, directory)
    return {
        "id": entry.id,
        "external_id": resource.get("externalId"),
        "user_name": resource["userName"],
        "emails": list_emails(resource),
        "first_name": resource["name"]["givenName"],
        "last_name": resource["name"]["familyName"],
        "enabled": resource.get("active", False),
        "invited": entry.invited,
        "manager_id": resource.get(ENTERPRISE_URN, {}).get("manager", {}).get("value"),
        "manager_name": get_display_name(manager) if manager else None,
        "administrations": [{"name": item.name, "sticky": item.sticky} for item in entry.administrations],
        "created": entry.created,
        "modified": entry.modified,
        "version": entry.version,
    }


def find_manager(entry: Entry, directory: Directory) -> Entry | None:
    """Returns the account of the manager; None if the account has no manager or the manager is deleted."""
    value = entry.resource.get(ENTERPRISE_URN, {}).get("manager", {}).get("value", "")
    return directory.users.get(value)


def list_accounts(declaree: Declaree, filters: Mapping[str, str], start: int, limit: int) -> Resource:
    """Returns a page of accounts. ``start`` counts from 0. The filters are q, active, external_id and user_name."""
    directory = declaree.directory
    accounts = list(select_accounts(directory, filters))
    page = islice(accounts, start, start + limit)
    return {"total": len(accounts), "start": start, "accounts": [summarize_account(entry, directory) for entry in page]}


def select_accounts(directory: Directory, filters: Mapping[str, str]) -> Iterable[Entry]:
    """Returns the accounts that match all filters. Unknown filters are ignored."""
    user_name, external_id = filters.get("user_name"), filters.get("external_id")
    entries: Iterable[Entry] = directory.users.values()
    if user_name is not None:
        entries = directory.find_users_by_name(user_name)
    elif external_id is not None:
        entries = directory.find_by_external_id("User", external_id)
    if external_id is not None:
        entries = (entry for entry in entries if entry.resource.get("externalId") == external_id)
    if filters.get("active") in {"true", "false"}:
        is_active = filters["active"] == "true"
        entries = (entry for entry in entries if entry.resource.get("active", False) is is_active)
    text = filters.get("q", "").strip().casefold()
    return (entry for entry in entries if not text or text in _join_searchable_text(entry))


def _join_searchable_text(entry: Entry) -> str:
    resource = entry.resource
    name = resource["name"]
    parts = (resource["userName"], name["givenName"], name["familyName"], resource.get("externalId", ""), entry.id)
    return "\n".join(parts).casefold()

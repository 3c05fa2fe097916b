"""Create, replace and patch: one set of rules for the SCIM endpoint and for administrators."""

import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from sandbox.declaree.attributes import ResourceType
from sandbox.declaree.behaviour import Behaviour
from sandbox.declaree.checks import check_resource
from sandbox.declaree.directory import Administration, Directory, Entry, Kind
from sandbox.declaree.errors import bad_request, not_found
from sandbox.declaree.patch import apply_patch
from sandbox.declaree.schemas import DECLAREE_URN, GROUP, USER
from sandbox.declaree.values import Resource, admit

Restriction = Callable[[Resource, Entry, Behaviour], Resource]
"""Returns the changed resource, in a form that is allowed, or raises ``ScimError``. The entry has the old state."""

IDS = uuid.UUID("2f1b6c0e-9a5d-4c39-8f57-6d6ad3a0c0de")
"""Namespace of generated UUIDs."""

KINDS: dict[Kind, ResourceType] = {"User": USER, "Group": GROUP}


def allow_all(new: Resource, _old: Entry, _behaviour: Behaviour) -> Resource:
    """Allows every change, as for administrators."""
    return new


class Registry:
    """Writes entries to the directory. Ids are counted and times come from the clock, so a test run is repeatable."""

    def __init__(self, directory: Directory, clock: Callable[[], datetime]) -> None:
        self.directory = directory
        self._clock = clock

    def get(self, kind: Kind, entry_id: str) -> Entry:
        """Returns the entry. Raises ``ScimError`` 404 if it does not exist."""
        entry = self.directory.get_entries(kind).get(entry_id)
        if entry is None:
            raise not_found(f"{kind} {entry_id}")
        return entry

    def create(self, kind: Kind, payload: Resource, behaviour: Behaviour) -> Entry:
        """Creates an entry from a SCIM resource. Raises ``ScimError`` for an invalid resource."""
        admitted = admit(KINDS[kind], payload, refuse_unknown=behaviour.unknown_attributes == "refuse")
        resource = check_resource(KINDS[kind], admitted, None, self.directory, behaviour)
        administrations = _choose_administrations(resource, None, behaviour) if kind == "User" else ()
        now = self._format_now()
        entry = Entry(
            kind=kind,
            id=self._create_id(behaviour),
            resource=resource,
            created=now,
            modified=now,
            invited=kind == "User" and behaviour.auto_invite,
            administrations=administrations,
        )
        self.directory.put(entry)
        return entry

    def replace(self, old: Entry, payload: Resource, behaviour: Behaviour, restrict: Restriction = allow_all) -> Entry:
        """Replaces all attributes, and returns the new entry. Raises ``ScimError`` for an invalid resource."""
        admitted = admit(KINDS[old.kind], payload, refuse_unknown=behaviour.unknown_attributes == "refuse")
        return self._write(old, restrict(admitted, old, behaviour), behaviour)

    def patch(self, old: Entry, payload: Any, behaviour: Behaviour, restrict: Restriction = allow_all) -> Entry:
        """Applies a PatchOp message, and returns the new entry. Raises ``ScimError`` for an invalid operation."""
        patched = apply_patch(KINDS[old.kind], old.resource, payload, behaviour)
        return self._write(old, restrict(patched, old, behaviour), behaviour)

    def set_invited(self, entry: Entry, *, invited: bool) -> Entry:
        """Sets whether the account is invited."""
        new = replace(entry, invited=invited)
        self.directory.put(new)
        return new

    def assign_administrations(self, entry: Entry, administrations: tuple[Administration, ...]) -> Entry:
        """Sets the account's administrations. Raises ``ScimError`` if the list is empty."""
        if not administrations:
            raise bad_request("invalidValue", "an account cannot leave its last administration")
        new = replace(entry, administrations=administrations)
        self.directory.put(new)
        return new

    def _write(self, old: Entry, admitted: Resource, behaviour: Behaviour) -> Entry:
        resource = check_resource(KINDS[old.kind], admitted, old, self.directory, behaviour)
        administrations = _choose_administrations(resource, old, behaviour) if old.kind == "User" else ()
        if resource == old.resource and administrations == old.administrations:
            return old
        is_moved = behaviour.rename_changes_id and resource.get("userName") != old.resource.get("userName")
        new = replace(
            old,
            id=self._create_id(behaviour) if is_moved else old.id,
            resource=resource,
            administrations=administrations,
            modified=self._format_now(),
            version=old.version + 1,
        )
        if is_moved:
            self.directory.delete(old)
        self.directory.put(new)
        return new

    def _create_id(self, behaviour: Behaviour) -> str:
        number = str(self.directory.take_number())
        return number if behaviour.id_format == "number" else str(uuid.uuid5(IDS, number))

    def _format_now(self) -> str:
        return self._clock().isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _choose_administrations(resource: Resource, old: Entry | None, behaviour: Behaviour) -> tuple[Administration, ...]:
    """Returns the account's administrations after a write by the connector."""
    target = behaviour.administrations[0]
    name = resource.get(DECLAREE_URN, {}).get("administration")
    if behaviour.administration_attribute and name is not None:
        if name not in behaviour.administrations:
            raise bad_request("invalidValue", "administration does not exist")
        target = name
    if old is None:
        return (Administration(target),)
    administrations = old.administrations
    if behaviour.administration_attribute and name is not None and all(item.name != target for item in administrations):
        administrations = (Administration(target), *administrations)
    if behaviour.leave_other_administrations:
        administrations = tuple(item for item in administrations if item.sticky or item.name == target) or (
            Administration(target),
        )
    return administrations

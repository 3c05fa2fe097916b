"""Create, replace, patch and delete: the same rules for the SCIM endpoint and for the administrator's hands."""

import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from sandbox.declaree.attributes import ResourceType
from sandbox.declaree.behaviour import Behaviour
from sandbox.declaree.checks import checked
from sandbox.declaree.directory import Administration, Directory, Entry, Kind
from sandbox.declaree.errors import invalid, not_found
from sandbox.declaree.patch import patched
from sandbox.declaree.schemas import DECLAREE_URN, GROUP, USER
from sandbox.declaree.values import Resource, admit

IDS = uuid.UUID("2f1b6c0e-9a5d-4c39-8f57-6d6ad3a0c0de")

KINDS: dict[Kind, ResourceType] = {"User": USER, "Group": GROUP}


class Registry:
    """Ids are counted and times come from the clock, so that a run can be repeated exactly."""

    def __init__(self, directory: Directory, clock: Callable[[], datetime]) -> None:
        self.directory = directory
        self._clock = clock

    def get(self, kind: Kind, entry_id: str) -> Entry:
        entry = self.directory.of(kind).get(entry_id)
        if entry is None:
            raise not_found(f"{kind} {entry_id}")
        return entry

    def create(self, kind: Kind, payload: Resource, behaviour: Behaviour) -> Entry:
        admitted = admit(KINDS[kind], payload, refuse_unknown=behaviour.unknown_attributes == "refuse")
        resource = checked(KINDS[kind], admitted, None, self.directory, behaviour)
        administrations = _administrations(resource, None, behaviour) if kind == "User" else ()
        now = self._now()
        entry = Entry(
            kind=kind,
            id=self._new_id(behaviour),
            resource=resource,
            created=now,
            modified=now,
            invited=kind == "User" and behaviour.auto_invite,
            administrations=administrations,
        )
        self.directory.put(entry)
        return entry

    def replace(self, old: Entry, payload: Resource, behaviour: Behaviour) -> Entry:
        admitted = admit(KINDS[old.kind], payload, refuse_unknown=behaviour.unknown_attributes == "refuse")
        return self._write(old, admitted, behaviour)

    def patch(self, old: Entry, payload: Any, behaviour: Behaviour) -> Entry:
        return self._write(old, patched(KINDS[old.kind], old.resource, payload, behaviour), behaviour)

    def invite(self, entry: Entry, *, invited: bool) -> Entry:
        new = replace(entry, invited=invited)
        self.directory.put(new)
        return new

    def assign(self, entry: Entry, administrations: tuple[Administration, ...]) -> Entry:
        if not administrations:
            raise invalid("invalidValue", "an account cannot leave its last administration")
        new = replace(entry, administrations=administrations)
        self.directory.put(new)
        return new

    def _write(self, old: Entry, wanted: Resource, behaviour: Behaviour) -> Entry:
        resource = checked(KINDS[old.kind], wanted, old, self.directory, behaviour)
        administrations = _administrations(resource, old, behaviour) if old.kind == "User" else ()
        if resource == old.resource and administrations == old.administrations:
            return old
        new = replace(
            old,
            resource=resource,
            administrations=administrations,
            modified=self._now(),
            version=old.version + 1,
        )
        self.directory.put(new)
        return new

    def _new_id(self, behaviour: Behaviour) -> str:
        number = str(self.directory.next_number())
        return number if behaviour.id_format == "number" else str(uuid.uuid5(IDS, number))

    def _now(self) -> str:
        return self._clock().isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _administrations(resource: Resource, old: Entry | None, behaviour: Behaviour) -> tuple[Administration, ...]:
    """Where a connector's write leaves the account: its own administration, the sticky ones and maybe the others."""
    target = behaviour.administrations[0]
    named = resource.get(DECLAREE_URN, {}).get("administration")
    if behaviour.administration_attribute and named is not None:
        if named not in behaviour.administrations:
            raise invalid("invalidValue", "administration does not exist")
        target = named
    if old is None:
        return (Administration(target),)
    kept = old.administrations
    if behaviour.administration_attribute and named is not None and all(found.name != target for found in kept):
        kept = (Administration(target), *kept)
    if behaviour.leave_other_administrations:
        kept = tuple(found for found in kept if found.sticky or found.name == target) or (Administration(target),)
    return kept

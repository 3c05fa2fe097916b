"""Reads and writes one attribute of a SCIM user by its path (RFC 7644, section 3.5.2; RFC 7643, section 2.1).

Names are compared without regard to case, as the RFC requires. Supported are the paths of mapped fields: ``userName``,
``name.givenName``, ``emails[type eq "work"].value``, and the same below the URN of an extension. The URN of the core
schema may precede any of them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from services.contracts.values import Value
from services.provisioning.calls import Body

_PATH = re.compile(
    r"^(?:urn:ietf:params:scim:schemas:core:2\.0:User:)?(?:(?P<extension>urn:[^\[\]]+):)?(?P<attribute>[\w$-]+)"
    r'(?:\[(?P<key>[\w-]+) eq "(?P<value>[^"]*)"\])?(?:\.(?P<sub>[\w-]+))?$',
    re.IGNORECASE,
)

MAX_ENTRIES = 200
"""Number of entries of a multi-valued attribute that are looked at. An account is read dozens of times in one settlement."""
MAX_MEMBERS = 1_000
"""Number of members of an object up to which a name is searched without regard to case."""
_REFERENCES = frozenset({"value", "managerid"})
"""Sub-attributes that name another resource, in lowercase."""
_REFERENCE_DETAILS = frozenset({"$ref", "display", "displayname", *_REFERENCES})
"""Sub-attributes that describe the referenced resource, in lowercase. A new reference replaces all of them."""


@dataclass(frozen=True, slots=True)
class Path:
    """A parsed path. ``key`` and ``value`` filter the entries of a multi-valued attribute."""

    text: str
    """The path as it was written."""
    extension: str | None
    """The URN of the extension; None for an attribute of the core schema."""
    attribute: str
    """The name of the attribute, such as ``emails``."""
    key: str | None
    """The sub-attribute that the filter compares, such as ``type``; None without a filter."""
    value: str | None
    """The value that the filter asks for, such as ``work``; None without a filter."""
    sub: str | None
    """The name of the sub-attribute, such as ``givenName``; None if the path names the attribute as a whole."""

    @property
    def list_path(self) -> str:
        """The path of the whole attribute, without the filter."""
        return f"{self.extension}:{self.attribute}" if self.extension else self.attribute

    def build_entry(self, value: Value) -> Body:
        """Returns a new entry of a multi-valued attribute that matches the filter. A work e-mail is primary."""
        entry: Body = {self.sub or "value": value}
        if self.key is not None:
            entry[self.key] = self.value
        if self.is_work_email:
            entry["primary"] = True
        return entry

    @property
    def is_work_email(self) -> bool:
        """Whether the path names the work e-mail, which is the account's primary address."""
        return self.attribute.lower() == "emails" and (self.value or "").lower() == "work"


@lru_cache(maxsize=1024)
def parse(text: str) -> Path:
    """Parses a path. Raises ``ValueError`` if no field can be mapped to it."""
    match = _PATH.match(text)
    if match is None:
        raise ValueError(f'{text!r} is not a path such as name.givenName or emails[type eq "work"].value')
    return Path(text, **match.groupdict())


def find_entry(body: Body, path: Path) -> Body | None:
    """Returns the first entry of a multi-valued attribute that matches the path's filter; None without a match."""
    entries = _get_member(_get_container(body, path), path.attribute)
    number = _find_entry_number(entries, path)
    return None if number is None else dict(entries[number])


def has_untyped_entry(body: Body, path: Path) -> bool:
    """Returns whether the entry at the path has no type, because the server drops it: no filter can then name it."""
    if path.key is None:
        return False
    entry = find_entry(body, path)
    return entry is not None and _get_member(entry, path.key) is None


def _find_entry_number(entries: object, path: Path) -> int | None:
    """Returns the position of the entry that matches the filter.

    A server may keep the entries of a list without their type. The work e-mail is then the primary one of them, or the
    first. Any other entry is the first that is not the work e-mail, if no entry at all has a type.
    """
    if not isinstance(entries, list) or path.key is None:
        return None
    entries = entries[:MAX_ENTRIES]
    matching = [number for number, entry in enumerate(entries) if _is_match(entry, path)]
    if matching:
        return matching[0]
    objects = [(number, entry) for number, entry in enumerate(entries) if isinstance(entry, Mapping)]
    untyped = [(number, entry) for number, entry in objects if _get_member(entry, path.key) is None]
    untyped.sort(key=lambda item: _get_member(item[1], "primary") is not True)
    if path.is_work_email:
        return untyped[0][0] if untyped else None
    others = untyped[1:] if path.attribute.lower() == "emails" else untyped
    return others[0][0] if others and len(untyped) == len(objects) else None


def read(body: Body, text: str) -> Any:
    """Returns the value at a path. Absent, null and ``[]`` are one state and give None (RFC 7643, section 2.5)."""
    path = parse(text)
    value: Any = find_entry(body, path) if path.key else _get_member(_get_container(body, path), path.attribute)
    if path.sub:
        value = _get_member(value, path.sub)
    return None if value == [] else value


def read_attribute(body: Body, path: Path) -> Any:
    """Returns the whole attribute that a path names or lies in; None if it is missing or empty."""
    value = _get_member(_get_container(body, path), path.attribute)
    return None if value in ([], {}) else value


def write(body: Body, text: str, value: Value) -> Body:
    """Returns a copy of the body with the value at the path. None removes the value. No other attribute changes."""
    path = parse(text)
    if path.extension is None:
        return _write_attribute(body, path, value)
    extension = _get_member(body, path.extension)
    changed = _write_attribute(dict(extension) if isinstance(extension, Mapping) else {}, path, value)
    result = _set_member(body, path.extension, changed or None)
    listed = result.get("schemas")
    texts = [urn for urn in listed if isinstance(urn, str)] if isinstance(listed, list) else []
    schemas = [urn for urn in texts if urn.lower() != path.extension.lower()]
    return result | {"schemas": [*schemas, path.extension] if changed else schemas}


def drop_meta(body: Body) -> Body:
    """Returns the user without ``meta``, which differs between two answers that show the same content."""
    return {name: value for name, value in body.items() if name.lower() != "meta"}


def list_addresses(body: Body) -> list[str]:
    """Returns the user name and all e-mail addresses of a user."""
    emails = _get_member(body, "emails")
    values = [_get_member(entry, "value") for entry in (emails[:MAX_ENTRIES] if isinstance(emails, list) else [])]
    return [value for value in (_get_member(body, "userName"), *values) if isinstance(value, str)]


def _get_container(body: Body, path: Path) -> object:
    """Returns the object that contains the attribute: the user, or an extension of it; None without the extension."""
    return _get_member(body, path.extension) if path.extension else body


def _get_member(container: object, name: str) -> Any:
    """Returns a member of an object, found without regard to case; None if it is missing."""
    # an account is read hundreds of times in one settlement, and is nearly always made of plain dictionaries
    if type(container) is not dict and not isinstance(container, Mapping):
        return None
    if name in container or len(container) > MAX_MEMBERS:
        return container.get(name)
    folded = name.lower()
    if not folded.isascii():
        return next((value for key, value in container.items() if key.lower() == folded), None)
    length = len(folded)  # only a key of the same length has this text in lowercase
    for key, value in container.items():
        if len(key) == length and key.lower() == folded:
            return value
    return None


def _set_member(container: Body, name: str, value: Any) -> Body:
    """Returns a copy with the member, in the server's spelling of its name. None removes the member."""
    spelling = name if name in container else _find_spelling(container, name)
    if value is None:
        return {key: member for key, member in container.items() if key != spelling}
    return container | {spelling: value}


def _find_spelling(container: Body, name: str) -> str:
    folded, length = name.lower(), len(name)
    if not folded.isascii():
        return next((key for key in container if key.lower() == folded), name)
    return next((key for key in container if len(key) == length and key.lower() == folded), name)


def _write_attribute(container: Body, path: Path, value: Value) -> Body:
    json_value: Any = list(value) if isinstance(value, tuple) else value
    current = _get_member(container, path.attribute)
    if path.key is not None:
        json_value = _set_entry(current, path, json_value)
    elif path.sub is not None:
        json_value = _set_sub_attribute(current, path.sub, json_value)
    return _set_member(container, path.attribute, json_value)


def _set_entry(current: object, path: Path, value: Any) -> list[Any]:
    """Returns the list with the value in the first entry that matches the path's filter, or in a new entry."""
    entries = list(current) if isinstance(current, list) else []
    sub = path.sub or "value"
    number = _find_entry_number(entries, path)
    if number is not None:
        # an entry without a value is meaningless, so it is removed as a whole
        is_removed = value is None and sub.lower() == "value"
        replaced = [] if is_removed else [_set_member(entries[number], sub, value)]
        return [*entries[:number], *replaced, *entries[number + 1 :]]
    if value is None:
        return entries
    new = path.build_entry(value)
    return [*(map(_clear_primary, entries) if new.get("primary") else entries), new]


def _clear_primary(entry: Any) -> Any:
    """Returns the entry without the primary mark: at most one entry may have it (RFC 7643, section 2.4)."""
    return _set_member(entry, "primary", value=False) if _get_member(entry, "primary") else entry


def _set_sub_attribute(current: object, sub: str, value: Any) -> Body | None:
    """Returns the object with the sub-attribute; None if it is empty. A new reference drops the old one's details."""
    members = dict(current) if isinstance(current, Mapping) else {}
    if sub.lower() in _REFERENCES:
        members = {name: member for name, member in members.items() if name.lower() not in _REFERENCE_DETAILS}
    return _set_member(members, sub, value) or None


def _is_match(entry: object, path: Path) -> bool:
    """Whether an entry matches the path's filter."""
    if not isinstance(entry, Mapping):
        return False
    return str(_get_member(entry, path.key or "") or "").lower() == str(path.value).lower()

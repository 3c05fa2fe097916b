"""Reading and writing one attribute of a SCIM user by its path (RFC 7644, section 3.5.2; RFC 7643, section 2.1).

Names are compared without regard to case, as the RFC asks. Supported are the paths that fields are mapped to:
``userName``, ``name.givenName``, ``emails[type eq "work"].value`` and the same below an extension's URN; the URN of
the core schema may stand before any of them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from services.contracts.model import Value
from services.provisioning.calls import Body

_PATH = re.compile(
    r"^(?:urn:ietf:params:scim:schemas:core:2\.0:User:)?(?:(?P<extension>urn:[^\[\]]+):)?(?P<attribute>[\w$-]+)"
    r'(?:\[(?P<key>[\w-]+) eq "(?P<value>[^"]*)"\])?(?:\.(?P<sub>[\w-]+))?$',
    re.IGNORECASE,
)

_DESCRIBES_A_REFERENCE = frozenset({"$ref", "display", "displayname"})


@dataclass(frozen=True, slots=True)
class Path:
    """A parsed path; ``key``/``value`` choose one entry of a multi-valued attribute, such as ``type``/``work``."""

    text: str
    extension: str | None
    attribute: str
    key: str | None
    value: str | None
    sub: str | None

    @property
    def list_path(self) -> str:
        """The path of the whole attribute, without the choice of an entry."""
        return f"{self.extension}:{self.attribute}" if self.extension else self.attribute

    def entry(self, value: Value) -> Body:
        """A new entry of a multi-valued attribute that this path would choose."""
        made: Body = {self.sub or "value": value}
        if self.key is not None:
            made[self.key] = self.value
        if self.attribute.lower() == "emails":
            made["primary"] = True
        return made


@lru_cache(maxsize=1024)
def parse(text: str) -> Path:
    """Raises ``ValueError`` for a path that no field can be mapped to."""
    match = _PATH.match(text)
    if match is None:
        raise ValueError(f'{text!r} is not a path such as name.givenName or emails[type eq "work"].value')
    return Path(text, **match.groupdict())


def _get(container: object, name: str) -> Any:
    """A member of an object, its name compared without regard to case; None where there is none."""
    if not isinstance(container, Mapping):
        return None
    if name in container:
        return container[name]
    return next((value for key, value in container.items() if key.lower() == name.lower()), None)


def _holder(body: Body, path: Path) -> object:
    return _get(body, path.extension) if path.extension else body


def entry_of(body: Body, path: Path) -> Body | None:
    """The entry of a multi-valued attribute that a path with a filter chooses; None where there is none."""
    entries = _get(_holder(body, path), path.attribute)
    return next((dict(entry) for entry in (entries if isinstance(entries, list) else []) if _chosen(entry, path)), None)


def read(body: Body, text: str) -> Any:
    """The value at a path; absent, null and ``[]`` are the same state and give None (RFC 7643, section 2.5)."""
    path = parse(text)
    found: Any = entry_of(body, path) if path.key else _get(_holder(body, path), path.attribute)
    if path.sub:
        found = _get(found, path.sub)
    return None if found == [] else found


def write(body: Body, text: str, value: Value) -> Body:
    """A copy of the body with the value at the path; None removes it. Everything else is kept as it is."""
    path = parse(text)
    if path.extension is None:
        return _write(body, path, value)
    inner = _get(body, path.extension)
    changed = _write(dict(inner) if isinstance(inner, Mapping) else {}, path, value)
    result = _put(body, path.extension, changed or None)
    schemas = [urn for urn in result.get("schemas") or [] if urn.lower() != path.extension.lower()]
    return result | {"schemas": [*schemas, path.extension] if changed else schemas}


def _write(container: Body, path: Path, value: Value) -> Body:
    plain: Any = list(value) if isinstance(value, tuple) else value
    held = _get(container, path.attribute)
    if path.key is not None:
        plain = _with_entry(held, path, plain)
    elif path.sub is not None:
        plain = _with_member(held, path.sub, plain)
    return _put(container, path.attribute, plain)


def _with_entry(entries: object, path: Path, value: Any) -> list[Any]:
    """The list with the value in the entry that the path chooses, or in a new one."""
    kept = list(entries) if isinstance(entries, list) else []
    sub = path.sub or "value"
    for number, entry in enumerate(kept):
        if _chosen(entry, path):
            # an entry without its value is nothing: the whole of it goes
            whole = value is None and sub.lower() == "value"
            return [*kept[:number], *([] if whole else [_put(entry, sub, value)]), *kept[number + 1 :]]
    if value is None:
        return kept
    made = path.entry(value)
    return [*(map(_secondary, kept) if made.get("primary") else kept), made]


def _secondary(entry: Any) -> Any:
    """There is one primary entry at most (RFC 7643, section 2.4)."""
    return _put(entry, "primary", value=False) if _get(entry, "primary") else entry


def _with_member(held: object, sub: str, value: Any) -> Body | None:
    """An object with the member changed; what described an old reference goes with its ``value``."""
    members = dict(held) if isinstance(held, Mapping) else {}
    if sub.lower() == "value":
        members = {name: kept for name, kept in members.items() if name.lower() not in _DESCRIBES_A_REFERENCE}
    return _put(members, sub, value) or None


def _chosen(entry: object, path: Path) -> bool:
    return isinstance(entry, Mapping) and str(_get(entry, path.key or "") or "").lower() == str(path.value).lower()


def _put(container: Body, name: str, value: Any) -> Body:
    spelled = next((key for key in container if key.lower() == name.lower()), name)
    if value is None:
        return {key: kept for key, kept in container.items() if key != spelled}
    return container | {spelled: value}

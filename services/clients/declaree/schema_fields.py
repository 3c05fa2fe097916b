"""Reads the fields of users in the schemas that a SCIM server lists (RFC 7643, sections 6 and 7). Pure.

Tolerant: what cannot be read, is too long, or may not be the target of a rule is left out, and concerns no other field. The schemas
of SCIM 1.1 are read, too: they state ``readOnly`` in place of ``mutability``, and the schema of each attribute.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from services.contracts.fields import (
    MAX_ALL_VALUES,
    MAX_FIELD_VALUES,
    MAX_FIELDS,
    MAX_PATH,
    MAX_TEXT,
    FieldType,
    TargetField,
)
from services.contracts.targets import MANAGER, find_misuse, identify_field
from services.provisioning.calls import Body

MAX_CANDIDATES = 5_000
"""Maximum number of attributes and combinations that are looked at, also of those that are then left out."""
MAX_SCHEMAS, MAX_SUB_ATTRIBUTES, MAX_TYPES = 100, 50, 20
"""Maximum number of schemas, of parts of one attribute, and of types of its entries, such as ``mobile``."""
MAX_MEMBERS = 50
"""Number of members of an object that are read. RFC 7643 defines thirteen."""
MAX_LABEL = 60
"""Maximum number of characters of a description that is used as a label. A longer one explains the field."""

TYPES = {
    "string": FieldType.TEXT,
    "boolean": FieldType.BOOLEAN,
    "decimal": FieldType.DECIMAL,
    "integer": FieldType.INTEGER,
    "datetime": FieldType.DATE,
    "reference": FieldType.REFERENCE,
}
"""The types of fields by the types of RFC 7643, in lowercase. A field without a type is a string."""
USUAL_TYPES = {
    "addresses": ("work", "home", "other"),
    "emails": ("home", "other"),
    "phonenumbers": ("mobile", "work", "home", "other"),
}
"""Types of the entries by attribute, in lowercase, for a server that lists none (RFC 7643, section 4.1.2)."""
NO_FIELDS = frozenset({"$ref", "display", "primary", "type"})
"""Parts of an entry of a list that describe the entry, in lowercase."""

_CORE = re.compile(r"urn:(?:ietf:params:)?scim:schemas:core:[\d.]+(?::user)?", re.IGNORECASE)
_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|_")


@dataclass(frozen=True, slots=True)
class _ResourceTypes:
    """What ``/ResourceTypes`` says about extensions, by URN in lowercase."""

    required: Mapping[str, bool]
    """Whether a user needs the extension."""
    foreign: frozenset[str]
    """Schemas of other resources than users."""


@dataclass(frozen=True, slots=True)
class _Attribute:
    """One attribute, or a part of one."""

    name: str
    """The name; empty if it is missing or too long."""
    urn: str
    """The URN of its schema."""
    type: str = ""
    """The type in lowercase; empty if it is missing."""
    label: str = ""
    """The description, if it is short."""
    is_required: bool = False
    """Whether it needs a value."""
    is_multi_valued: bool = False
    """Whether its value is a list."""
    is_read_only: bool = False
    """Whether only the server sets it."""
    values: tuple[str, ...] = ()
    """The canonical values; empty without any, and if there are too many."""
    parts: tuple[Body, ...] = ()
    """Its sub-attributes, as the server lists them."""


def parse_fields(schemas: Sequence[Body], resource_types: Body) -> tuple[TargetField, ...]:
    """Returns the fields of the schemas that can be the target of a rule, each once, in the server's order.

    ``resource_types`` is the answer of ``/ResourceTypes``, which says what an extension belongs to; empty without one.
    """
    found: dict[tuple[str, ...], TargetField] = {}
    values = 0
    for field in islice(_list_fields(schemas, _read_resource_types(resource_types)), MAX_CANDIDATES):
        if field is None or identify_field(field.path) in found:
            continue
        values += len(field.values)
        is_affordable = values <= MAX_ALL_VALUES
        found[identify_field(field.path)] = field if is_affordable else field.model_copy(update={"values": ()})
        if len(found) == MAX_FIELDS:
            break
    return tuple(found.values())


def _list_fields(schemas: Sequence[Body], resource_types: _ResourceTypes) -> Iterator[TargetField | None]:
    """Yields the fields, and None for each attribute that is left out, so that the caller can limit the work."""
    for schema in schemas[:MAX_SCHEMAS]:
        members = _fold(schema)
        urn = _read_text(members.get("id"))
        if urn.lower() in resource_types.foreign:
            continue
        attributes = members.get("attributes")
        for raw in attributes if isinstance(attributes, list) else ():
            attribute = _read_attribute(raw, urn)
            if attribute is None:
                yield None
            elif attribute.name.lower().startswith("urn:") and attribute.parts:
                # an extension that is listed as an attribute of the user
                for part in attribute.parts:
                    yield from _list_of_attribute(_read_attribute(part, attribute.name), resource_types)
            else:
                yield from _list_of_attribute(attribute, resource_types)


def _list_of_attribute(attribute: _Attribute | None, resource_types: _ResourceTypes) -> Iterator[TargetField | None]:
    """Yields the fields of one attribute: the attribute, its parts, or its parts for each type of entry."""
    if attribute is None:
        yield None
        return
    path = _build_path(attribute)
    if path.lower() == MANAGER.lower().removesuffix(".value"):
        yield _build_field(MANAGER, attribute, attribute.label or "Manager", resource_types, type_=FieldType.REFERENCE)
    elif attribute.type != "complex" and not attribute.parts:
        yield _build_field(path, attribute, attribute.label or _split_words(attribute.name), resource_types)
    elif attribute.is_multi_valued:
        yield from _list_of_entries(attribute, path, resource_types)
    else:
        for raw in attribute.parts:
            part = _read_attribute(raw, attribute.urn)
            if part is None or part.name.startswith("$"):
                yield None
            else:
                label = part.label or _split_words(part.name)
                yield _build_field(f"{path}.{part.name}", part, label, resource_types, parent=attribute)


def _list_of_entries(attribute: _Attribute, path: str, resource_types: _ResourceTypes) -> Iterator[TargetField | None]:
    """Yields the parts of a list of objects. A rule names an entry by its type, so that a list without types has no fields."""
    parts = [part for raw in attribute.parts if (part := _read_attribute(raw, attribute.urn)) is not None]
    listed = next((part.values for part in parts if part.name.lower() == "type"), ())
    value = _Attribute("value", attribute.urn)
    for entry in listed[:MAX_TYPES] or USUAL_TYPES.get(attribute.name.lower(), ()):
        for part in parts or [value]:
            if part.name.lower() in NO_FIELDS:
                yield None
                continue
            words = _split_words(attribute.name)
            label = f"{words} ({entry})" if part.name.lower() == "value" else f"{_split_words(part.name)} ({entry})"
            target = f'{path}[type eq "{entry}"].{part.name}'
            yield _build_field(target, part, label, resource_types, parent=attribute, is_optional=True)
    yield None


def _build_path(attribute: _Attribute) -> str:
    is_absolute = attribute.name.lower().startswith("urn:")
    return attribute.name if is_absolute or _CORE.fullmatch(attribute.urn) else f"{attribute.urn}:{attribute.name}"


def _build_field(
    path: str,
    attribute: _Attribute,
    label: str,
    resource_types: _ResourceTypes,
    *,
    parent: _Attribute | None = None,
    is_optional: bool = False,
    type_: FieldType | None = None,
) -> TargetField | None:
    """Returns the field; None if it cannot be the target of a rule, or if its value cannot come from a rule."""
    is_simple = type_ is not None or attribute.type not in {"complex", "binary"}
    if not is_simple or len(path) > MAX_PATH or (path != MANAGER and find_misuse(path) is not None):
        return None
    levels = [attribute] if parent is None else [attribute, parent]
    is_part = resource_types.required.get(attribute.urn.lower(), True)
    return TargetField(
        path=path,
        label_en=label[:MAX_TEXT],
        label_de=label[:MAX_TEXT],
        type=type_ or TYPES.get(attribute.type or "string", FieldType.UNKNOWN),
        is_required=is_part and not is_optional and all(level.is_required for level in levels),
        is_multi_valued=attribute.is_multi_valued,
        values=attribute.values,
        is_writable=not any(level.is_read_only for level in levels),
    )


def _read_attribute(raw: object, urn: str) -> _Attribute | None:
    """Returns an attribute of a schema with this URN; None for one without a usable name."""
    if not isinstance(raw, dict):
        return None
    members = _fold(raw)
    name, own = _read_text(members.get("name")), _read_text(members.get("schema"))
    if not name or not name.isascii():
        return None
    parts = members.get("subattributes")
    return _Attribute(
        name=name,
        urn=own if own.lower().startswith("urn:") else urn,
        type=_read_text(members.get("type")).lower(),
        label=_read_label(members.get("description")),
        is_required=_is_true(members.get("required")),
        is_multi_valued=_is_true(members.get("multivalued")),
        is_read_only=_is_true(members.get("readonly")) or _read_text(members.get("mutability")).lower() == "readonly",
        values=_read_values(members.get("canonicalvalues")),
        parts=tuple(
            part for part in (parts[:MAX_SUB_ATTRIBUTES] if isinstance(parts, list) else ()) if isinstance(part, dict)
        ),
    )


def _read_label(description: object) -> str:
    """Returns a short description; empty for a sentence, as RFC 7643, section 8.7.1, has them."""
    label = " ".join(_read_text(description).split())
    is_sentence = label.endswith((".", '."'))
    return label if len(label) <= MAX_LABEL and not is_sentence else ""


def _read_values(value: object) -> tuple[str, ...]:
    """Returns the canonical values; none if there are too many or if one of them is not a short text, since a part misleads."""
    entries = value if isinstance(value, list) else []
    texts = [entry for entry in entries[: MAX_FIELD_VALUES + 1] if isinstance(entry, str)]
    is_readable = len(texts) == len(entries) and all(0 < len(text) <= MAX_TEXT and text.isprintable() for text in texts)
    return tuple(dict.fromkeys(texts)) if is_readable and len(texts) <= MAX_FIELD_VALUES else ()


def _read_resource_types(body: Body) -> _ResourceTypes:
    entries = _fold(body).get("resources")
    required: dict[str, bool] = {}
    others: set[str] = set()
    for raw in entries[:MAX_SCHEMAS] if isinstance(entries, list) else ():
        members = _fold(raw)
        schema = _read_text(members.get("schema")).lower()
        extensions = members.get("schemaextensions")
        listed = {
            _read_text(extension.get("schema")).lower(): _is_true(extension.get("required"))
            for extension in map(_fold, extensions[:MAX_SCHEMAS] if isinstance(extensions, list) else ())
        }
        if _read_text(members.get("endpoint")).strip("/").lower() == "users" or _CORE.fullmatch(schema):
            required |= listed | ({schema: True} if schema else {})
        else:
            others |= {schema, *listed}
    return _ResourceTypes(required, frozenset(others - required.keys() - {""}))


def _fold(raw: object) -> Body:
    """Returns the members of an object by their names in lowercase (RFC 7643, section 2.1); none for anything else."""
    members = islice(raw.items(), MAX_MEMBERS) if isinstance(raw, dict) else ()
    return {name.lower(): value for name, value in members}


def _read_text(value: object) -> str:
    """Returns a printable text; empty for any other value, and for one that is too long."""
    return value if isinstance(value, str) and len(value) <= MAX_PATH and value.isprintable() else ""


def _is_true(value: object) -> bool:
    return value is True or (isinstance(value, str) and value.lower() == "true")


def _split_words(name: str) -> str:
    """Returns a name as words: "License plate" for ``licensePlate``."""
    words = _WORD.sub(" ", name.rpartition(":")[2]).split()
    return " ".join(words[:1] + [word.lower() for word in words[1:]]).capitalize() if words else name

"""The field catalogue: the fields of Declaree that a mapping can write. It contains no personal data."""

from enum import StrEnum
from typing import Annotated

from pydantic import AwareDatetime, Field

from services.contracts.ids import ConnectionId
from services.contracts.targets import identify_field
from services.contracts.values import FrozenModel

MAX_FIELDS = 500
"""Maximum number of fields of a catalogue. Declaree's user form has thirty."""
MAX_PATH = 300
"""Maximum number of characters of a path. The longest URN of RFC 7643 has 58."""
MAX_TEXT = 100
"""Maximum number of characters of a label and of an allowed value."""
MAX_FIELD_VALUES = 200
"""Maximum number of allowed values of one field. A field with more of them counts as one without a list of values."""
MAX_ALL_VALUES = 5_000
"""Maximum number of allowed values of all fields. With all other limits, a catalogue takes at most a fifth of a document of
MongoDB."""
MAX_FIELD_CHANGES = 100
"""Maximum number of changes that a catalogue keeps: the newest ones."""

Text = Annotated[str, Field(max_length=MAX_TEXT)]
"""A label or an allowed value."""
FieldPath = Annotated[str, Field(min_length=1, max_length=MAX_PATH)]
"""The path of a field, as the target of a rule is written."""


class FieldType(StrEnum):
    """The type of a field's value, by RFC 7643, section 2.3."""

    TEXT = "text"
    """A string."""
    BOOLEAN = "boolean"
    """True or false."""
    DECIMAL = "decimal"
    """A number that may have a fraction."""
    INTEGER = "integer"
    """A number without a fraction."""
    DATE = "date"
    """A date with or without a time of day, in the form of ISO 8601."""
    REFERENCE = "reference"
    """The id or the address of something else, such as another account."""
    UNKNOWN = "unknown"
    """The server names another type, or none."""


class FieldOrigin(StrEnum):
    """Where it is known from that Declaree has a field."""

    DOCUMENTED = "documented"
    """The vendor documents the field, and the server does not list it."""
    LISTED = "listed"
    """The server lists the field in its schemas, and the vendor does not document it."""
    BOTH = "both"
    """The vendor documents the field, and the server lists it."""


class TargetField(FrozenModel):
    """One field of an account that a rule can write."""

    path: FieldPath
    """Path of the field, as the target of a rule is written."""
    label_en: Text
    """English label of a documented field; for another one, the text or the name by which the server lists it."""
    label_de: Text
    """German label of a documented field; for another one, the same as the English label."""
    type: FieldType = FieldType.TEXT
    """Type of the value, or of the entries of a list."""
    is_required: bool = False
    """Whether an account needs a value."""
    is_multi_valued: bool = False
    """Whether the value is a list."""
    values: tuple[Text, ...] = Field((), max_length=MAX_FIELD_VALUES)
    """The allowed values, as the server lists them; empty if it lists none, or too many."""
    is_writable: bool = True
    """Whether the server accepts a value. It lists other fields as read-only."""
    origin: FieldOrigin = FieldOrigin.LISTED
    """Where the field is known from."""

    @property
    def is_listed(self) -> bool:
        """Whether the server lists the field."""
        return self.origin is not FieldOrigin.DOCUMENTED


class FieldChangeKind(StrEnum):
    """How what the server lists has changed."""

    APPEARED = "appeared"
    """The server lists the field for the first time, or again."""
    VANISHED = "vanished"
    """The server no longer lists the field."""
    TYPE_CHANGED = "type_changed"
    """The field has another type, or became a list or a single value."""
    READ_ONLY = "read_only"
    """The field can no longer be written."""
    WRITABLE = "writable"
    """The field can be written again."""


class FieldChange(FrozenModel):
    """The newest change of one listed field."""

    path: FieldPath
    """Path of the field."""
    kind: FieldChangeKind
    """What has changed."""
    at: AwareDatetime
    """When it was found."""
    type: str
    """The type, with "list of" before that of a list; the last known one of a field that vanished."""
    type_before: str | None = None
    """The type before a change of the type; None for any other change."""


class FieldCatalogue(FrozenModel):
    """The fields of one connection's Declaree: those that the vendor documents, and those that the server lists."""

    connection_id: ConnectionId
    """The connection."""
    fields: tuple[TargetField, ...] = Field((), max_length=MAX_FIELDS)
    """The fields: documented ones first, then the others in the server's order."""
    listed_at: AwareDatetime | None = None
    """When the server listed these fields; None if it has never listed any, so that only documented fields are known."""
    asked_at: AwareDatetime | None = None
    """When the server was asked last. Later than ``listed_at`` if it no longer lists its fields. None before the first time."""
    changes: tuple[FieldChange, ...] = Field((), max_length=MAX_FIELD_CHANGES)
    """The changes of listed fields since the server listed them first, newest first: one for each field."""

    @property
    def is_listed(self) -> bool:
        """Whether the server has ever listed its fields."""
        return self.listed_at is not None

    def find(self, target: str) -> TargetField | None:
        """Returns the field of a target in any spelling; None if neither the server nor the documentation has it."""
        wanted = identify_field(target)
        return next((field for field in self.fields if identify_field(field.path) == wanted), None)

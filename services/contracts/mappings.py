"""The mapping of one connection: rules from Personio attributes to Declaree fields, as a versioned document.

``format_version`` is the version of this shape; a published document's own ``version`` counts per connection.
"""

import re
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, Field, field_validator, model_validator

from services.contracts.events import Intent
from services.contracts.ids import ConnectionId
from services.contracts.model import Frozen, Scalar, Value

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
"""The SCIM enterprise extension (RFC 7643, section 4.3)."""
MANAGER = f"{ENTERPRISE}:manager.value"
"""The target "Submits to": takes a Personio employee id, is written as the id of that employee's account."""
WORK_EMAIL = 'emails[type eq "work"].value'

NOT_MAPPABLE = frozenset({"id", "externalid", "active", "username", "schemas", "meta", "groups", "password"})
"""Lower-case attributes that no rule may write: identity, life cycle, what the server owns or never shows again."""

_TARGET = re.compile(
    r"(?:urn:ietf:params:scim:schemas:core:2\.0:user:)?"
    r"(?P<attribute>(?:urn:[^\[\]]+:)?[\w$-]+)(?:\[(?P<entry>[^\]]*)\])?",
)
"""A target in small letters: the attribute, and which entry of a list. The core schema's name may stand before it."""


def _misuse(target: str) -> str | None:
    """Why no rule may have this target, however it is spelled (SCIM ignores case: RFC 7643, section 2.1)."""
    match = _TARGET.match(target.lower())
    attribute, entry = (match["attribute"], match["entry"]) if match else (target.lower(), None)
    if attribute in NOT_MAPPABLE or (attribute == "emails" and entry in {None, 'type eq "work"'}):
        return f"{target} cannot be the target of a rule: it comes from the employee's id, e-mail or status, or is Declaree's"
    if attribute == f"{ENTERPRISE}:manager".lower() and target != MANAGER:
        return f"the manager's target is written {MANAGER}"
    return None


class AttributeSource(Frozen):
    """The value of a Personio attribute, by its key."""

    kind: Literal["attribute"] = "attribute"
    attribute: str = Field(min_length=1)


class ConstantSource(Frozen):
    """The same value for everybody."""

    kind: Literal["constant"] = "constant"
    value: Value


Source = Annotated[AttributeSource | ConstantSource, Field(discriminator="kind")]


class Trim(Frozen):
    """Blanks at both ends go; a text of blanks alone is missing."""

    kind: Literal["trim"] = "trim"


class Lower(Frozen):
    """Capital letters become small ones."""

    kind: Literal["lower"] = "lower"


class Default(Frozen):
    """Stands in where the value is missing (null, an empty text or an empty list)."""

    kind: Literal["default"] = "default"
    value: Value


class DateFormat(Frozen):
    """A Personio date or timestamp as a text; ``format`` as for ``strftime``, e.g. ``%d.%m.%Y``."""

    kind: Literal["date_format"] = "date_format"
    format: str = "%Y-%m-%d"


class ValueTable(Frozen):
    """Replaces values by the table's; one that is not listed is kept, missing, or a reason to reject the person."""

    kind: Literal["value_table"] = "value_table"
    table: dict[str, Scalar]
    otherwise: Literal["keep", "missing", "reject"] = "reject"


Transform = Annotated[Trim | Lower | Default | DateFormat | ValueTable, Field(discriminator="kind")]


class Rule(Frozen):
    """One target field: where its value comes from and how it is transformed, in order."""

    target: str = Field(min_length=1)
    """The field of the Declaree account, as a SCIM path."""
    source: Source
    """Where the value comes from."""
    transforms: tuple[Transform, ...] = ()
    """What is done to the value, one after the other."""
    on_missing: Literal["leave", "clear", "reject"] = "leave"
    """Without a value: `leave` the field as it is in Declaree, `clear` it, or `reject` the person. An attribute that the
    credential does not release clears nothing."""

    @model_validator(mode="after")
    def _target_is_mappable(self) -> Self:
        misuse = _misuse(self.target)
        if misuse is not None:
            raise ValueError(misuse)
        if self.target == MANAGER and self.source.kind != "attribute":
            raise ValueError("the manager comes from an attribute that holds an employee id, such as supervisor.id")
        return self


LIFE_CYCLE: dict[str, Intent] = {
    "active": Intent.PROVISION,
    "onboarding": Intent.IGNORE,
    "leave": Intent.IGNORE,
    "inactive": Intent.DISABLE,
}
"""What each Personio status means unless a mapping says otherwise; unknown and empty ones are ignored."""


class Mapping(Frozen):
    """All rules of one connection."""

    format_version: Literal[1] = 1
    """Of the shape of this document."""
    rules: tuple[Rule, ...]
    """One a field; a field that no rule names is never written."""
    user_name_attribute: str = Field("email", min_length=1)
    """The attribute with the e-mail address, which becomes user name and work e-mail."""
    external_id_prefix: str = ""
    """Stands before the employee's id in the external id, where several companies share one Declaree administration."""
    life_cycle: dict[str, Intent] = Field(default_factory=lambda: dict(LIFE_CYCLE))
    """What each status means for the account; a document need only name what differs from the usual."""

    @field_validator("life_cycle")
    @classmethod
    def _over_the_usual(cls, given: dict[str, Intent]) -> dict[str, Intent]:
        odd = sorted(status for status in given if status != status.strip().lower())
        if odd:
            raise ValueError(f"statuses are written in small letters, without blanks around: {', '.join(odd)}")
        return LIFE_CYCLE | given

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        targets = [rule.target.lower() for rule in self.rules]
        twice = sorted({target for target in targets if targets.count(target) > 1})
        if twice:
            raise ValueError(f"each field can be the target of one rule only; more than one for: {', '.join(twice)}")
        if Intent.REJECT in self.life_cycle.values():
            raise ValueError("a status means provision, disable or ignore")
        return self


class PublishedMapping(Frozen):
    """A version of a connection's mapping as it was published; never changed afterwards."""

    connection_id: ConnectionId
    version: int = Field(ge=1)
    mapping: Mapping
    published_at: AwareDatetime


def default_mapping() -> Mapping:
    """What a connection starts with: the names, the e-mail as user name, the supervisor."""

    def name(target: str, attribute: str) -> Rule:
        return Rule(
            target=target, source=AttributeSource(attribute=attribute), transforms=(Trim(),), on_missing="reject"
        )

    return Mapping(
        rules=(
            name("name.givenName", "first_name"),
            name("name.familyName", "last_name"),
            Rule(target=MANAGER, source=AttributeSource(attribute="supervisor.id"), on_missing="clear"),
        )
    )

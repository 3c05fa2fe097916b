"""Mappings: the rules of one connection, from Personio attributes to Declaree fields, as a versioned document.

``format_version`` is the version of the document format. ``version`` counts the published documents of a connection.
"""

from collections import Counter
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, Field, field_validator, model_validator

from services.contracts.ids import ConnectionId
from services.contracts.outcomes import Intent
from services.contracts.targets import ENTERPRISE as ENTERPRISE
from services.contracts.targets import MANAGER as MANAGER
from services.contracts.targets import WORK_EMAIL as WORK_EMAIL
from services.contracts.targets import find_misuse, identify_field
from services.contracts.transforms import Transform, Trim
from services.contracts.values import FrozenModel, Value

SUPERVISOR = "supervisor.id"
"""The Personio attribute with the employee id of the supervisor."""
MAX_RULES = 500
"""Maximum number of rules of a mapping."""
MAX_EXPRESSION_LENGTH = 1_000
"""Maximum number of characters of an expression."""
MAX_TRANSFORMS = 20
"""Maximum number of transforms of a rule."""
MAX_ATTRIBUTES = 20
"""Maximum number of attributes that one source lists."""

Expression = Annotated[str, Field(min_length=1, max_length=MAX_EXPRESSION_LENGTH)]
"""An expression in CEL (Common Expression Language). Its variables are attributes, by their keys."""


class AttributeSource(FrozenModel):
    """The value of a Personio attribute."""

    kind: Literal["attribute"] = "attribute"
    attribute: str = Field(min_length=1)
    """Key of the attribute."""
    largest_by: str | None = Field(None, min_length=1)
    """Key of an attribute with a list of numbers beside the list of `attribute`, such as `cost_centers.percentage`. The value is
    the entry with the largest number, the first one of several. Null: the whole list."""


class AttributesSource(FrozenModel):
    """The list of the values of several Personio attributes, in this order. The entries of a list follow each other."""

    kind: Literal["attributes"] = "attributes"
    attributes: tuple[Annotated[str, Field(min_length=1)], ...] = Field(min_length=1, max_length=MAX_ATTRIBUTES)
    """Keys of the attributes."""


class ExpressionSource(FrozenModel):
    """The result of an expression."""

    kind: Literal["expression"] = "expression"
    expression: Expression
    """The expression, in CEL."""


class ConstantSource(FrozenModel):
    """The same value for all employees."""

    kind: Literal["constant"] = "constant"
    value: Value
    """The value."""


Source = Annotated[AttributeSource | AttributesSource | ConstantSource | ExpressionSource, Field(discriminator="kind")]
"""Where the value of a field comes from."""


class Condition(FrozenModel):
    """When a rule applies to an employee."""

    expression: Expression
    """The condition, in CEL. The rule applies if the result is true."""
    otherwise: Literal["leave", "clear", "reject"] = "leave"
    """What happens to the field of an employee that the condition does not fit: `leave` keeps it as it is in Declaree, `clear`
    clears it, `reject` rejects the employee."""


class Rule(FrozenModel):
    """The rule of one target field: source and transforms of its value."""

    target: str = Field(min_length=1)
    """Field of the Declaree account, as a SCIM path."""
    source: Source
    """Where the value comes from."""
    when: Condition | None = None
    """When the rule applies. Null: to every employee."""
    transforms: tuple[Transform, ...] = Field((), max_length=MAX_TRANSFORMS)
    """Transforms of the value, applied in this order."""
    on_missing: Literal["leave", "clear", "reject"] = "leave"
    """What happens if the value is empty: `leave` keeps the field as it is in Declaree, `clear` clears it, `reject`
    rejects the employee. The value of an attribute that Personio does not release is unknown: it clears nothing."""

    @model_validator(mode="after")
    def _validate_target(self) -> Self:
        misuse = find_misuse(self.target)
        if misuse is not None and self.target != MANAGER:
            raise ValueError(misuse)
        if self.target == MANAGER and self.source.kind == "constant":
            raise ValueError(
                "the source of the manager is a constant: use an attribute with an employee id, such as supervisor.id"
            )
        return self


LIFE_CYCLE: dict[str, Intent] = {
    "active": Intent.PROVISION,
    "onboarding": Intent.IGNORE,
    "leave": Intent.IGNORE,
    "inactive": Intent.DISABLE,
}
"""Default intent of each Personio status. The intent of an empty status, or of one that a mapping does not name, is
``IGNORE``."""


class EmploymentDates(FrozenModel):
    """When accounts begin and end by the dates of an employment, beside the status. Days are those of the company's time zone."""

    days_before_start: int | None = Field(None, ge=0, le=90)
    """Days before the hire date from which an employee has an account, with the status active or onboarding. Null: from the
    hire date on, with an intent of `provision` for the status. An unknown hire date counts as passed."""
    disable_after_last_day: bool = False
    """Whether the account is disabled after the last working day (`last_working_day`, or else `termination_date`), before the
    status changes. Needs the right to read these attributes."""


class Scope(FrozenModel):
    """Which employees have an account, beside status and dates."""

    only: Expression | None = None
    """Condition in CEL for employees with an account, such as `subcompany.name == "Nordlicht GmbH"`. Null: all employees. If it
    cannot be evaluated for an employee because an attribute is empty or unknown, the account stays as it is."""
    otherwise: Literal["ignore", "disable"] = "ignore"
    """What happens to the account of an employee that the condition does not fit: `ignore` leaves it as it is, `disable` disables
    it."""


class MappingDocument(FrozenModel):
    """All rules of one connection."""

    format_version: Literal[1] = 1
    """Version of the document format."""
    rules: tuple[Rule, ...] = Field(max_length=MAX_RULES)
    """The rules, one for each field. A field without a rule is never written."""
    user_name_attribute: str = Field("email", min_length=1)
    """Key of the attribute with the e-mail address. The address becomes user name and work e-mail of the account."""
    external_id_prefix: str = ""
    """Text before the employee id in the external id. It keeps the ids of several companies apart that share one Declaree
    administration."""
    life_cycle: dict[str, Intent] = Field(default_factory=lambda: dict(LIFE_CYCLE))
    """Intent for each status of an employee. Statuses are in lowercase; those that the document does not name keep their
    default."""
    employment: EmploymentDates = EmploymentDates()
    """When accounts begin and end by the dates of an employment."""
    withdrawn: tuple[Rule, ...] = Field((), max_length=MAX_RULES)
    """Rules of earlier versions with values to be removed: a field that still has the value of such a rule is cleared. One that was
    changed in Declaree since stays as it is. The manager is cleared in any case."""
    scope: Scope = Scope()
    """Which employees have an account. A leaver is disabled in any case."""

    @field_validator("life_cycle")
    @classmethod
    def _add_defaults(cls, life_cycle: dict[str, Intent]) -> dict[str, Intent]:
        misspelled = sorted(status for status in life_cycle if status != status.strip().lower())
        if misspelled:
            raise ValueError(
                f"a status must be in lowercase, without spaces around it: correct {', '.join(misspelled)}"
            )
        return LIFE_CYCLE | life_cycle

    @model_validator(mode="after")
    def _validate_consistency(self) -> Self:
        rules = (*self.rules, *self.withdrawn)
        counts = Counter(identify_field(rule.target) for rule in rules)
        twice = sorted({rule.target.lower() for rule in rules if counts[identify_field(rule.target)] > 1})
        if twice:
            raise ValueError(f"a field has more than one rule: keep one rule for {', '.join(twice)}")
        if Intent.REJECT in self.life_cycle.values():
            raise ValueError("a status cannot have the intent reject: use provision, disable or ignore")
        return self


class PublishedMapping(FrozenModel):
    """A published version of a connection's mapping. It never changes."""

    connection_id: ConnectionId
    """The connection."""
    version: int = Field(ge=1)
    """Number of the version within the connection, from 1."""
    mapping: MappingDocument
    """The document."""
    published_at: AwareDatetime
    """When the version was published."""
    published_by: str | None = None
    """Name of the person that published it, as the command line knows it; None for the first version of a connection."""
    note: str | None = None
    """Why it was published, in the words of that person; None without a note."""


class MappingDraft(FrozenModel):
    """The draft of a connection's mapping: it maps nothing until it is published. A connection has at most one."""

    connection_id: ConnectionId
    """The connection."""
    revision: int = Field(ge=1)
    """Number of times that the draft was saved. To save or publish it, a caller names the revision that it has seen."""
    based_on: int = Field(ge=0)
    """The newest published version when the draft was begun; 0 if nothing was published."""
    mapping: MappingDocument
    """The document."""
    saved_at: AwareDatetime
    """When it was saved last."""
    saved_by: str
    """Name of the person that saved it last, as the command line knows it."""


class UnreadableMapping(FrozenModel):
    """The newest published version of a connection's mapping, if this version of the product cannot read it."""

    connection_id: ConnectionId
    """The connection."""
    problem: str
    """What is wrong and what to do."""


def default_mapping() -> MappingDocument:
    """Returns the mapping of a new connection: names, e-mail as user name, and the supervisor as manager."""

    def build_name_rule(target: str, attribute: str) -> Rule:
        return Rule(
            target=target, source=AttributeSource(attribute=attribute), transforms=(Trim(),), on_missing="reject"
        )

    return MappingDocument(
        rules=(
            build_name_rule("name.givenName", "first_name"),
            build_name_rule("name.familyName", "last_name"),
            Rule(target=MANAGER, source=AttributeSource(attribute=SUPERVISOR), on_missing="clear"),
        )
    )

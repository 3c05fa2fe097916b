"""The mapping engine: one ``EmployeeChanged`` in, exactly one ``AccountRequested`` out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from services.contracts.events import (
    AccountRequested,
    Attribute,
    DesiredAccount,
    EmployeeChanged,
    Intent,
    Kind,
    ManagerReference,
    text_of,
)
from services.contracts.ids import EmployeeId
from services.contracts.mappings import MANAGER, AttributeSource, PublishedMapping, Rule
from services.contracts.model import Value
from services.mapping.transforms import Function, UnfitValueError, compiled, filled, missing

NO_MAPPING = "no mapping is published for this connection: publish one, then everybody is sent again"


class RejectedError(Exception):
    """The person's data does not fit. ``field`` is the target or attribute; no value is ever named."""

    def __init__(self, reason: str, field: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.field = field


@dataclass(frozen=True, slots=True)
class FieldProvenance:
    """Where one field's value comes from: the attribute (None for a constant), and the transforms in order."""

    target: str
    attribute: str | None
    transforms: tuple[str, ...]


class Engine:
    """One published mapping, compiled. ``None`` instead of a mapping rejects everybody."""

    def __init__(self, published: PublishedMapping | None) -> None:
        self._published = published
        self._rules = tuple(_Rule(rule) for rule in published.mapping.rules) if published else ()

    @property
    def version(self) -> int:
        return self._published.version if self._published else 0

    def map(self, event: EmployeeChanged) -> AccountRequested:
        """Never raises for what an employee's data holds: what does not fit is the intent ``reject``."""
        if self._published is None:
            return self._request(event, Intent.REJECT, reason=NO_MAPPING)
        intent = self.intent(event)
        if intent is not Intent.PROVISION:
            return self._request(event, intent)
        try:
            desired = self._desired(event, self._published)
        except RejectedError as error:
            return self._request(event, Intent.REJECT, reason=error.reason, field=error.field)
        return self._request(event, Intent.PROVISION, desired=desired)

    def intent(self, event: EmployeeChanged) -> Intent:
        """What the life cycle says of this person; unknown and empty statuses are left alone."""
        if event.kind is Kind.REMOVED:
            return Intent.DISABLE
        status = text_of(event.attributes, "status")
        known = self._published.mapping.life_cycle if self._published else {}
        return Intent.IGNORE if status is None else known.get(status.strip().lower(), Intent.IGNORE)

    def provenance(self) -> tuple[FieldProvenance, ...]:
        return tuple(rule.provenance for rule in self._rules)

    def _desired(self, event: EmployeeChanged, published: PublishedMapping) -> DesiredAccount:
        mapping, attributes = published.mapping, event.attributes
        fields: dict[str, Value] = {}
        manager: ManagerReference | None = None
        for rule in self._rules:
            kept, value = rule.value(attributes)
            if not kept:
                continue
            if rule.target == MANAGER:
                manager = _manager(value)
            else:
                fields[rule.target] = value
        return DesiredAccount(
            external_id=mapping.external_id_prefix + event.employee_id,
            user_name=_user_name(attributes, mapping.user_name_attribute),
            fields=fields,
            manager=manager,
        )

    def _request(
        self,
        event: EmployeeChanged,
        intent: Intent,
        *,
        desired: DesiredAccount | None = None,
        reason: str | None = None,
        field: str | None = None,
    ) -> AccountRequested:
        return AccountRequested(
            connection_id=event.connection_id,
            employee_id=event.employee_id,
            revision=event.revision,
            detected_at=event.detected_at,
            source_modified_at=event.source_modified_at,
            mapping_version=self.version,
            intent=intent,
            desired=desired,
            reason=reason,
            field=field,
        )


class _Rule:
    """A rule with its transforms compiled."""

    def __init__(self, rule: Rule) -> None:
        self.target = rule.target
        self._rule = rule
        self._attribute = rule.source.attribute if isinstance(rule.source, AttributeSource) else None
        self._read = _reader(rule)
        self._transforms: tuple[Function, ...] = tuple(compiled(transform) for transform in rule.transforms)

    @property
    def provenance(self) -> FieldProvenance:
        return FieldProvenance(self.target, self._attribute, tuple(each.kind for each in self._rule.transforms))

    def value(self, attributes: Mapping[str, Attribute]) -> tuple[bool, Value]:
        """Whether the field is written at all, and with what; raises ``RejectedError``."""
        value = self._read(attributes)
        try:
            for transform in self._transforms:
                value = transform(value)
        except UnfitValueError as error:
            raise RejectedError(f"the value for {self.target} {error}", self.target) from None
        if not missing(value):
            return True, filled(value) if isinstance(value, tuple) else value
        if self._rule.on_missing == "reject":
            raise RejectedError(f"there is no value for {self.target}", self.target)
        # an attribute that the credential has never shown says nothing of the value: there is nothing to clear
        return self._rule.on_missing == "clear" and self._is_released(attributes), None

    def _is_released(self, attributes: Mapping[str, Attribute]) -> bool:
        """Of a nested attribute that is empty Personio may send the whole alone."""
        key = self._attribute
        return key is None or key in attributes or key.partition(".")[0] in attributes


def _reader(rule: Rule) -> Callable[[Mapping[str, Attribute]], Value]:
    source = rule.source
    if isinstance(source, AttributeSource):
        key = source.attribute
        return lambda attributes: attributes[key].value if key in attributes else None
    constant = source.value
    return lambda _: constant


def _manager(value: Value) -> ManagerReference:
    if isinstance(value, tuple | bool | float):
        raise RejectedError("the manager is not given by one employee id", MANAGER)
    return ManagerReference(employee_id=EmployeeId(str(value)) if value is not None else None)


def _user_name(attributes: Mapping[str, Attribute], key: str) -> str:
    text = (text_of(attributes, key) or "").strip()
    name, at, domain = text.rpartition("@")
    if not (name and at and domain) or "@" in name or len(text.split()) != 1:
        raise RejectedError(f"the attribute {key} holds no e-mail address: enter one in Personio", key)
    return text

"""The mapping engine: one ``EmployeeChanged`` in, exactly one ``AccountRequested`` out."""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from services.contracts.employees import get_string
from services.contracts.events import (
    AccountIdentity,
    AccountRequested,
    DesiredAccount,
    EmployeeChanged,
    ManagerReference,
)
from services.contracts.ids import EmployeeId
from services.contracts.mappings import MANAGER, PublishedMapping
from services.contracts.outcomes import Intent
from services.contracts.values import Value
from services.mapping.addresses import InvalidAddressError, clean_address
from services.mapping.rules import CompiledRule, RejectedError
from services.mapping.scope import CompiledScope

NO_MAPPING = (
    "no mapping is published for this connection: publish one with `mapping import`, then all employees are resent"
)
"""Reason of a rejection: the connection has no mapping."""


MAX_SECONDS = 0.1
"""Longest time of the processor for the expressions and patterns of one employee. A mapping of 100 rules takes a thousandth of it."""
MAX_ACCOUNT_LENGTH = 200_000
"""Maximum number of characters of all texts of an account."""
_NAMES = {"name.givenName": "given_name", "name.familyName": "family_name"}


class Engine:
    """One published mapping, compiled for many events."""

    def __init__(
        self, published: PublishedMapping | None, processor_time: Callable[[], float] = time.thread_time
    ) -> None:
        """Compiles the rules of ``published``. None rejects all employees.

        ``processor_time`` returns the seconds that the processor has worked for the thread.
        """
        self._processor_time = processor_time
        self._published = published
        self._rules = tuple(CompiledRule(rule) for rule in published.mapping.rules) if published else ()
        self._withdrawn = tuple(CompiledRule(rule) for rule in published.mapping.withdrawn) if published else ()
        self._is_costly = any(rule.is_costly for rule in self._rules)
        self._scope = CompiledScope(published.mapping) if published else None

    @property
    def version(self) -> int:
        """Version of the mapping; 0 if none was published."""
        return self._published.version if self._published else 0

    def map(self, event: EmployeeChanged) -> AccountRequested:
        """Returns the request for a change. Data that does not fit the mapping gives the intent ``REJECT``, no error."""
        if self._published is None or self._scope is None:
            return self._build_request(event, Intent.REJECT, reason=NO_MAPPING)
        try:
            intent = self._scope.decide_intent(event)
            if intent is Intent.DISABLE:
                return self._build_request(event, intent, identity=self._build_identity(event, self._published))
            if intent is not Intent.PROVISION:
                return self._build_request(event, intent)
            desired = self._build_account(event, self._published)
        except RejectedError as error:
            return self._build_request(event, Intent.REJECT, reason=error.reason, field=error.field)
        return self._build_request(event, Intent.PROVISION, desired=desired)

    def _build_account(self, event: EmployeeChanged, published: PublishedMapping) -> DesiredAccount:
        mapping, attributes = published.mapping, event.attributes
        fields: dict[str, Value] = {}
        manager: ManagerReference | None = None
        began = self._processor_time() if self._is_costly else 0.0
        for rule in self._rules:
            is_written, value = rule.evaluate(attributes)
            if rule.is_costly and self._processor_time() - began > MAX_SECONDS:
                raise RejectedError(
                    f"the rules up to the one for {rule.target} take longer than {MAX_SECONDS} s: simplify expressions and "
                    "patterns, or shorten the values in Personio",
                    rule.target,
                )
            if not is_written:
                continue
            if rule.is_manager:
                manager = build_manager_reference(value)
            else:
                fields[rule.target] = value
        _check_length(fields)
        return DesiredAccount(
            external_id=mapping.external_id_prefix + event.employee_id,
            user_name=read_user_name(attributes, mapping.user_name_attribute),
            fields=fields,
            withdrawn=self._find_withdrawn(attributes),
            manager=ManagerReference(employee_id=None) if self._is_manager_withdrawn else manager,
        )

    @property
    def _is_manager_withdrawn(self) -> bool:
        return any(rule.target == MANAGER for rule in self._withdrawn)

    def _find_withdrawn(self, attributes: Mapping[str, Value]) -> dict[str, Value]:
        """Returns the values that withdrawn rules give the employee: none where they would clear the field or reject."""
        values: dict[str, Value] = {}
        for rule in self._withdrawn:
            with suppress(RejectedError):
                is_written, value = rule.evaluate(attributes)
                if is_written and value is not None and rule.target != MANAGER:
                    values[rule.target] = value
        return values

    def _build_identity(self, event: EmployeeChanged, published: PublishedMapping) -> AccountIdentity:
        """Returns what the account of a leaver looks like, as far as the employee's data still fits the mapping."""
        mapping, attributes = published.mapping, event.attributes
        names: dict[str, str] = {}
        for rule in self._rules:
            if rule.target in _NAMES:
                with suppress(RejectedError):
                    _, value = rule.evaluate(attributes)
                    if isinstance(value, str):
                        names[_NAMES[rule.target]] = value
        with suppress(RejectedError):
            names["user_name"] = read_user_name(attributes, mapping.user_name_attribute)
        return AccountIdentity(external_id=mapping.external_id_prefix + event.employee_id, **names)

    def _build_request(
        self,
        event: EmployeeChanged,
        intent: Intent,
        *,
        desired: DesiredAccount | None = None,
        identity: AccountIdentity | None = None,
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
            identity=identity,
            reason=reason,
            field=field,
        )


def _check_length(fields: Mapping[str, Value]) -> None:
    """Raises ``RejectedError`` for an account that is too large for a record."""
    length = 0
    for target, value in fields.items():
        entries = value if isinstance(value, tuple) else (value,)
        length += sum(len(entry) for entry in entries if isinstance(entry, str))
        if length > MAX_ACCOUNT_LENGTH:
            problem = f"the values up to the one for {target} have more than {MAX_ACCOUNT_LENGTH:,} characters"
            raise RejectedError(f"{problem}: shorten them in Personio, or remove rules", target)


def build_manager_reference(value: Value) -> ManagerReference:
    """Returns the reference to the manager with this employee id; to none for None. Raises ``RejectedError``."""
    if isinstance(value, tuple | bool | float):
        raise RejectedError("the value for the manager is not one employee id: change the rule", MANAGER)
    return ManagerReference(employee_id=EmployeeId(str(value)) if value is not None else None)


def read_user_name(attributes: Mapping[str, Value], key: str) -> str:
    """Returns the e-mail address in an attribute as the account has it. Raises ``RejectedError``."""
    try:
        return clean_address(get_string(attributes, key) or "")
    except InvalidAddressError as error:
        raise RejectedError(f"the attribute {key} {error}", key) from None

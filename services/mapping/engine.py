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
from services.mapping.readers import ACTIVE
from services.mapping.rules import CompiledRule, RejectedError, Watch
from services.mapping.scope import CompiledScope
from services.mapping.time_limit import TimeLimit

NO_MAPPING = (
    "no mapping is published for this connection: publish one with `mapping import`, then all employees are resent"
)
"""Reason of a rejection: the connection has no mapping."""


MAX_ACCOUNT_LENGTH = 200_000
"""Maximum number of characters of all values of an account. A number or a boolean counts as eight."""
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
        self._scope = CompiledScope(published.mapping) if published else None
        self._is_manager_withdrawn = any(rule.is_manager for rule in self._withdrawn)
        has_condition = published is not None and published.mapping.scope.only is not None
        # reading the processor's time costs as much as a rule: mappings without a costly part need no limit
        self._is_costly = has_condition or any(rule.is_costly for rule in (*self._rules, *self._withdrawn))

    @property
    def version(self) -> int:
        """Version of the mapping; 0 if none was published."""
        return self._published.version if self._published else 0

    def map(self, event: EmployeeChanged) -> AccountRequested:
        """Returns the request for a change. Data that does not fit the mapping gives the intent ``REJECT``, no error."""
        if self._published is None or self._scope is None:
            return self._build_request(event, Intent.REJECT, reason=NO_MAPPING)
        watch = TimeLimit(self._processor_time).check if self._is_costly else None
        try:
            intent = self._scope.decide_intent(event)
            if intent is Intent.DISABLE:
                return self._build_request(event, intent, identity=self._build_identity(event, self._published, watch))
            if intent is not Intent.PROVISION:
                return self._build_request(event, intent)
            if watch is not None:
                watch(ACTIVE)
            desired = self._build_account(event, self._published, watch)
        except RejectedError as error:
            return self._build_request(event, Intent.REJECT, reason=error.reason, field=error.field)
        return self._build_request(event, Intent.PROVISION, desired=desired)

    def _build_account(
        self, event: EmployeeChanged, published: PublishedMapping, watch: Watch | None
    ) -> DesiredAccount:
        mapping, attributes = published.mapping, event.attributes
        fields: dict[str, Value] = {}
        manager: ManagerReference | None = None
        length = 0
        for rule in self._rules:
            if rule.is_costly:
                is_written, value = rule.evaluate(attributes, None, watch)
            else:
                is_written, value = rule.evaluate_cheap(attributes)
            if not is_written:
                continue
            if rule.is_manager:
                manager = build_manager_reference(value)
            else:
                fields[rule.target] = value
                length += len(value) if type(value) is str else _measure(value)
                if length > MAX_ACCOUNT_LENGTH:
                    raise _reject_large(rule.target)
        withdrawn = self._find_withdrawn(attributes, watch) if self._withdrawn else {}
        for target, value in withdrawn.items():
            length += _measure(value)
            if length > MAX_ACCOUNT_LENGTH:
                raise _reject_large(target)
        return DesiredAccount(
            external_id=mapping.external_id_prefix + event.employee_id,
            user_name=read_user_name(attributes, mapping.user_name_attribute),
            fields=fields,
            withdrawn=withdrawn,  # pydantic would copy the default, which takes longer
            manager=ManagerReference(employee_id=None) if self._is_manager_withdrawn else manager,
        )

    def _find_withdrawn(self, attributes: Mapping[str, Value], watch: Watch | None) -> dict[str, Value]:
        """Returns the values that withdrawn rules give the employee: none where they would clear the field or reject."""
        values: dict[str, Value] = {}
        for rule in self._withdrawn:
            with suppress(RejectedError):
                is_written, value = rule.evaluate(attributes, None, watch)
                if is_written and value is not None and not rule.is_manager:
                    values[rule.target] = value
            if watch is not None:
                watch(rule.target)  # the end of the time rejects the employee, and is not a value that does not fit
        return values

    def _build_identity(
        self, event: EmployeeChanged, published: PublishedMapping, watch: Watch | None
    ) -> AccountIdentity:
        """Returns what the account of a leaver looks like, as far as data and time allow: a leaver is disabled in any case."""
        mapping, attributes = published.mapping, event.attributes
        names: dict[str, str] = {}
        for rule in self._rules:
            if rule.target in _NAMES:
                with suppress(RejectedError):
                    _, value = rule.evaluate(attributes, None, watch)
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


def _measure(value: Value) -> int:
    """Returns the number of characters of a value."""
    if isinstance(value, tuple):
        return sum(map(_measure, value))
    return len(value) if isinstance(value, str) else 8


def _reject_large(target: str) -> RejectedError:
    problem = f"the values up to the one for {target} have more than {MAX_ACCOUNT_LENGTH:,} characters"
    return RejectedError(f"{problem}: shorten them in Personio, or remove rules", target)


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

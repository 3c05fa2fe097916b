"""The scope of a mapping: which employees have an account."""

from services.contracts.employees import ACTIVE, HIRE_DATE, ONBOARDING, STATUS, EmploymentPhase, get_string
from services.contracts.events import ChangeKind, EmployeeChanged
from services.contracts.mappings import MappingDocument
from services.contracts.outcomes import Intent
from services.mapping.employment import read_date
from services.mapping.readers import ACTIVE as ACTIVE_FIELD
from services.mapping.rules import RejectedError
from services.mapping.sources import compile_expression
from services.mapping.transforms import UnfitValueError


class CompiledScope:
    """The scope of a mapping, compiled once."""

    def __init__(self, mapping: MappingDocument) -> None:
        """Compiles the condition of ``mapping``."""
        self._mapping = mapping
        self._only = compile_expression(mapping.scope.only) if mapping.scope.only else None
        self._otherwise = Intent(mapping.scope.otherwise)

    def decide_intent(self, event: EmployeeChanged) -> Intent:
        """Returns what the writer is asked to do for an employee.

        Raises ``RejectedError`` if the condition cannot be computed with the employee's values.
        """
        intent = _decide_by_status(event, self._mapping)
        if intent is not Intent.PROVISION or self._only is None:
            return intent
        if self._only.find_unknown(event.attributes) is not None:
            return Intent.IGNORE
        try:
            fits = self._only.read(event.attributes)
        except UnfitValueError as error:
            reason = f"the condition for accounts {error}: correct the employee in Personio, or change the condition"
            raise RejectedError(reason, ACTIVE_FIELD) from None
        if fits is None:
            return Intent.IGNORE  # an attribute is empty: not enough is known to disable an account
        return Intent.PROVISION if fits is True else self._otherwise


def _decide_by_status(event: EmployeeChanged, mapping: MappingDocument) -> Intent:
    """Returns the intent for status and dates of the employee.

    An unknown or empty status gives ``IGNORE``, and an employee that was deleted in Personio gives ``DISABLE``.
    """
    if event.kind is ChangeKind.REMOVED:
        return Intent.DISABLE
    status = (get_string(event.attributes, STATUS) or "").strip().lower()
    intent = mapping.life_cycle.get(status, Intent.IGNORE)
    if intent is Intent.DISABLE or not status:
        return intent
    if event.phase is EmploymentPhase.ENDED and mapping.employment.disable_after_last_day:
        return Intent.DISABLE
    if status == ACTIVE and event.phase is EmploymentPhase.UPCOMING:
        return Intent.IGNORE
    if status == ONBOARDING and mapping.employment.days_before_start is not None:
        has_begun = event.phase is EmploymentPhase.CURRENT and read_date(event.attributes, HIRE_DATE) is not None
        return Intent.PROVISION if has_begun else Intent.IGNORE
    return intent

"""The scope of a mapping: which employees have an account."""

from services.contracts.employees import ACTIVE, HIRE_DATE, ONBOARDING, STATUS, EmploymentPhase, get_string
from services.contracts.events import ChangeKind, EmployeeChanged
from services.contracts.mappings import MappingDocument
from services.contracts.outcomes import Intent
from services.mapping.employment import read_date


def decide_intent(event: EmployeeChanged, mapping: MappingDocument) -> Intent:
    """Returns what the writer is asked to do for status and dates of the employee.

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

"""Employees as the preview of a whole company collects them."""

from services.admin.preview.collection import CollectedEmployee
from services.admin.preview.draft import MappedEmployee
from services.contracts.events import AccountRequested
from tests.support.builders import make_change


def collect(request: AccountRequested, *, is_absent: bool = False) -> CollectedEmployee:
    """Returns an employee with this request, without a name."""
    return CollectedEmployee.build(MappedEmployee(request, is_absent=is_absent, name=None, event=make_change()))

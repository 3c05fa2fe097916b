"""The mapped employees of a preview, in little memory, and the order in which the writer would settle them."""

from collections.abc import Iterator, Mapping
from typing import ClassVar

from services.admin.preview.source import MappedEmployee
from services.contracts.events import AccountRequested
from services.contracts.ids import EmployeeId
from services.contracts.outcomes import Intent
from services.errors import PermanentError
from services.provisioning.manager import find_wanted_manager
from services.provisioning.packing import Packer

MAX_BYTES = 256 * 1_048_576
"""Size of the compressed requests of all employees above which a preview ends. A usual employee needs about 300 bytes."""


class PreviewTooLargeError(PermanentError):
    """The employees of a connection need more memory than a preview takes."""

    code: ClassVar[str] = "preview-too-large"


class MappedEmployees:
    """The requests of all employees, compressed, with the manager that each of them asks for."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        """Starts empty. ``max_bytes`` is the maximum size of the compressed requests."""
        self._max_bytes = max_bytes
        self._packer = Packer()
        self._packed: dict[EmployeeId, bytes] = {}
        self._bytes = 0
        self._leavers: dict[EmployeeId, None] = {}
        self._managers: dict[EmployeeId, EmployeeId] = {}
        self.absent: set[EmployeeId] = set()
        """The employees that Personio does not list."""

    def __len__(self) -> int:
        """The number of employees."""
        return len(self._packed)

    @property
    def packed(self) -> Mapping[EmployeeId, object]:
        """The employees, by id."""
        return self._packed

    def add(self, mapped: MappedEmployee) -> None:
        """Adds an employee. One that Personio lists twice counts once. Raises ``PreviewTooLargeError``."""
        request = mapped.request
        employee = request.employee_id
        self._bytes -= len(self._packed.get(employee, b""))
        self._packed[employee] = packed = self._packer.pack(request.model_dump_json().encode())
        self._bytes += len(packed)
        if self._bytes > self._max_bytes:
            raise PreviewTooLargeError(
                f"the data of the employees is too large for a preview (more than {self._max_bytes} bytes): "
                "preview single employees with --employee"
            )
        if mapped.is_absent:
            self.absent.add(employee)
        if request.intent is Intent.DISABLE:
            self._leavers[employee] = None
        manager = find_wanted_manager(request)
        if manager is not None:
            self._managers[employee] = manager

    def get(self, employee: EmployeeId) -> AccountRequested:
        """Returns the request of an employee. Raises ``KeyError`` for an unknown one."""
        return AccountRequested.model_validate_json(self._packer.unpack(self._packed[employee]))

    def order(self) -> list[EmployeeId]:
        """Returns the employees in the writer's order: leavers first, managers before the employees that report to them."""
        placed = dict(self._leavers)
        for employee in self._packed:
            placed |= dict.fromkeys(reversed(list(self._climb(employee, placed))))
        return list(placed)

    def _climb(self, employee: EmployeeId, placed: Mapping[EmployeeId, None]) -> Iterator[EmployeeId]:
        """Yields the employee and the managers above that are not placed yet. A cycle ends where it began."""
        passed: set[EmployeeId] = set()
        current: EmployeeId | None = employee
        while current in self._packed and current not in placed and current not in passed:
            passed.add(current)
            yield current
            current = self._managers.get(current)

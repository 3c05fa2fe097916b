"""The mapped employees of a preview, in little memory, and the order in which the writer would settle them."""

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import ClassVar

from services.admin.preview.draft import MappedEmployee
from services.contracts.events import AccountRequested
from services.contracts.ids import AccountId, EmployeeId
from services.contracts.ledger import LedgerEntry
from services.contracts.outcomes import Intent
from services.errors import PermanentError
from services.mapping.unmatched_values import UnmatchedValue
from services.provisioning.manager import find_wanted_manager
from services.provisioning.marks import Marks, list_entry_marks, list_request_marks
from services.provisioning.packing import Packer

MAX_BYTES = 256 * 1_048_576
"""Size of the compressed requests of all employees above which a preview ends. A usual employee needs about 300 bytes."""


class PreviewTooLargeError(PermanentError):
    """The employees of a connection need more memory than a preview takes."""

    code: ClassVar[str] = "preview-too-large"


@dataclass(frozen=True, slots=True)
class CollectedEmployee:
    """What a preview of all employees keeps or counts of a mapped employee. Another process may have mapped the employee."""

    id: EmployeeId
    """The employee."""
    request: bytes
    """What the mapper would ask the writer for, as JSON."""
    intent: Intent
    """The intent of the request."""
    is_absent: bool
    """Whether Personio no longer lists the employee."""
    manager: EmployeeId | None
    """The manager that the request asks for; None if it asks for none."""
    marks: Marks
    """What the request names that an account may be found by."""
    name: str | None
    """First and last name; None if both are empty or unknown."""
    unmatched: frozenset[UnmatchedValue]
    """Values that are not in value tables."""

    @classmethod
    def build(cls, mapped: MappedEmployee) -> "CollectedEmployee":
        """Returns what is kept of a mapped employee."""
        request = mapped.request
        return cls(
            id=request.employee_id,
            request=request.model_dump_json().encode(),
            intent=request.intent,
            is_absent=mapped.is_absent,
            manager=find_wanted_manager(request),
            marks=list_request_marks(request),
            name=mapped.name,
            unmatched=mapped.unmatched,
        )


class CollectedEmployees:
    """The requests of all employees, compressed, with the manager that each of them asks for."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        """Starts empty. ``max_bytes`` is the maximum size of the compressed requests."""
        self._max_bytes = max_bytes
        self._packer = Packer()
        self._packed: dict[EmployeeId, bytes] = {}
        self._bytes = 0
        self._leavers: dict[EmployeeId, None] = {}
        self._managers: dict[EmployeeId, EmployeeId] = {}
        self._marks: dict[EmployeeId, Marks] = {}
        self._accounts: dict[EmployeeId, AccountId] = {}
        self.absent: set[EmployeeId] = set()
        """The employees that Personio does not list."""
        self.provisioned: set[EmployeeId] = set()
        """The employees that need an account."""
        self.unsettled: set[EmployeeId] = set()
        """The employees with something under way, by the ledger."""

    def __len__(self) -> int:
        """The number of employees."""
        return len(self._packed)

    @property
    def ids(self) -> AbstractSet[EmployeeId]:
        """The employees."""
        return self._packed.keys()

    @property
    def managers(self) -> Mapping[EmployeeId, EmployeeId]:
        """The manager that each employee asks for, by the employee. Most employees have one."""
        return self._managers

    @property
    def packer(self) -> Packer:
        """What the requests are packed with."""
        return self._packer

    def add(self, collected: CollectedEmployee) -> None:
        """Adds an employee. One that Personio lists twice counts once. Raises ``PreviewTooLargeError``."""
        employee = collected.id
        self._forget(employee)
        self._packed[employee] = packed = self._packer.pack(collected.request)
        self._bytes += len(packed)
        if self._bytes > self._max_bytes:
            raise PreviewTooLargeError(
                f"the data of the employees is too large for a preview (more than {self._max_bytes} bytes): "
                "preview single employees with --employee"
            )
        if collected.is_absent:
            self.absent.add(employee)
        if collected.intent is Intent.DISABLE:
            self._leavers[employee] = None
        if collected.intent is Intent.PROVISION:
            self.provisioned.add(employee)
        if collected.manager is not None:
            self._managers[employee] = collected.manager
        self._marks[employee] = collected.marks

    def _forget(self, employee: EmployeeId) -> None:
        self._bytes -= len(self._packed.get(employee, b""))
        self._leavers.pop(employee, None)
        self._managers.pop(employee, None)
        self.absent.discard(employee)
        self.provisioned.discard(employee)

    def get(self, employee: EmployeeId) -> AccountRequested:
        """Returns the request of an employee. Raises ``KeyError`` for an unknown one."""
        return AccountRequested.model_validate_json(self._packer.unpack(self._packed[employee]))

    def get_packed(self, employee: EmployeeId) -> bytes:
        """Returns the request of an employee as ``packer`` has packed it. Raises ``KeyError`` for an unknown one."""
        return self._packed[employee]

    def note_entry(self, entry: LedgerEntry) -> None:
        """Notes what the ledger entry of an employee remembers. Raises ``KeyError`` for an unknown employee."""
        employee = entry.employee_id
        self._marks[employee] = self._marks[employee].join(list_entry_marks(entry))
        if entry.account_id is not None:
            self._accounts[employee] = entry.account_id
        if not _is_at_rest(entry):
            self.unsettled.add(employee)

    def get_marks(self, employee: EmployeeId) -> Marks:
        """Returns what the request of an employee names, and the entry if it was noted. Raises ``KeyError`` for an unknown one."""
        return self._marks[employee]

    def get_account(self, employee: EmployeeId) -> AccountId | None:
        """Returns the account of an employee by the entry; None without one, or if the entry was not noted."""
        return self._accounts.get(employee)

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


def _is_at_rest(entry: LedgerEntry) -> bool:
    """Whether nothing of the employee is under way."""
    is_settled = entry.damage is None and entry.waiting is None and entry.blocked_by is None
    return is_settled and not entry.verify and entry.look_at is None and not entry.attempted_names

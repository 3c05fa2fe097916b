"""A company in the sandbox of Personio, to which anything may happen: each method is a step of a history."""

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sandbox.personio.clock import Clock
from sandbox.personio.company import EmailTakenError
from sandbox.personio.credentials import Credential
from sandbox.personio.employee import Employee
from sandbox.personio.faults import Fault
from sandbox.personio.hiring import generate_newcomer
from sandbox.personio.state import State
from tests.support.builders import PERSONIO
from tests.support.fakes import FakeClock

VISIBLE = frozenset({"first_name", "last_name", "email", "status", "supervisor", "hire_date", "last_modified_at"})
"""Keys that the credential shows at first."""
ACCESS = PERSONIO.model_copy(update={"insecure_http": True})
"""The access of the connection to the sandbox."""
LIST, SINGLE = "/v1/company/employees", "/v1/company/employees/[0-9]*"
"""Paths of the list and of single employees."""
LIST_FAULTS = (
    *("drop", "repeat", "reorder", "empty", "short", "shrink", "grow", "duplicate", "skip"),
    *("bad_gateway", "gateway_not_found", "not_json", "cut", "unauthorized", "expire_token", "server_error"),
)
"""What can happen to a list."""
SINGLE_FAULTS = ("bad_gateway", "gateway_not_found", "not_json", "cut", "server_error", "expire_token", "forbidden")
"""What can happen to the lookup of an employee. Its 404 by the API itself is believed, after the second one."""
FILTERS = ("apply", "ignore", "empty", "refuse", "refuse_with_attributes")
"""What Personio can do with its filter by time."""


class Company:
    """What a company has in Personio, and what Personio's API does."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.state = State.generate(
            seed=4,
            employees=4,
            credential=Credential(ACCESS.client_id, ACCESS.client_secret.get_secret_value(), VISIBLE),
            clock=Clock(self.clock.now),
        )
        self.set_behaviour(rate_limits=False, time_zone="Europe/Berlin")
        self.deleted: list[Employee] = []
        self.addresses = 0

    @property
    def company(self) -> Any:
        """The company in the sandbox."""
        return self.state.company

    def set_behaviour(self, **switches: object) -> None:
        """Changes what the sandbox does."""
        self.state.behaviour = self.state.behaviour.copy_with(switches)

    def choose(self, number: int) -> Employee | None:
        """Returns an employee of Personio; None without any."""
        people = sorted(self.company.list_employees(), key=lambda employee: employee.id)
        return people[number % len(people)] if people else None

    def change(self, employee: Employee | None, **values: object) -> None:
        """Changes an employee in Personio."""
        if employee is not None:
            self.company.change(employee.id, values, self.clock.now())

    # ------------------------------------------------------------ what happens in Personio

    def hire(self, number: int) -> None:
        """An employee begins today, or some days later."""
        day = (self.clock.now() + timedelta(days=number % 4)).date()
        today = self.clock.now().astimezone(ZoneInfo("Europe/Berlin")).date()
        values = generate_newcomer(self.company, {"hire_date": f"{day}"}, today)
        self.company.hire(values, self.clock.now())

    def hire_many(self, number: int) -> None:
        """Several begin at once."""
        for _ in range(2 + number % 6):
            self.hire(0)

    def rename(self, number: int) -> None:
        """The last name changes."""
        self.change(self.choose(number), last_name=f"New{number}")

    def rename_all(self, number: int) -> None:
        """A mistake changes many at once."""
        for employee in self.company.list_employees():
            self.change(employee, last_name=f"All{number}")

    def hand_email_on(self, number: int) -> None:
        """An employee gets the address of another one, which gets a new one."""
        first, second = self.choose(number), self.choose(number + 1)
        if first and second and first.id != second.id:
            self.addresses += 1
            self.change(second, email=f"new{self.addresses}@x.example")
            self.change(first, email=second.email)

    def leave(self, number: int) -> None:
        """An employee is inactive at once."""
        self.change(self.choose(number), status="inactive")

    def plan_to_leave(self, number: int) -> None:
        """The status of an employee changes some days later, without a mark."""
        day = (self.clock.now() + timedelta(days=number % 4)).date()
        self.change(self.choose(number), termination_date=f"{day}")

    def leave_all(self, _: int) -> None:
        """A mistake makes all of them inactive."""
        for employee in self.company.list_employees():
            self.change(employee, status="inactive")

    def come_back(self, number: int) -> None:
        """An employee is active again."""
        self.change(self.choose(number), status="active", termination_date=None)

    def delete(self, number: int) -> None:
        """An employee is deleted, and listed nowhere."""
        if employee := self.choose(number):
            self.company.delete(employee.id, self.clock.now())
            self.deleted.append(employee)

    def return_same(self, number: int) -> None:
        """A deleted employee comes back under the same id."""
        if self.deleted:
            employee = self.deleted.pop(number % len(self.deleted))
            try:
                self.company.restore(employee, self.clock.now())
            except EmailTakenError:
                self.deleted.append(employee)

    def return_new(self, number: int) -> None:
        """A deleted employee is hired again under another id."""
        if self.deleted:
            values = self.deleted[number % len(self.deleted)].values
            if self.company.find_by_email(values["email"]) is None:
                self.company.hire(values, self.clock.now())

    def hide_attribute(self, number: int) -> None:
        """The credential no longer shows an attribute."""
        hidden = ("supervisor", "hire_date")[number % 2]
        self.state.credentials.set_whitelist(ACCESS.client_id, VISIBLE - {hidden})

    def show_attributes(self, _: int) -> None:
        """The credential shows all of them again."""
        self.state.credentials.set_whitelist(ACCESS.client_id, VISIBLE)

    def move_on(self, number: int) -> None:
        """Minutes pass."""
        self.clock.seconds += 60 * number

    def sleep(self, number: int) -> None:
        """Hours pass, perhaps midnight."""
        self.clock.seconds += 3600 * (1 + number % 30)

    # ------------------------------------------------------------ what Personio's API does

    def spoil_list(self, number: int) -> None:
        """A page of the next lists is wrong, or does not come."""
        kind = LIST_FAULTS[number % len(LIST_FAULTS)]
        self.state.faults.add(Fault(kind=kind, path=LIST, after=number % 3, count=1 + number % 2))

    def spoil_lookups(self, number: int) -> None:
        """The next lookups fail."""
        kind = SINGLE_FAULTS[number % len(SINGLE_FAULTS)]
        self.state.faults.add(Fault(kind=kind, path=SINGLE, after=number % 2, count=1 + number % 5))

    def end_lists_early(self, number: int) -> None:
        """Every list ends below its total."""
        self.set_behaviour(list_ends_after=number % 5)

    def change_filter(self, number: int) -> None:
        """The filter by time is passed over, answers nothing, or is refused."""
        self.set_behaviour(updated_since=FILTERS[number % len(FILTERS)])

    def delay_filter(self, number: int) -> None:
        """The filter by time lags, repeats, and misses some employees."""
        delay, repeats, misses = 300 * (number % 20), 600 * (number % 3), number % 4
        self.set_behaviour(visibility_delay_seconds=delay, repeats_seconds=repeats, misses_every=misses)

    def delay_flips(self, number: int) -> None:
        """Statuses change some hours after midnight."""
        self.set_behaviour(flip_hour=number % 6, flips_leave_a_mark=number % 2 == 0)

    def heal(self, _: int) -> None:
        """Personio is as its documents say."""
        self.state.faults.clear()
        self.set_behaviour(
            list_ends_after=None,
            updated_since="apply",
            visibility_delay_seconds=0,
            repeats_seconds=0,
            misses_every=0,
        )

"""Employees come, change and go."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.personio.catalogue import ATTRIBUTES
from sandbox.personio.control.body import fields, model
from sandbox.personio.control.errors import ControlError
from sandbox.personio.control.values import interpreted
from sandbox.personio.employee import Employee
from sandbox.personio.hiring import free_email, newcomer
from sandbox.personio.local_time import midnight
from sandbox.personio.rendering import attributes_of
from sandbox.personio.state import State

PEOPLE = "/_control/employees"
PERSON = PEOPLE + "/{employee_id:int}"
MOST_AT_ONCE = 1000


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Promotion(_Body):
    position: str | None = None
    supervisor: int | None = None


class Move(_Body):
    office: str | int | None = None
    department: str | int | None = None
    team: str | int | None = None


class Rename(_Body):
    """``email``: the new address; true makes one of the new name; without it the address stays."""

    last_name: str = Field(min_length=1)
    email: str | bool = False


class Termination(_Body):
    """``last_working_day`` in the future only announces the end; the status flips the day after."""

    last_working_day: date | None = None
    type: str = "employee"
    reason: str = "Eigenkündigung"


class PeopleControl:
    """Every change is kept at once, and answered with the employee as it is now."""

    def __init__(self, state: State) -> None:
        self._state = state

    def routes(self) -> list[Route]:
        return [
            Route(PEOPLE, self.list_people, methods=["GET"]),
            Route(PEOPLE, self.hire, methods=["POST"]),
            Route(PERSON, self.get, methods=["GET"]),
            Route(PERSON, self.change, methods=["PATCH"]),
            Route(PERSON, self.delete, methods=["DELETE"]),
            Route(f"{PERSON}/promote", self.promote, methods=["POST"]),
            Route(f"{PERSON}/move", self.move, methods=["POST"]),
            Route(f"{PERSON}/rename", self.rename, methods=["POST"]),
            Route(f"{PERSON}/terminate", self.terminate, methods=["POST"]),
            Route(f"{PERSON}/leave", self.leave, methods=["POST"]),
            Route(f"{PERSON}/reactivate", self.reactivate, methods=["POST"]),
            Route(f"{PERSON}/attributes", self.forget, methods=["DELETE"]),
        ]

    async def list_people(self, request: Request) -> Response:
        """Ids and what they are about; ``?status=`` selects."""
        wanted = request.query_params.get("status")
        self._state.settle()
        people = sorted(self._state.company.listed(), key=lambda person: person.id)
        chosen = [_summary(person) for person in people if wanted in (None, person.status)]
        return JSONResponse({"count": len(chosen), "employees": chosen})

    async def get(self, request: Request) -> Response:
        return self._answer(self._state.company.get(_id_in(request)))

    async def hire(self, request: Request) -> Response:
        """One colleague with the attributes given; with ``count``, so many made-up ones."""
        given = await fields(request)
        count = given.pop("count", 1)
        if not isinstance(count, int) or not 1 <= count <= MOST_AT_ONCE:
            raise ControlError(422, f"count must be a number from 1 to {MOST_AT_ONCE}")
        hired = [self._hired(given) for _ in range(count)]
        self._state.keep(self._state)
        if count == 1:
            return self._answer(hired[0], status=201)
        return JSONResponse({"count": count, "ids": [person.id for person in hired]}, status_code=201)

    async def change(self, request: Request) -> Response:
        return self._changed(request, await fields(request))

    async def forget(self, request: Request) -> Response:
        """Makes the attributes in ``?key=`` absent for this person, whatever the whitelist says."""
        keys = request.query_params.getlist("key")
        person = self._state.company.forget(_id_in(request), keys, self._state.now())
        self._state.keep(self._state)
        return self._answer(person)

    async def promote(self, request: Request) -> Response:
        return self._changed(request, (await model(request, Promotion)).model_dump(exclude_unset=True))

    async def move(self, request: Request) -> Response:
        return self._changed(request, (await model(request, Move)).model_dump(exclude_unset=True))

    async def rename(self, request: Request) -> Response:
        wish = await model(request, Rename)
        first = str(self._state.company.get(_id_in(request)).values.get("first_name") or "")
        changes = {"last_name": wish.last_name, "preferred_name": f"{first} {wish.last_name}".strip()}
        if wish.email is True:
            changes["email"] = free_email(self._state.company, first, wish.last_name)
        elif wish.email:
            changes["email"] = wish.email
        return self._changed(request, changes)

    async def terminate(self, request: Request) -> Response:
        wish = await model(request, Termination)
        today = self._state.clock.today()
        last = wish.last_working_day or today
        changes = {
            "termination_date": midnight(last),
            "last_working_day": midnight(last),
            "termination_type": wish.type,
            "termination_reason": wish.reason,
        }
        return self._changed(request, changes if last > today else {**changes, "status": "inactive"})

    async def leave(self, request: Request) -> Response:
        return self._changed(request, {"status": "leave"})

    async def reactivate(self, request: Request) -> Response:
        gone = ("termination_date", "last_working_day", "termination_type", "termination_reason")
        return self._changed(request, {"status": "active", **dict.fromkeys(gone)})

    async def delete(self, request: Request) -> Response:
        self._state.company.delete(_id_in(request), self._state.now())
        self._state.keep(self._state)
        return Response(status_code=204)

    def _hired(self, given: Mapping[str, Any]) -> Employee:
        company = self._state.company
        values = newcomer(company, interpreted(company, given), self._state.clock.today())
        return company.hire(values, self._state.now())

    def _changed(self, request: Request, given: Mapping[str, Any]) -> Response:
        company, employee_id = self._state.company, _id_in(request)
        company.get(employee_id)
        changes = interpreted(company, given, employee_id=employee_id)
        person = company.change(employee_id, changes, self._state.now())
        self._state.keep(self._state)
        return self._answer(person)

    def _answer(self, person: Employee, status: int = 200) -> Response:
        attributes = attributes_of(self._state.company, person, ATTRIBUTES)
        values = {key: attribute["value"] for key, attribute in attributes.items()}
        return JSONResponse({**_summary(person), "attributes": values}, status_code=status)


def _id_in(request: Request) -> int:
    return int(request.path_params["employee_id"])


def _summary(person: Employee) -> dict[str, Any]:
    named = {key: person.values.get(key) for key in ("status", "first_name", "last_name", "email")}
    return {"id": person.id, **named}

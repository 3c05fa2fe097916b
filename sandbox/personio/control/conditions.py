"""Control of everything except employees and credentials: time, faults, behaviour, units, and the journal of requests."""

from datetime import timedelta

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.personio.control.body import read_fields, read_model
from sandbox.personio.control.errors import ControlError
from sandbox.personio.faults import Fault
from sandbox.personio.state import State
from sandbox.personio.units import VENDOR_TYPES, UnknownUnitError


class Advance(BaseModel):
    """Duration by which the clock moves forward: the sum of its fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    days: float = Field(0, ge=0)
    """Days of 24 hours."""
    hours: float = Field(0, ge=0)
    """Hours."""
    seconds: float = Field(0, ge=0)
    """Seconds."""


class UnitName(BaseModel):
    """Name of a new or renamed unit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1)
    """Name of the unit."""


class ConditionsControl:
    """Endpoints for time, faults, behaviour, units and the journal."""

    def __init__(self, state: State) -> None:
        self._state = state

    def build_routes(self) -> list[Route]:
        """Returns the routes of this API."""
        return [
            Route("/_control/health", self.show_health, methods=["GET"]),
            Route("/_control/statistics", self.show_statistics, methods=["GET"]),
            Route("/_control/clock", self.show_clock, methods=["GET"]),
            Route("/_control/clock/advance", self.advance_clock, methods=["POST"]),
            Route("/_control/behaviour", self.show_behaviour, methods=["GET"]),
            Route("/_control/behaviour", self.change_behaviour, methods=["PATCH"]),
            Route("/_control/faults", self.list_faults, methods=["GET"]),
            Route("/_control/faults", self.add_fault, methods=["POST"]),
            Route("/_control/faults", self.clear_faults, methods=["DELETE"]),
            Route("/_control/requests", self.list_requests, methods=["GET"]),
            Route("/_control/requests", self.clear_requests, methods=["DELETE"]),
            Route("/_control/units/{kind}", self.list_units, methods=["GET"]),
            Route("/_control/units/{kind}", self.add_unit, methods=["POST"]),
            Route("/_control/units/{kind}/{unit_id:int}", self.rename_unit, methods=["PATCH"]),
        ]

    async def show_health(self, _: Request) -> Response:
        """Returns the status ``up`` and the number of employees."""
        return JSONResponse({"status": "up", "employees": len(self._state.company)})

    async def show_statistics(self, _: Request) -> Response:
        """Returns the number of employees in total and per status."""
        company = self._state.company
        return JSONResponse({"employees": len(company), "per_status": company.count_by_status()})

    async def show_clock(self, _: Request) -> Response:
        """Returns the current time of the sandbox."""
        return JSONResponse({"now": self._state.now().isoformat()})

    async def advance_clock(self, request: Request) -> Response:
        """Moves the clock forward, applies the status changes that are due, and returns the new time."""
        body = await read_model(request, Advance)
        self._state.clock.advance(timedelta(days=body.days, hours=body.hours, seconds=body.seconds))
        self._state.apply_due_statuses()
        self._state.save(self._state)
        return JSONResponse({"now": self._state.now().isoformat()})

    async def show_behaviour(self, _: Request) -> Response:
        """Returns all switches."""
        return JSONResponse(self._state.behaviour.model_dump())

    async def change_behaviour(self, request: Request) -> Response:
        """Changes switches and returns all of them."""
        self._state.behaviour = self._state.behaviour.copy_with(await read_fields(request))
        return JSONResponse(self._state.behaviour.model_dump())

    async def list_faults(self, _: Request) -> Response:
        """Returns the faults that are not used up."""
        return JSONResponse({"faults": self._state.faults.list_waiting()})

    async def add_fault(self, request: Request) -> Response:
        """Adds a fault and returns it."""
        fault = await read_model(request, Fault)
        self._state.faults.add(fault)
        return JSONResponse(fault.model_dump(), status_code=201)

    async def clear_faults(self, _: Request) -> Response:
        """Removes all faults."""
        self._state.faults.clear()
        return Response(status_code=204)

    async def list_requests(self, _: Request) -> Response:
        """Returns the latest requests to the vendor's API, oldest first."""
        return JSONResponse({"requests": self._state.journal.list_entries()})

    async def clear_requests(self, _: Request) -> Response:
        """Empties the journal of requests."""
        self._state.journal.clear()
        return Response(status_code=204)

    async def list_units(self, request: Request) -> Response:
        """Returns the units of one kind. Raises ``ControlError`` for an unknown kind."""
        units = self._state.company.units.list_of_kind(_get_kind(request))
        return JSONResponse({"units": [{"id": unit.id, "name": unit.name} for unit in units]})

    async def add_unit(self, request: Request) -> Response:
        """Adds a unit and returns it. Raises ``ControlError`` for an unknown kind."""
        name = (await read_model(request, UnitName)).name
        unit = self._state.company.units.add(_get_kind(request), name)
        self._state.save(self._state)
        return JSONResponse({"id": unit.id, "name": unit.name}, status_code=201)

    async def rename_unit(self, request: Request) -> Response:
        """Renames a unit and returns it. Raises ``ControlError`` for an unknown unit.

        Its employees show the new name, but do not count as modified.
        """
        name = (await read_model(request, UnitName)).name
        try:
            unit = self._state.company.units.rename(_get_kind(request), request.path_params["unit_id"], name)
        except UnknownUnitError as error:
            raise ControlError(404, str(error)) from error
        self._state.save(self._state)
        return JSONResponse({"id": unit.id, "name": unit.name})


def _get_kind(request: Request) -> str:
    kind = str(request.path_params["kind"])
    if kind not in VENDOR_TYPES:
        raise ControlError(404, f"unknown kind of unit ({kind}): use one of {', '.join(VENDOR_TYPES)}")
    return kind

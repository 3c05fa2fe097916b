"""The circumstances: time, faults, lasting behaviour, names of offices and the like; and what was asked so far."""

from datetime import timedelta

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.personio.control.body import fields, model
from sandbox.personio.control.errors import ControlError
from sandbox.personio.faults import Fault
from sandbox.personio.state import State
from sandbox.personio.units import VENDOR_TYPES, UnknownUnitError


class Advance(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    days: float = Field(0, ge=0)
    hours: float = Field(0, ge=0)
    seconds: float = Field(0, ge=0)


class UnitName(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1)


class ConditionsControl:
    """Everything that is not about one employee or one credential."""

    def __init__(self, state: State) -> None:
        self._state = state

    def routes(self) -> list[Route]:
        return [
            Route("/_control/health", self.health, methods=["GET"]),
            Route("/_control/statistics", self.statistics, methods=["GET"]),
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

    async def health(self, _: Request) -> Response:
        return JSONResponse({"status": "up", "employees": len(self._state.company)})

    async def statistics(self, _: Request) -> Response:
        self._state.settle()
        company = self._state.company
        return JSONResponse({"employees": len(company), "per_status": company.counts()})

    async def show_clock(self, _: Request) -> Response:
        return JSONResponse({"now": self._state.now().isoformat()})

    async def advance_clock(self, request: Request) -> Response:
        wish = await model(request, Advance)
        self._state.clock.advance(timedelta(days=wish.days, hours=wish.hours, seconds=wish.seconds))
        self._state.settle()
        self._state.keep(self._state)
        return JSONResponse({"now": self._state.now().isoformat()})

    async def show_behaviour(self, _: Request) -> Response:
        return JSONResponse(self._state.behaviour.model_dump())

    async def change_behaviour(self, request: Request) -> Response:
        self._state.behaviour = self._state.behaviour.changed(await fields(request))
        return JSONResponse(self._state.behaviour.model_dump())

    async def list_faults(self, _: Request) -> Response:
        return JSONResponse({"faults": [fault.model_dump() for fault in self._state.faults.waiting()]})

    async def add_fault(self, request: Request) -> Response:
        fault = await model(request, Fault)
        self._state.faults.add(fault)
        return JSONResponse(fault.model_dump(), status_code=201)

    async def clear_faults(self, _: Request) -> Response:
        self._state.faults.clear()
        return Response(status_code=204)

    async def list_requests(self, _: Request) -> Response:
        return JSONResponse({"requests": self._state.journal.documents()})

    async def clear_requests(self, _: Request) -> Response:
        self._state.journal.clear()
        return Response(status_code=204)

    async def list_units(self, request: Request) -> Response:
        units = self._state.company.units.of(_kind_in(request))
        return JSONResponse({"units": [{"id": unit.id, "name": unit.name} for unit in units]})

    async def add_unit(self, request: Request) -> Response:
        name = (await model(request, UnitName)).name
        unit = self._state.company.units.add(_kind_in(request), name)
        self._state.keep(self._state)
        return JSONResponse({"id": unit.id, "name": unit.name}, status_code=201)

    async def rename_unit(self, request: Request) -> Response:
        """The new name shows in the answers of everybody who belongs to it; nobody counts as modified."""
        name = (await model(request, UnitName)).name
        try:
            unit = self._state.company.units.rename(_kind_in(request), request.path_params["unit_id"], name)
        except UnknownUnitError as error:
            raise ControlError(404, str(error)) from error
        self._state.keep(self._state)
        return JSONResponse({"id": unit.id, "name": unit.name})


def _kind_in(request: Request) -> str:
    kind = str(request.path_params["kind"])
    if kind not in VENDOR_TYPES:
        raise ControlError(404, f"there is nothing called {kind}; there are: {', '.join(VENDOR_TYPES)}")
    return kind

"""The side door ``/_control``: what an administrator, a tester and a benchmark do, without a key.

Everything done here to accounts is done by other hands: it is no SCIM request and stands in no journal.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox.declaree.administration import (
    AccountEdit,
    accounts_document,
    change_email,
    compact,
    create_account,
    edit_account,
)
from sandbox.declaree.behaviour import Behaviour
from sandbox.declaree.errors import ScimError
from sandbox.declaree.faults import Fault
from sandbox.declaree.state import Declaree

Handler = Callable[[Request], Awaitable[Response]]
Action = Callable[[Declaree, Request, Any], Any]


class KeyOrder(BaseModel):
    model_config = ConfigDict(extra="forbid")
    key: str | None = Field(default=None, min_length=1)


class OutageOrder(BaseModel):
    model_config = ConfigDict(extra="forbid")
    on: bool


class SnapshotOrder(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str = Field(min_length=1)


class EmailOrder(BaseModel):
    model_config = ConfigDict(extra="forbid")
    email: str = Field(min_length=1)


def _declaree(request: Request) -> Declaree:
    found: Declaree = request.app.state.declaree
    return found


def _handler(action: Action) -> Handler:
    """Gives an action the parsed body, and turns what it raises into a JSON error."""

    async def handle(request: Request) -> Response:
        try:
            body = await request.json() if await request.body() else {}
            if not isinstance(body, dict):
                raise ScimError(400, "the body must be an object")
            return JSONResponse(action(_declaree(request), request, body))
        except ValidationError as error:
            problems = error.errors(include_url=False, include_input=False, include_context=False)
            return JSONResponse({"error": problems}, status_code=422)
        except ScimError as error:
            return JSONResponse({"error": error.detail}, status_code=error.status)
        except ValueError as error:
            return JSONResponse({"error": str(error)}, status_code=400)

    return handle


def _number(request: Request, name: str, default: int) -> int:
    return max(int(request.query_params.get(name, default)), 0)


def _health(declaree: Declaree, _request: Request, _body: Any) -> Any:
    return {"status": "ok", "accounts": len(declaree.directory.users), "outage": declaree.faults.outage}


def _reset(declaree: Declaree, _request: Request, _body: Any) -> Any:
    declaree.reset()
    return {"accounts": 0}


def _summary(declaree: Declaree, _request: Request, _body: Any) -> Any:
    total, active = len(declaree.directory.users), declaree.directory.active
    return {"total": total, "active": active, "inactive": total - active, "groups": len(declaree.directory.groups)}


def _accounts(declaree: Declaree, request: Request, _body: Any) -> Any:
    return accounts_document(
        declaree, request.query_params, _number(request, "start", 0), _number(request, "limit", 100)
    )


def _account(declaree: Declaree, request: Request, _body: Any) -> Any:
    entry = declaree.registry.get("User", request.path_params["id"])
    return {**compact(entry, declaree.directory), "resource": entry.resource}


def _create(declaree: Declaree, _request: Request, body: Any) -> Any:
    return compact(create_account(declaree, body), declaree.directory)


def _edit(declaree: Declaree, request: Request, body: Any) -> Any:
    entry = declaree.registry.get("User", request.path_params["id"])
    return compact(edit_account(declaree, entry, AccountEdit.model_validate(body)), declaree.directory)


def _change_email(declaree: Declaree, request: Request, body: Any) -> Any:
    entry = declaree.registry.get("User", request.path_params["id"])
    return compact(change_email(declaree, entry, EmailOrder.model_validate(body).email), declaree.directory)


def _delete(declaree: Declaree, request: Request, _body: Any) -> Any:
    declaree.directory.delete(declaree.registry.get("User", request.path_params["id"]))
    return {"deleted": request.path_params["id"]}


def _snapshots(declaree: Declaree, _request: Request, _body: Any) -> Any:
    return {name: len(entries) for name, entries in declaree.snapshots.items()}


def _take_snapshot(declaree: Declaree, _request: Request, body: Any) -> Any:
    name = SnapshotOrder.model_validate(body).name
    return {"name": name, "entries": declaree.take_snapshot(name)}


def _restore(declaree: Declaree, request: Request, _body: Any) -> Any:
    name = request.path_params["name"]
    if name not in declaree.snapshots:
        raise ScimError(404, f"snapshot {name} not found")
    return {"name": name, "entries": declaree.restore(name)}


def _regenerate_key(declaree: Declaree, _request: Request, body: Any) -> Any:
    return {"api_key": declaree.regenerate_key(KeyOrder.model_validate(body).key)}


def _behaviour(declaree: Declaree, _request: Request, _body: Any) -> Any:
    return declaree.behaviour.model_dump()


def _set_behaviour(declaree: Declaree, _request: Request, body: Any) -> Any:
    declaree.behaviour = Behaviour.model_validate(body)
    return declaree.behaviour.model_dump()


def _change_behaviour(declaree: Declaree, _request: Request, body: Any) -> Any:
    declaree.behaviour = Behaviour.model_validate({**declaree.behaviour.model_dump(), **body})
    return declaree.behaviour.model_dump()


def _faults(declaree: Declaree, _request: Request, _body: Any) -> Any:
    return {"faults": declaree.faults.open()}


def _order_fault(declaree: Declaree, _request: Request, body: Any) -> Any:
    declaree.faults.order(Fault.model_validate(body))
    return {"faults": declaree.faults.open()}


def _clear_faults(declaree: Declaree, _request: Request, _body: Any) -> Any:
    declaree.faults.clear()
    return {"faults": []}


def _outage(declaree: Declaree, _request: Request, body: Any) -> Any:
    declaree.faults.outage = OutageOrder.model_validate(body).on
    return {"on": declaree.faults.outage}


def _journal(declaree: Declaree, request: Request, _body: Any) -> Any:
    entries = declaree.journal.since(_number(request, "since", 0), _number(request, "limit", 1000))
    with_body = request.query_params.get("bodies", "true") != "false"
    return {
        "last_seq": declaree.journal.last_seq,
        "entries": [entry.document(with_body=with_body) for entry in entries],
    }


def _clear_journal(declaree: Declaree, _request: Request, _body: Any) -> Any:
    declaree.journal.clear()
    return {"last_seq": declaree.journal.last_seq}


def _counters(declaree: Declaree, _request: Request, _body: Any) -> Any:
    return declaree.journal.counters()


ACTIONS: tuple[tuple[str, str, Action], ...] = (
    ("GET", "/health", _health),
    ("POST", "/reset", _reset),
    ("GET", "/summary", _summary),
    ("GET", "/accounts", _accounts),
    ("POST", "/accounts", _create),
    ("GET", "/accounts/{id}", _account),
    ("PATCH", "/accounts/{id}", _edit),
    ("DELETE", "/accounts/{id}", _delete),
    ("POST", "/accounts/{id}/email", _change_email),
    ("GET", "/snapshots", _snapshots),
    ("POST", "/snapshots", _take_snapshot),
    ("POST", "/snapshots/{name}/restore", _restore),
    ("POST", "/api-key", _regenerate_key),
    ("GET", "/behaviour", _behaviour),
    ("PUT", "/behaviour", _set_behaviour),
    ("PATCH", "/behaviour", _change_behaviour),
    ("GET", "/faults", _faults),
    ("POST", "/faults", _order_fault),
    ("DELETE", "/faults", _clear_faults),
    ("PUT", "/outage", _outage),
    ("GET", "/journal", _journal),
    ("DELETE", "/journal", _clear_journal),
    ("GET", "/counters", _counters),
)


def control_routes() -> list[BaseRoute]:
    return [Route(path, _handler(action), methods=[method]) for method, path, action in ACTIONS]

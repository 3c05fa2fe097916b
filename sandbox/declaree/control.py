"""The control API ``/_control`` for administrators, tests and benchmarks. It needs no API key.

Changes to accounts made here simulate an administrator, so they are not SCIM requests and are not in the journal.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox.declaree.administration import (
    AccountEdit,
    change_email,
    create_account,
    edit_account,
    list_accounts,
    summarize_account,
)
from sandbox.declaree.behaviour import Behaviour
from sandbox.declaree.control_bodies import EmailBody, KeyBody, OutageBody, SnapshotBody
from sandbox.declaree.errors import ScimError
from sandbox.declaree.faults import Fault
from sandbox.declaree.late import land, land_all, list_late_writes
from sandbox.declaree.state import Declaree

Handler = Callable[[Request], Awaitable[Response]]
Action = Callable[[Declaree, Request, Any], Any]


def _get_declaree(request: Request) -> Declaree:
    declaree: Declaree = request.app.state.declaree
    return declaree


def _make_handler(action: Action) -> Handler:
    """Wraps an action: it receives the parsed body, and its exceptions become JSON errors."""

    async def handle(request: Request) -> Response:
        try:
            body = await request.json() if await request.body() else {}
            if not isinstance(body, dict):
                raise ScimError(400, "the body must be an object")
            return JSONResponse(action(_get_declaree(request), request, body))
        except ValidationError as error:
            problems = error.errors(include_url=False, include_input=False, include_context=False)
            return JSONResponse({"error": problems}, status_code=422)
        except ScimError as error:
            return JSONResponse({"error": error.detail}, status_code=error.status)
        except ValueError as error:
            return JSONResponse({"error": str(error)}, status_code=400)

    return handle


def _read_number(request: Request, name: str, default: int) -> int:
    return max(int(request.query_params.get(name, default)), 0)


def _get_health(declaree: Declaree, _request: Request, _body: Any) -> Any:
    return {"status": "ok", "accounts": len(declaree.directory.users), "outage": declaree.faults.outage}


def _reset(declaree: Declaree, _request: Request, _body: Any) -> Any:
    declaree.reset()
    return {"accounts": 0}


def _get_summary(declaree: Declaree, _request: Request, _body: Any) -> Any:
    total, active = len(declaree.directory.users), declaree.directory.active
    return {"total": total, "active": active, "inactive": total - active, "groups": len(declaree.directory.groups)}


def _list_accounts(declaree: Declaree, request: Request, _body: Any) -> Any:
    return list_accounts(
        declaree, request.query_params, _read_number(request, "start", 0), _read_number(request, "limit", 100)
    )


def _get_account(declaree: Declaree, request: Request, _body: Any) -> Any:
    entry = declaree.registry.get("User", request.path_params["id"])
    return {**summarize_account(entry, declaree.directory), "resource": entry.resource}


def _create_account(declaree: Declaree, _request: Request, body: Any) -> Any:
    return summarize_account(create_account(declaree, body), declaree.directory)


def _edit_account(declaree: Declaree, request: Request, body: Any) -> Any:
    entry = declaree.registry.get("User", request.path_params["id"])
    return summarize_account(edit_account(declaree, entry, AccountEdit.model_validate(body)), declaree.directory)


def _change_email(declaree: Declaree, request: Request, body: Any) -> Any:
    entry = declaree.registry.get("User", request.path_params["id"])
    return summarize_account(change_email(declaree, entry, EmailBody.model_validate(body).email), declaree.directory)


def _delete_account(declaree: Declaree, request: Request, _body: Any) -> Any:
    declaree.directory.delete(declaree.registry.get("User", request.path_params["id"]))
    return {"deleted": request.path_params["id"]}


def _list_snapshots(declaree: Declaree, _request: Request, _body: Any) -> Any:
    return {name: len(entries) for name, entries in declaree.snapshots.items()}


def _take_snapshot(declaree: Declaree, _request: Request, body: Any) -> Any:
    name = SnapshotBody.model_validate(body).name
    return {"name": name, "entries": declaree.take_snapshot(name)}


def _restore_snapshot(declaree: Declaree, request: Request, _body: Any) -> Any:
    name = request.path_params["name"]
    if name not in declaree.snapshots:
        raise ScimError(404, f"snapshot {name} not found")
    return {"name": name, "entries": declaree.restore(name)}


def _regenerate_key(declaree: Declaree, _request: Request, body: Any) -> Any:
    return {"api_key": declaree.regenerate_key(KeyBody.model_validate(body).key)}


def _get_behaviour(declaree: Declaree, _request: Request, _body: Any) -> Any:
    return declaree.behaviour.model_dump()


def _set_behaviour(declaree: Declaree, _request: Request, body: Any) -> Any:
    declaree.behaviour = Behaviour.model_validate(body)
    return declaree.behaviour.model_dump()


def _change_behaviour(declaree: Declaree, _request: Request, body: Any) -> Any:
    declaree.behaviour = Behaviour.model_validate({**declaree.behaviour.model_dump(), **body})
    return declaree.behaviour.model_dump()


def _list_faults(declaree: Declaree, _request: Request, _body: Any) -> Any:
    return {"faults": declaree.faults.list_open()}


def _order_fault(declaree: Declaree, _request: Request, body: Any) -> Any:
    declaree.faults.order(Fault.model_validate(body))
    return {"faults": declaree.faults.list_open()}


def _clear_faults(declaree: Declaree, _request: Request, _body: Any) -> Any:
    declaree.faults.clear()
    return {"faults": []}


def _list_late_writes(declaree: Declaree, _request: Request, _body: Any) -> Any:
    return {"late_writes": [write.to_document() for write in list_late_writes(declaree)]}


def _land_all(declaree: Declaree, _request: Request, _body: Any) -> Any:
    return {"statuses": land_all(declaree)}


def _land(declaree: Declaree, request: Request, _body: Any) -> Any:
    number = int(request.path_params["number"])
    if number not in declaree.late_writes:
        raise ScimError(404, f"late write {number} not found")
    return {"status": land(declaree, number).status}


def _set_outage(declaree: Declaree, _request: Request, body: Any) -> Any:
    declaree.faults.outage = OutageBody.model_validate(body).on
    return {"on": declaree.faults.outage}


def _read_journal(declaree: Declaree, request: Request, _body: Any) -> Any:
    entries = declaree.journal.read_since(_read_number(request, "since", 0), _read_number(request, "limit", 1000))
    with_body = request.query_params.get("bodies", "true") != "false"
    return {
        "last_seq": declaree.journal.last_seq,
        "entries": [entry.to_document(with_body=with_body) for entry in entries],
    }


def _clear_journal(declaree: Declaree, _request: Request, _body: Any) -> Any:
    declaree.journal.clear()
    return {"last_seq": declaree.journal.last_seq}


def _get_counters(declaree: Declaree, _request: Request, _body: Any) -> Any:
    return declaree.journal.count_requests()


ACTIONS: tuple[tuple[str, str, Action], ...] = (
    ("GET", "/health", _get_health),
    ("POST", "/reset", _reset),
    ("GET", "/summary", _get_summary),
    ("GET", "/accounts", _list_accounts),
    ("POST", "/accounts", _create_account),
    ("GET", "/accounts/{id}", _get_account),
    ("PATCH", "/accounts/{id}", _edit_account),
    ("DELETE", "/accounts/{id}", _delete_account),
    ("POST", "/accounts/{id}/email", _change_email),
    ("GET", "/snapshots", _list_snapshots),
    ("POST", "/snapshots", _take_snapshot),
    ("POST", "/snapshots/{name}/restore", _restore_snapshot),
    ("POST", "/api-key", _regenerate_key),
    ("GET", "/behaviour", _get_behaviour),
    ("PUT", "/behaviour", _set_behaviour),
    ("PATCH", "/behaviour", _change_behaviour),
    ("GET", "/faults", _list_faults),
    ("POST", "/faults", _order_fault),
    ("DELETE", "/faults", _clear_faults),
    ("GET", "/late-writes", _list_late_writes),
    ("POST", "/late-writes/land", _land_all),
    ("POST", "/late-writes/{number:int}/land", _land),
    ("PUT", "/outage", _set_outage),
    ("GET", "/journal", _read_journal),
    ("DELETE", "/journal", _clear_journal),
    ("GET", "/counters", _get_counters),
)
"""Method, path below ``/_control`` and action of every route."""


def control_routes() -> list[BaseRoute]:
    """Builds the routes of the control API."""
    return [Route(path, _make_handler(action), methods=[method]) for method, path, action in ACTIONS]

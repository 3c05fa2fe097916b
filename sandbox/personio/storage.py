"""A sandbox that survives restarts: company, whitelists and clock in one JSON file.

Secrets and tokens are not in it: the secrets come from the command line at every start.
"""

import json
import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sandbox.personio.clock import Clock
from sandbox.personio.company import Company
from sandbox.personio.credentials import Credential, Credentials
from sandbox.personio.employee import Employee
from sandbox.personio.state import State
from sandbox.personio.units import Unit, Units

FORMAT = 1


class UnreadableStateError(Exception):
    """The file is none of ours; the message says which one and what to do."""


def save(state: State, file: Path) -> None:
    """All or nothing: a crash leaves the old file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_name(f"{file.name}.new")
    with new.open("w", encoding="utf-8") as stream:
        stream.write(json.dumps(_document(state), ensure_ascii=False, separators=(",", ":")))
        stream.flush()
        os.fsync(stream.fileno())
    new.replace(file)


def load(file: Path, credential: Credential, clock: Clock) -> State:
    """The sandbox as it was, with this credential's secret. Raises ``UnreadableStateError``."""
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        if document["format"] != FORMAT:
            raise ValueError(f"format {document['format']} instead of {FORMAT}")
        return _state(document, credential, clock)
    except (ValueError, KeyError, TypeError) as error:
        raise UnreadableStateError(f"{file} cannot be read ({error}); delete it to start with a new company") from error


def _document(state: State) -> dict[str, Any]:
    company = state.company
    return {
        "format": FORMAT,
        "clock_offset_seconds": state.clock.offset.total_seconds(),
        "whitelists": {each.client_id: sorted(each.whitelist) for each in state.credentials.all()},
        "seed": company.seed,
        "domain": company.domain,
        "next_id": company.next_id,
        "units": [[unit.kind, unit.id, unit.name, unit.details] for unit in company.units.all()],
        "employees": [_employee_document(employee) for employee in company.listed()],
    }


def _employee_document(employee: Employee) -> dict[str, Any]:
    return {
        "id": employee.id,
        "values": employee.values,
        "created_at": employee.created_at.isoformat(),
        "modified_at": employee.modified_at.isoformat(),
        "changed_at": {key: at.isoformat() for key, at in employee.changed_at.items()},
    }


def _state(document: dict[str, Any], credential: Credential, clock: Clock) -> State:
    company = Company(
        seed=document["seed"],
        domain=document["domain"],
        units=Units(Unit(*unit) for unit in document["units"]),
        employees=[_employee(each) for each in document["employees"]],
        next_id=document["next_id"],
    )
    clock.offset = timedelta(seconds=document["clock_offset_seconds"])
    credentials = Credentials([credential])
    if credential.client_id in document["whitelists"]:
        credentials.release(credential.client_id, document["whitelists"][credential.client_id])
    return State(company, credentials, clock)


def _employee(document: dict[str, Any]) -> Employee:
    return Employee(
        id=document["id"],
        values=document["values"],
        created_at=datetime.fromisoformat(document["created_at"]),
        modified_at=datetime.fromisoformat(document["modified_at"]),
        changed_at={key: datetime.fromisoformat(at) for key, at in document["changed_at"].items()},
    )

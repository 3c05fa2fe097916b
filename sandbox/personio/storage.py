"""State file of the sandbox: company, whitelists and clock as one JSON document.

The file contains neither secrets nor tokens, and only the last change of each attribute. The command line sets the secret at every start.
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
"""Version of the document's format."""


class UnreadableStateError(Exception):
    """The file is not a state file of this sandbox. The message names the file and the next step."""


def save(state: State, file: Path) -> None:
    """Writes the state file atomically: after a crash the file is either the old or the new one."""
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_name(f"{file.name}.new")
    with new.open("w", encoding="utf-8") as stream:
        stream.write(json.dumps(_build_document(state), ensure_ascii=False, separators=(",", ":")))
        stream.flush()
        os.fsync(stream.fileno())
    new.replace(file)


def load(file: Path, credential: Credential, clock: Clock) -> State:
    """Returns the state of a file with this credential and clock. Raises ``UnreadableStateError``."""
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        if document["format"] != FORMAT:
            raise ValueError(f"format {document['format']} instead of {FORMAT}")
        return _parse_state(document, credential, clock)
    except (ValueError, KeyError, TypeError) as error:
        raise UnreadableStateError(
            f"state file {file} is invalid ({error}): delete it to start with a new company"
        ) from error


def _build_document(state: State) -> dict[str, Any]:
    company = state.company
    return {
        "format": FORMAT,
        "clock_offset_seconds": state.clock.offset.total_seconds(),
        "whitelists": {
            credential.client_id: sorted(credential.whitelist) for credential in state.credentials.list_all()
        },
        "seed": company.seed,
        "domain": company.domain,
        "next_id": company.next_id,
        "units": [[unit.kind, unit.id, unit.name, unit.details] for unit in company.units.list_all()],
        "employees": [_build_employee_document(employee) for employee in company.list_employees()],
    }


def _build_employee_document(employee: Employee) -> dict[str, Any]:
    return {
        "id": employee.id,
        "values": employee.values,
        "created_at": employee.created_at.isoformat(),
        "modified_at": employee.modified_at.isoformat(),
        "changed_at": {key: times[-1].isoformat() for key, times in employee.changed_at.items()},
    }


def _parse_state(document: dict[str, Any], credential: Credential, clock: Clock) -> State:
    company = Company(
        seed=document["seed"],
        domain=document["domain"],
        units=Units(Unit(*unit) for unit in document["units"]),
        employees=[_parse_employee(employee) for employee in document["employees"]],
        next_id=document["next_id"],
    )
    clock.offset = timedelta(seconds=document["clock_offset_seconds"])
    credentials = Credentials([credential])
    if credential.client_id in document["whitelists"]:
        credentials.set_whitelist(credential.client_id, document["whitelists"][credential.client_id])
    return State(company, credentials, clock)


def _parse_employee(document: dict[str, Any]) -> Employee:
    return Employee(
        id=document["id"],
        values=document["values"],
        created_at=datetime.fromisoformat(document["created_at"]),
        modified_at=datetime.fromisoformat(document["modified_at"]),
        changed_at={key: (datetime.fromisoformat(at),) for key, at in document["changed_at"].items()},
    )

"""The control API: the vendor's API shows its changes."""

from typing import Any

import pytest

from tests.sandbox.personio.in_process import EMPLOYEES, PersonioSandbox


async def _read_values(personio: PersonioSandbox, employee_id: int) -> dict[str, Any]:
    """Returns the values of an employee by attribute, from the vendor's API."""
    response = await personio.http.get(f"{EMPLOYEES}/{employee_id}")
    assert response.status_code == 200
    return {key: attribute["value"] for key, attribute in response.json()["data"]["attributes"].items()}


def _select_employee_id(personio: PersonioSandbox) -> int:
    """Returns the id of an active employee with a supervisor."""
    return next(
        employee.id
        for employee in personio.state.company.list_employees()
        if employee.status == "active" and employee.supervisor
    )


async def test_hire_with_a_name_only_creates_an_active_employee(personio: PersonioSandbox) -> None:
    """The control API generates all values that a request omits, and accepts the content type of curl."""
    body = '{"first_name":"Ada","last_name":"Lovelace"}'
    form = {"content-type": "application/x-www-form-urlencoded"}  # sent by curl -d

    response = await personio.http.post("/_control/employees", content=body, headers=form)

    assert response.status_code == 201

    values = await _read_values(personio, response.json()["id"])

    assert values["first_name"] == "Ada"
    assert values["last_name"] == "Lovelace"
    assert values["status"] == "active"
    assert values["email"] == "ada.lovelace@nordlicht.example"
    assert values["hire_date"] == "2026-03-02T00:00:00+01:00"
    assert values["supervisor"]["attributes"]["id"]["value"]
    assert values["department"]["attributes"]["name"]


async def test_hire_with_future_date_means_onboarding_until_that_day(personio: PersonioSandbox) -> None:
    """A hire date in the future means onboarding, and the employee becomes active on that day."""
    hired = await personio.call_control("POST", "/employees", {"hire_date": "2026-04-01"})

    assert hired["status"] == "onboarding"

    await personio.call_control("POST", "/clock/advance", {"days": 29})

    assert (await _read_values_after_login(personio, hired["id"]))["status"] == "onboarding"

    await personio.call_control("POST", "/clock/advance", {"days": 1})

    assert (await _read_values_after_login(personio, hired["id"]))["status"] == "active"


async def _read_values_after_login(personio: PersonioSandbox, employee_id: int) -> dict[str, Any]:
    """Returns the values of an employee with a new login, for a test that moves the clock beyond the token's lifetime."""
    await personio.log_in()
    return await _read_values(personio, employee_id)


async def test_hire_date_change_keeps_the_status(personio: PersonioSandbox) -> None:
    """A later change of the hire date does not move an active employee back to onboarding."""
    changed = await personio.call_control(
        "PATCH", f"/employees/{_select_employee_id(personio)}", {"hire_date": "2026-12-01"}
    )

    assert changed["status"] == "active"
    assert changed["attributes"]["hire_date"][:10] == "2026-12-01"


async def test_namesakes_get_different_addresses(personio: PersonioSandbox) -> None:
    """A second employee with the same name gets an address with a number."""
    name = {"first_name": "Ada", "last_name": "Lovelace"}
    emails = [(await personio.call_control("POST", "/employees", name))["email"] for _ in range(2)]

    assert emails == ["ada.lovelace@nordlicht.example", "ada.lovelace2@nordlicht.example"]


async def test_hire_with_count_creates_that_number_of_employees(personio: PersonioSandbox) -> None:
    """One request can hire many employees."""
    before = (await personio.call_control("GET", "/statistics"))["per_status"]["active"]
    hired = await personio.call_control("POST", "/employees", {"count": 30})

    assert len(set(hired["ids"])) == 30
    assert (await personio.call_control("GET", "/statistics"))["per_status"]["active"] == before + 30


async def test_change_sets_attributes_and_modification_time(personio: PersonioSandbox) -> None:
    """System and custom attributes can be changed, and the modification time shows the change."""
    employee_id = _select_employee_id(personio)
    await personio.call_control(
        "PATCH", f"/employees/{employee_id}", {"office": "Wien", "dynamic_24407": "Dr.", "team": []}
    )

    values = await _read_values(personio, employee_id)

    assert values["office"]["attributes"]["name"] == "Wien"
    assert values["dynamic_24407"] == "Dr."
    assert values["team"] == []
    assert values["last_modified_at"] == "2026-03-02T12:00:00+01:00".replace("12:", "13:")


async def test_cost_centers_accept_a_name_or_shares(personio: PersonioSandbox) -> None:
    """A single name means a share of 100 %; a list specifies the shares."""
    path = f"/employees/{_select_employee_id(personio)}"
    one = await personio.call_control("PATCH", path, {"cost_centers": "2000 Vertrieb"})

    assert [cost_center["attributes"]["percentage"] for cost_center in one["attributes"]["cost_centers"]] == [100]

    two = await personio.call_control("PATCH", path, {"cost_centers": [["2000 Vertrieb", 70], ["4000 IT", 30]]})

    assert [cost_center["attributes"]["name"] for cost_center in two["attributes"]["cost_centers"]] == [
        "2000 Vertrieb",
        "4000 IT",
    ]


@pytest.mark.parametrize(
    "body",
    [
        {"shoe_size": 42},
        {"id": 7},
        {"office": "Atlantis"},
        {"supervisor": 999999},
        {"hire_date": "2026-13-01"},
        {"cost_centers": [1]},
    ],
)
async def test_invalid_change_is_422_and_changes_nothing(personio: PersonioSandbox, body: dict[str, Any]) -> None:
    """Unknown attributes, read-only attributes and invalid references are rejected."""
    employee_id = _select_employee_id(personio)
    before = await _read_values(personio, employee_id)

    response = await personio.http.patch(f"/_control/employees/{employee_id}", json=body)

    assert response.status_code == 422
    assert response.json()["error"]
    assert await _read_values(personio, employee_id) == before


async def test_own_supervisor_is_422_but_longer_cycles_are_accepted(personio: PersonioSandbox) -> None:
    """Reporting cycles of several employees occur in Personio, so the sandbox accepts them."""
    employee_id = _select_employee_id(personio)
    supervisor = personio.state.company.get(employee_id).supervisor

    rejected = await personio.http.post(f"/_control/employees/{employee_id}/promote", json={"supervisor": employee_id})

    assert rejected.status_code == 422

    await personio.call_control("POST", f"/employees/{supervisor}/promote", {"supervisor": employee_id})

    assert (await _read_values(personio, supervisor or 0))["supervisor"]["attributes"]["id"]["value"] == employee_id


async def test_promotion_changes_position_and_supervisor(personio: PersonioSandbox) -> None:
    """A promotion sets the new position and the new supervisor."""
    employee_id = _select_employee_id(personio)
    head = next(employee.id for employee in personio.state.company.list_employees() if employee.supervisor is None)
    await personio.call_control(
        "POST", f"/employees/{employee_id}/promote", {"position": "Prokuristin", "supervisor": head}
    )

    values = await _read_values(personio, employee_id)

    assert values["position"] == "Prokuristin"
    assert values["supervisor"]["attributes"]["id"]["value"] == head


async def test_move_changes_office_and_department(personio: PersonioSandbox) -> None:
    """A move sets the units that the request names."""
    employee_id = _select_employee_id(personio)
    await personio.call_control(
        "POST", f"/employees/{employee_id}/move", {"office": "Hamburg", "department": "Finanzen"}
    )

    values = await _read_values(personio, employee_id)

    assert values["office"]["attributes"]["name"] == "Hamburg"
    assert values["department"]["attributes"]["name"] == "Finanzen"


@pytest.mark.parametrize(
    ("email", "expected"),
    [(None, None), (True, "curie@nordlicht.example"), ("m.curie@nordlicht.example", "m.curie@nordlicht.example")],
)
async def test_rename_keeps_or_changes_the_address(
    personio: PersonioSandbox, email: object, expected: str | None
) -> None:
    """A rename keeps the address, derives it from the new name, or sets the specified one."""
    employee_id = _select_employee_id(personio)
    before = await _read_values(personio, employee_id)
    body = {"last_name": "Curie"} | ({} if email is None else {"email": email})
    await personio.call_control("POST", f"/employees/{employee_id}/rename", body)

    values = await _read_values(personio, employee_id)

    assert values["last_name"] == "Curie"
    assert values["preferred_name"] == f"{before['first_name']} Curie"
    assert values["email"].endswith(expected or before["email"])


async def test_address_of_another_employee_is_409(personio: PersonioSandbox) -> None:
    """Personio allows one employee per e-mail address."""
    first, second = personio.state.company.list_employees()[:2]
    response = await personio.http.patch(f"/_control/employees/{first.id}", json={"email": second.email})

    assert response.status_code == 409


async def test_termination_is_immediate_or_after_the_last_day(personio: PersonioSandbox) -> None:
    """An announced termination keeps the status until the day after the last working day."""
    active = [employee.id for employee in personio.state.company.list_employees() if employee.status == "active"]
    now, later = active[:2]

    assert (await personio.call_control("POST", f"/employees/{now}/terminate"))["status"] == "inactive"

    announced = await personio.call_control("POST", f"/employees/{later}/terminate", {"last_working_day": "2026-03-05"})

    assert announced["status"] == "active"

    await personio.call_control("POST", "/clock/advance", {"days": 3})

    assert (await personio.call_control("GET", f"/employees/{later}"))["status"] == "active"

    await personio.call_control("POST", "/clock/advance", {"days": 1})

    assert (await personio.call_control("GET", f"/employees/{later}"))["status"] == "inactive"


async def test_reactivation_ends_leave_and_termination(personio: PersonioSandbox) -> None:
    """A reactivation empties the termination, so the status stays active as time passes."""
    employee_id = _select_employee_id(personio)

    assert (await personio.call_control("POST", f"/employees/{employee_id}/leave"))["status"] == "leave"

    await personio.call_control("POST", f"/employees/{employee_id}/terminate")
    reactivated = await personio.call_control("POST", f"/employees/{employee_id}/reactivate")

    assert reactivated["status"] == "active"
    assert reactivated["attributes"]["termination_date"] is None

    await personio.call_control("POST", "/clock/advance", {"days": 30})

    assert (await personio.call_control("GET", f"/employees/{employee_id}"))["status"] == "active"


async def test_deleted_employee_is_not_listed_and_404(personio: PersonioSandbox) -> None:
    """Neither the vendor's API nor the control API returns a deleted employee."""
    employee_id = _select_employee_id(personio)
    await personio.call_control("DELETE", f"/employees/{employee_id}")

    assert (await personio.http.get(f"{EMPLOYEES}/{employee_id}")).status_code == 404
    assert employee_id not in await personio.list_attributes()
    assert (await personio.http.get(f"/_control/employees/{employee_id}")).status_code == 404


async def test_attribute_can_be_absent_for_one_employee(personio: PersonioSandbox) -> None:
    """Personio omits attributes that an employee never had, so a request can remove them."""
    employee_id = _select_employee_id(personio)
    await personio.call_control("DELETE", f"/employees/{employee_id}/attributes?key=office&key=team")

    assert {"office", "team"}.isdisjoint(await _read_values(personio, employee_id))


async def test_employees_are_listed_with_id_and_status(personio: PersonioSandbox) -> None:
    """The control API lists summaries of all employees, or of those with one status."""
    listing = await personio.call_control("GET", "/employees")

    assert listing["count"] == len(personio.state.company)
    assert listing["employees"][0].keys() == {"id", "status", "first_name", "last_name", "email"}

    inactive = await personio.call_control("GET", "/employees?status=inactive")

    assert {employee["status"] for employee in inactive["employees"]} == {"inactive"}
    assert inactive["count"] == (await personio.call_control("GET", "/statistics"))["per_status"]["inactive"]


async def test_new_office_can_be_added_and_used(personio: PersonioSandbox) -> None:
    """An employee can move to a new office by its name."""
    await personio.call_control("POST", "/units/office", {"name": "Triest"})
    moved = await personio.call_control(
        "POST", f"/employees/{_select_employee_id(personio)}/move", {"office": "Triest"}
    )

    assert moved["attributes"]["office"]["attributes"]["name"] == "Triest"
    assert "Triest" in {unit["name"] for unit in (await personio.call_control("GET", "/units/office"))["units"]}


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/employees", b"{broken", 400),
        ("POST", "/employees", b"[]", 400),
        ("POST", "/employees", b'{"count": 0}', 422),
        ("PATCH", "/behaviour", b'{"colour": "red"}', 422),
        ("POST", "/faults", b'{"kind": "earthquake"}', 422),
        ("PUT", "/whitelist", b'{"attributes": ["shoe_size"]}', 422),
        ("PATCH", "/whitelist?client_id=unknown", b'{"add": ["email"]}', 404),
        ("POST", "/credentials", b'{"client_id": "demo-client", "client_secret": "x"}', 409),
        ("POST", "/clock/advance", b'{"days": -1}', 422),
        ("GET", "/units/planets", b"", 404),
        ("PATCH", "/units/office/1", b'{"name": "X"}', 404),
        ("PATCH", "/employees/1", b"{}", 404),
    ],
)
async def test_invalid_control_request_returns_status_and_error(
    personio: PersonioSandbox, method: str, path: str, body: bytes, status: int
) -> None:
    """An invalid request gets a fitting status and a message that says what is wrong."""
    response = await personio.http.request(method, f"/_control{path}", content=body)

    assert response.status_code == status
    assert response.json()["error"]


async def test_journal_lists_requests_without_credentials(personio: PersonioSandbox) -> None:
    """The journal omits the query string of a login, because it may contain credentials."""
    await personio.call_control("DELETE", "/requests")
    await personio.http.get(f"{EMPLOYEES}?limit=3")
    await personio.http.post("/v1/auth?client_id=a&client_secret=b")

    entries = (await personio.call_control("GET", "/requests"))["requests"]

    assert [(entry["method"], entry["path"], entry["query"], entry["status"]) for entry in entries] == [
        ("GET", EMPLOYEES, "limit=3", 200),
        ("POST", "/v1/auth", "", 403),
    ]


async def test_control_api_saves_after_changes_only(personio: PersonioSandbox) -> None:
    """Every successful change is saved once; reads and rejected changes are not saved."""
    saves: list[int] = []
    personio.state.save = lambda state: saves.append(len(state.company))
    await personio.call_control("GET", "/employees")

    await personio.http.patch(f"/_control/employees/{_select_employee_id(personio)}", json={"office": "Atlantis"})

    assert saves == []

    hired = await personio.call_control("POST", "/employees")
    await personio.call_control("PATCH", f"/employees/{hired['id']}", {"position": "Lotse"})
    await personio.call_control("DELETE", f"/employees/{hired['id']}")
    await personio.call_control("PATCH", "/whitelist", {"remove": ["team"]})
    await personio.call_control("POST", "/clock/advance", {"hours": 1})
    await personio.call_control("PATCH", "/units/office/131014", {"name": "Minga"})

    assert len(saves) == 6

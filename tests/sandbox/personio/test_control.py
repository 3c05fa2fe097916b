"""The control API: what it changes is what the vendor's API then shows."""

from typing import Any

import pytest

from tests.sandbox.personio.stage import EMPLOYEES, Stage


async def _seen(stage: Stage, employee_id: int) -> dict[str, Any]:
    """Attribute → value, through the vendor's API."""
    answer = await stage.http.get(f"{EMPLOYEES}/{employee_id}")
    assert answer.status_code == 200
    return {key: attribute["value"] for key, attribute in answer.json()["data"]["attributes"].items()}


def _somebody(stage: Stage) -> int:
    return next(person.id for person in stage.state.company.listed() if person.status == "active" and person.supervisor)


async def test_a_name_is_enough_to_hire_somebody_active(stage: Stage) -> None:
    body = '{"first_name":"Ada","last_name":"Lovelace"}'
    form = {"content-type": "application/x-www-form-urlencoded"}  # what curl -d says
    answer = await stage.http.post("/_control/employees", content=body, headers=form)
    assert answer.status_code == 201
    seen = await _seen(stage, answer.json()["id"])
    assert (seen["first_name"], seen["last_name"], seen["status"]) == ("Ada", "Lovelace", "active")
    assert seen["email"] == "ada.lovelace@nordlicht.example"
    assert seen["hire_date"] == "2026-03-02T00:00:00+01:00"
    assert seen["supervisor"]["attributes"]["id"]["value"]
    assert seen["department"]["attributes"]["name"]


async def test_a_start_in_the_future_means_onboarding_until_that_day(stage: Stage) -> None:
    hired = await stage.control("POST", "/employees", {"hire_date": "2026-04-01"})
    assert hired["status"] == "onboarding"
    await stage.control("POST", "/clock/advance", {"days": 29})
    assert (await _seen_after_login(stage, hired["id"]))["status"] == "onboarding"
    await stage.control("POST", "/clock/advance", {"days": 1})
    assert (await _seen_after_login(stage, hired["id"]))["status"] == "active"


async def _seen_after_login(stage: Stage, employee_id: int) -> dict[str, Any]:
    await stage.log_in()
    return await _seen(stage, employee_id)


async def test_changing_the_hire_date_leaves_the_status(stage: Stage) -> None:
    changed = await stage.control("PATCH", f"/employees/{_somebody(stage)}", {"hire_date": "2026-12-01"})
    assert (changed["status"], changed["attributes"]["hire_date"][:10]) == ("active", "2026-12-01")


async def test_namesakes_get_addresses_of_their_own(stage: Stage) -> None:
    name = {"first_name": "Ada", "last_name": "Lovelace"}
    emails = [(await stage.control("POST", "/employees", name))["email"] for _ in range(2)]
    assert emails == ["ada.lovelace@nordlicht.example", "ada.lovelace2@nordlicht.example"]


async def test_many_can_be_hired_at_once(stage: Stage) -> None:
    before = (await stage.control("GET", "/statistics"))["per_status"]["active"]
    hired = await stage.control("POST", "/employees", {"count": 30})
    assert len(set(hired["ids"])) == 30
    assert (await stage.control("GET", "/statistics"))["per_status"]["active"] == before + 30


async def test_any_attribute_can_be_changed_and_the_modification_shows(stage: Stage) -> None:
    employee_id = _somebody(stage)
    await stage.control("PATCH", f"/employees/{employee_id}", {"office": "Wien", "dynamic_24407": "Dr.", "team": []})
    seen = await _seen(stage, employee_id)
    assert (seen["office"]["attributes"]["name"], seen["dynamic_24407"], seen["team"]) == ("Wien", "Dr.", [])
    assert seen["last_modified_at"] == "2026-03-02T12:00:00+01:00".replace("12:", "13:")


async def test_cost_centers_are_given_by_name_or_with_shares(stage: Stage) -> None:
    path = f"/employees/{_somebody(stage)}"
    one = await stage.control("PATCH", path, {"cost_centers": "2000 Vertrieb"})
    assert [each["attributes"]["percentage"] for each in one["attributes"]["cost_centers"]] == [100]
    two = await stage.control("PATCH", path, {"cost_centers": [["2000 Vertrieb", 70], ["4000 IT", 30]]})
    assert [each["attributes"]["name"] for each in two["attributes"]["cost_centers"]] == ["2000 Vertrieb", "4000 IT"]


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
async def test_what_cannot_be_is_refused_and_changes_nothing(stage: Stage, body: dict[str, Any]) -> None:
    employee_id = _somebody(stage)
    before = await _seen(stage, employee_id)
    answer = await stage.http.patch(f"/_control/employees/{employee_id}", json=body)
    assert answer.status_code == 422
    assert answer.json()["error"]
    assert await _seen(stage, employee_id) == before


async def test_nobody_can_be_their_own_supervisor_but_cycles_can_be_made(stage: Stage) -> None:
    employee_id = _somebody(stage)
    boss = stage.state.company.get(employee_id).supervisor
    refused = await stage.http.post(f"/_control/employees/{employee_id}/promote", json={"supervisor": employee_id})
    assert refused.status_code == 422
    await stage.control("POST", f"/employees/{boss}/promote", {"supervisor": employee_id})
    assert (await _seen(stage, boss or 0))["supervisor"]["attributes"]["id"]["value"] == employee_id


async def test_a_promotion_changes_position_and_supervisor(stage: Stage) -> None:
    employee_id = _somebody(stage)
    head = next(person.id for person in stage.state.company.listed() if person.supervisor is None)
    await stage.control("POST", f"/employees/{employee_id}/promote", {"position": "Prokuristin", "supervisor": head})
    seen = await _seen(stage, employee_id)
    assert (seen["position"], seen["supervisor"]["attributes"]["id"]["value"]) == ("Prokuristin", head)


async def test_a_move_changes_office_and_department(stage: Stage) -> None:
    employee_id = _somebody(stage)
    await stage.control("POST", f"/employees/{employee_id}/move", {"office": "Hamburg", "department": "Finanzen"})
    seen = await _seen(stage, employee_id)
    assert seen["office"]["attributes"]["name"] == "Hamburg"
    assert seen["department"]["attributes"]["name"] == "Finanzen"


@pytest.mark.parametrize(
    ("email", "expected"),
    [(None, None), (True, "curie@nordlicht.example"), ("m.curie@nordlicht.example", "m.curie@nordlicht.example")],
)
async def test_a_rename_keeps_or_changes_the_address(stage: Stage, email: object, expected: str | None) -> None:
    employee_id = _somebody(stage)
    before = await _seen(stage, employee_id)
    wish = {"last_name": "Curie"} | ({} if email is None else {"email": email})
    await stage.control("POST", f"/employees/{employee_id}/rename", wish)
    seen = await _seen(stage, employee_id)
    assert (seen["last_name"], seen["preferred_name"]) == ("Curie", f"{before['first_name']} Curie")
    assert seen["email"].endswith(expected or before["email"])


async def test_somebody_elses_address_is_409(stage: Stage) -> None:
    first, second = stage.state.company.listed()[:2]
    answer = await stage.http.patch(f"/_control/employees/{first.id}", json={"email": second.email})
    assert answer.status_code == 409


async def test_a_termination_ends_at_once_or_after_the_last_day(stage: Stage) -> None:
    now, later = [person.id for person in stage.state.company.listed() if person.status == "active"][:2]
    assert (await stage.control("POST", f"/employees/{now}/terminate"))["status"] == "inactive"
    announced = await stage.control("POST", f"/employees/{later}/terminate", {"last_working_day": "2026-03-05"})
    assert announced["status"] == "active"
    await stage.control("POST", "/clock/advance", {"days": 3})
    assert (await stage.control("GET", f"/employees/{later}"))["status"] == "active"
    await stage.control("POST", "/clock/advance", {"days": 1})
    assert (await stage.control("GET", f"/employees/{later}"))["status"] == "inactive"


async def test_leave_and_reactivation(stage: Stage) -> None:
    employee_id = _somebody(stage)
    assert (await stage.control("POST", f"/employees/{employee_id}/leave"))["status"] == "leave"
    await stage.control("POST", f"/employees/{employee_id}/terminate")
    back = await stage.control("POST", f"/employees/{employee_id}/reactivate")
    assert (back["status"], back["attributes"]["termination_date"]) == ("active", None)
    await stage.control("POST", "/clock/advance", {"days": 30})
    assert (await stage.control("GET", f"/employees/{employee_id}"))["status"] == "active"


async def test_a_deleted_person_is_in_no_list_and_404(stage: Stage) -> None:
    employee_id = _somebody(stage)
    await stage.control("DELETE", f"/employees/{employee_id}")
    assert (await stage.http.get(f"{EMPLOYEES}/{employee_id}")).status_code == 404
    assert employee_id not in await stage.everybody()
    assert (await stage.http.get(f"/_control/employees/{employee_id}")).status_code == 404


async def test_an_attribute_can_be_absent_for_one_person(stage: Stage) -> None:
    employee_id = _somebody(stage)
    await stage.control("DELETE", f"/employees/{employee_id}/attributes?key=office&key=team")
    assert {"office", "team"}.isdisjoint(await _seen(stage, employee_id))


async def test_people_are_listed_with_id_and_state(stage: Stage) -> None:
    everybody = await stage.control("GET", "/employees")
    assert everybody["count"] == len(stage.state.company)
    assert everybody["employees"][0].keys() == {"id", "status", "first_name", "last_name", "email"}
    inactive = await stage.control("GET", "/employees?status=inactive")
    assert {each["status"] for each in inactive["employees"]} == {"inactive"}
    assert inactive["count"] == (await stage.control("GET", "/statistics"))["per_status"]["inactive"]


async def test_a_new_office_can_be_opened_and_used(stage: Stage) -> None:
    await stage.control("POST", "/units/office", {"name": "Triest"})
    moved = await stage.control("POST", f"/employees/{_somebody(stage)}/move", {"office": "Triest"})
    assert moved["attributes"]["office"]["attributes"]["name"] == "Triest"
    assert "Triest" in {each["name"] for each in (await stage.control("GET", "/units/office"))["units"]}


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/employees", b"{broken", 400),
        ("POST", "/employees", b"[]", 400),
        ("POST", "/employees", b'{"count": 0}', 422),
        ("PATCH", "/behaviour", b'{"colour": "red"}', 422),
        ("POST", "/faults", b'{"kind": "earthquake"}', 422),
        ("PUT", "/whitelist", b'{"attributes": ["shoe_size"]}', 422),
        ("PATCH", "/whitelist?client_id=nobody", b'{"add": ["email"]}', 404),
        ("POST", "/credentials", b'{"client_id": "demo-client", "client_secret": "x"}', 409),
        ("POST", "/clock/advance", b'{"days": -1}', 422),
        ("GET", "/units/planets", b"", 404),
        ("PATCH", "/units/office/1", b'{"name": "X"}', 404),
        ("PATCH", "/employees/1", b"{}", 404),
    ],
)
async def test_a_wrong_order_is_answered_with_what_is_wrong(
    stage: Stage, method: str, path: str, body: bytes, status: int
) -> None:
    answer = await stage.http.request(method, f"/_control{path}", content=body)
    assert answer.status_code == status
    assert answer.json()["error"]


async def test_the_journal_tells_what_was_asked_but_no_credentials(stage: Stage) -> None:
    await stage.control("DELETE", "/requests")
    await stage.http.get(f"{EMPLOYEES}?limit=3")
    await stage.http.post("/v1/auth?client_id=a&client_secret=b")
    noted = (await stage.control("GET", "/requests"))["requests"]
    assert [(each["method"], each["path"], each["query"], each["status"]) for each in noted] == [
        ("GET", EMPLOYEES, "limit=3", 200),
        ("POST", "/v1/auth", "", 403),
    ]


async def test_every_change_is_kept_and_looking_is_not(stage: Stage) -> None:
    kept: list[int] = []
    stage.state.keep = lambda state: kept.append(len(state.company))
    await stage.control("GET", "/employees")
    await stage.http.patch(f"/_control/employees/{_somebody(stage)}", json={"office": "Atlantis"})
    assert kept == []
    hired = await stage.control("POST", "/employees")
    await stage.control("PATCH", f"/employees/{hired['id']}", {"position": "Lotse"})
    await stage.control("DELETE", f"/employees/{hired['id']}")
    await stage.control("PATCH", "/whitelist", {"remove": ["team"]})
    await stage.control("POST", "/clock/advance", {"hours": 1})
    await stage.control("PATCH", "/units/office/131014", {"name": "Minga"})
    assert len(kept) == 6

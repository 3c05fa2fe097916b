"""What users report of ``updated_since``: late, repeated and missing changes, also together, and a filter without effect."""

from datetime import datetime, timedelta

import pytest

from tests.sandbox.personio.in_process import EMPLOYEES, NOW, PersonioSandbox, extract_ids

TODAY = "2026-03-02"


def _format(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S")


async def test_late_change_keeps_the_earlier_one_visible(personio: PersonioSandbox) -> None:
    """An employee that changes again is listed for the first change until the second one becomes visible."""
    await personio.call_control("PATCH", "/behaviour", {"visibility_delay_seconds": 300})
    employee_id = await personio.change_employee(5, position="Lotse")
    personio.advance_clock(seconds=299)
    await personio.change_employee(5, position="Kapitän")
    personio.advance_clock(seconds=1)

    assert extract_ids(await personio.list_page(f"?updated_since={TODAY}")) == [employee_id]
    assert extract_ids(await personio.list_page(f"?updated_since={_format(NOW)}")) == []

    personio.advance_clock(seconds=299)

    assert extract_ids(await personio.list_page(f"?updated_since={_format(NOW)}")) == [employee_id]


async def test_new_employee_is_listed_after_the_delay(personio: PersonioSandbox) -> None:
    """The delay concerns new employees as well, although a request for one employee finds it at once."""
    await personio.call_control("PATCH", "/behaviour", {"visibility_delay_seconds": 60})
    hired = await personio.call_control("POST", "/employees", {"first_name": "Ada"})

    assert extract_ids(await personio.list_page(f"?updated_since={TODAY}")) == []
    assert (await personio.http.get(f"{EMPLOYEES}/{hired['id']}")).status_code == 200

    personio.advance_clock(seconds=60)

    assert extract_ids(await personio.list_page(f"?updated_since={TODAY}")) == [hired["id"]]


async def test_delay_repeats_and_misses_apply_together(personio: PersonioSandbox) -> None:
    """A change is listed between its delay and the end of its repetitions, unless its employee is missed."""
    first, missed = (
        await personio.change_employee(5, position="Lotse"),
        await personio.change_employee(6, position="Lotse"),
    )
    switches = {"visibility_delay_seconds": 120, "repeats_seconds": 600, "misses_every": missed}
    await personio.call_control("PATCH", "/behaviour", switches)
    listed = {}
    for seconds in (0, 120, 599, 600):
        personio.state.clock.offset = timedelta(seconds=max(seconds, 120))
        page = await personio.list_page(f"?updated_since={_format(NOW + timedelta(seconds=seconds))}")
        listed[seconds] = extract_ids(page)

    assert listed == {0: [first], 120: [first], 599: [first], 600: []}


async def test_delay_and_repeats_respect_the_attributes(personio: PersonioSandbox) -> None:
    """With attributes[], only a visible or repeated change of one of them selects an employee."""
    await personio.call_control("PATCH", "/behaviour", {"visibility_delay_seconds": 60, "repeats_seconds": 600})
    renamed = await personio.change_employee(5, first_name="Lotte")
    personio.advance_clock(seconds=60)
    await personio.change_employee(5, position="Lotse")
    await personio.change_employee(6, position="Lotse")
    query = f"?updated_since={_format(NOW + timedelta(seconds=60))}"

    assert extract_ids(await personio.list_page(f"{query}&attributes[]=first_name")) == [renamed]
    assert extract_ids(await personio.list_page(f"{query}&attributes[]=position")) == []

    personio.advance_clock(seconds=60)

    assert len(extract_ids(await personio.list_page(f"{query}&attributes[]=position"))) == 2


async def test_updated_since_can_be_ignored(personio: PersonioSandbox) -> None:
    """A server that ignores the parameter returns the whole list with its usual total."""
    await personio.call_control("PATCH", "/behaviour", {"updated_since": "ignore"})

    page = await personio.list_page(f"?updated_since={TODAY}&limit=10")

    assert len(page["data"]) == 10
    assert page["metadata"]["total_elements"] == len(personio.state.company)


async def test_updated_since_can_find_nothing(personio: PersonioSandbox) -> None:
    """With a restricted credential the filter may find nothing, although employees changed."""
    await personio.change_employee(5, position="Lotse")
    await personio.call_control("PATCH", "/behaviour", {"updated_since": "empty"})

    page = await personio.list_page(f"?updated_since={TODAY}")

    assert page["data"] == []
    assert page["metadata"]["total_elements"] == 0
    assert (await personio.list_page())["data"] != []


@pytest.mark.parametrize(
    ("switch", "alone", "with_attributes"), [("refuse", 422, 422), ("refuse_with_attributes", 200, 422)]
)
async def test_updated_since_can_be_refused(
    personio: PersonioSandbox, switch: str, alone: int, with_attributes: int
) -> None:
    """A refusal has status 422 in the vendor's form; lists without the parameter still work."""
    await personio.call_control("PATCH", "/behaviour", {"updated_since": switch})
    query = f"{EMPLOYEES}?updated_since={TODAY}"

    refused = await personio.http.get(f"{query}&attributes[]=email")

    assert (await personio.http.get(query)).status_code == alone
    assert refused.status_code == with_attributes
    assert refused.json()["error"]["code"] == 422
    assert (await personio.http.get(f"{EMPLOYEES}?attributes[]=email")).status_code == 200

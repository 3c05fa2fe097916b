"""From Personio to Declaree on the days on which employees begin, leave, are deleted and come back."""

from datetime import timedelta

import pytest

from services.admin.mapping import versions as mappings
from services.contracts.mappings import EmploymentDates
from services.contracts.outcomes import Outcome
from services.contracts.runs import RunKind
from tests.system.pipeline import Pipeline

pytestmark = [pytest.mark.mongo, pytest.mark.promise("P4"), pytest.mark.promise("P9")]

HOUR = 3600.0


def list_outcomes(pipeline: Pipeline, employee: int) -> list[Outcome]:
    """Returns the outcomes of an employee, in order."""
    return [outcome.outcome for outcome in pipeline.list_outcomes(employee)]


def name_day(pipeline: Pipeline, days: int) -> str:
    """Returns the day that many days from today, as Personio writes it."""
    return f"{(pipeline.clock.now() + timedelta(days=days)).date()}T00:00:00+01:00"


async def publish(pipeline: Pipeline, **dates: object) -> None:
    """Publishes the mapping with these rules for dates."""
    published = await mappings.get_published(pipeline.store, pipeline.connection)
    mapping = published.mapping.model_copy(update={"employment": EmploymentDates.model_validate(dates)})
    await mappings.publish(pipeline.store, pipeline.clock, pipeline.connection, mapping, by="ada")
    await pipeline.settle()


async def pass_days(pipeline: Pipeline, days: int) -> None:
    """Polls every twelve hours, as the schedule does: incremental, except in the mornings."""
    for _ in range(2 * days):
        pipeline.clock.seconds += 12 * HOUR
        await pipeline.runner.poll(pipeline.connection, is_full=False)
        await pipeline.settle()


async def test_active_employee_has_no_account_before_the_hire_date(pipeline: Pipeline) -> None:
    """Personio may say active early."""
    ada = pipeline.hire(first_name="Ada", last_name="Lovelace", status="active", hire_date=name_day(pipeline, 3))
    await pipeline.sync()
    assert pipeline.find_accounts(ada) == []

    await pass_days(pipeline, 4)

    assert pipeline.get_account(ada)["active"]
    assert list_outcomes(pipeline, ada) == [Outcome.OUT_OF_SCOPE, Outcome.CREATED]


async def test_account_can_begin_some_days_before_the_hire_date(pipeline: Pipeline) -> None:
    """The status is onboarding until the first day."""
    ada = pipeline.hire(first_name="Ada", last_name="Lovelace", status="onboarding", hire_date=name_day(pipeline, 9))
    await pipeline.sync()
    await publish(pipeline, days_before_start=5)
    assert pipeline.find_accounts(ada) == []

    await pass_days(pipeline, 5)

    assert pipeline.get_account(ada)["active"]
    assert pipeline.personio.company.get(ada).status == "onboarding"


async def test_account_ends_after_the_last_working_day(pipeline: Pipeline) -> None:
    """The status is still active: the termination date comes later."""
    ada = pipeline.hire(first_name="Ada", last_name="Lovelace")
    await pipeline.sync()
    await publish(pipeline, disable_after_last_day=True)
    pipeline.change(ada, last_working_day=name_day(pipeline, 2), termination_date=name_day(pipeline, 40))
    await pipeline.sync()
    assert pipeline.get_account(ada)["active"]

    await pass_days(pipeline, 4)

    assert not pipeline.get_account(ada)["active"]
    assert pipeline.personio.company.get(ada).status == "active"


async def test_flip_of_the_status_is_seen_the_same_morning(pipeline: Pipeline) -> None:
    """Personio changes the status some hours after midnight, without a trace for the filter by time."""
    pipeline.personio.behaviour = pipeline.personio.behaviour.copy_with({"time_zone": "Europe/Berlin", "flip_hour": 4})
    ada = pipeline.hire(first_name="Ada", last_name="Lovelace", status="onboarding", hire_date=name_day(pipeline, 1))
    await pipeline.sync()
    kinds = []
    midnight = pipeline.clock.now().replace(hour=23, minute=0) - pipeline.clock.now()  # in Berlin
    pipeline.clock.seconds += midnight.total_seconds()

    for _ in range(8):
        pipeline.clock.seconds += HOUR
        kinds.append((await pipeline.runner.poll(pipeline.connection, is_full=False)).kind)
        await pipeline.settle()

    assert pipeline.get_account(ada)["active"]
    assert kinds.count(RunKind.FULL) == 1


async def test_deleted_employee_that_returns_gets_the_account_back(pipeline: Pipeline) -> None:
    """Under the same id, the account is enabled again, once."""
    ada = pipeline.hire(first_name="Ada", last_name="Lovelace")
    await pipeline.sync()
    before = pipeline.get_account(ada)
    deleted = pipeline.personio.company.get(ada)
    pipeline.personio.company.delete(ada, pipeline.personio.now())
    await pipeline.sync()
    await pipeline.sync()
    assert not pipeline.get_account(ada)["active"]

    pipeline.personio.company.restore(deleted, pipeline.personio.now())
    await pipeline.sync()
    await pipeline.sync()

    assert pipeline.get_account(ada) == before
    assert list_outcomes(pipeline, ada) == [Outcome.CREATED, Outcome.DISABLED, Outcome.ENABLED]


async def test_employee_that_returns_under_a_new_id_gets_it_back(pipeline: Pipeline) -> None:
    """The account of the former employee with the same address and name is taken over, once."""
    values = {"first_name": "Ada", "last_name": "Lovelace", "email": "ada@nordlicht.example"}
    ada = pipeline.hire(**values)
    await pipeline.sync()
    before = pipeline.get_account(ada)
    pipeline.personio.company.delete(ada, pipeline.personio.now())
    await pipeline.sync()
    await pipeline.sync()

    again = pipeline.hire(**values)
    await pipeline.sync()
    await pipeline.sync()

    assert pipeline.find_accounts(ada) == []
    assert pipeline.get_account(again)["id"] == before["id"]
    assert pipeline.get_account(again)["active"]
    assert len(list_outcomes(pipeline, again)) == 1

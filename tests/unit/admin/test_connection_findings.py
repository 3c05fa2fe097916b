"""How `doctor` judges what is stored about one connection."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from types import MappingProxyType
from typing import Any

import pytest

from services.admin.attribute_news import AttributeNews
from services.admin.connection_findings import StoredFacts, judge_stored
from services.admin.findings import Finding
from services.admin.status import Status
from services.contracts.catalogues import AttributeChange, AttributeChangeKind
from services.contracts.connections import ConnectionState
from services.contracts.runs import Run, RunCounts, RunState
from services.store.connection_summaries import ConnectionSummary
from tests.support.builders import CONNECTION, NOW

EMPTY: Mapping[str, Any] = MappingProxyType({})
SUMMARY = ConnectionSummary(
    id=CONNECTION,
    name="Nordlicht",
    state=ConnectionState.ACTIVE,
    personio_url="https://api.personio.de",
    declaree_url="https://app.declaree.com/SCIM/v2",
    created_at=NOW - timedelta(days=500),
    is_started=True,
    personio_secret_at=NOW - timedelta(days=12),
    declaree_key_at=NOW - timedelta(days=12),
)
RUN = Run(id="n1", connection_id=CONNECTION, started_at=NOW, finished_at=NOW, state=RunState.SUCCEEDED)
STATUS = Status(
    connection=CONNECTION,
    name="Nordlicht",
    state=ConnectionState.ACTIVE,
    employees=1234,
    active=1000,
    accounts=1000,
    balance=0,
    waiting=0,
    absent=0,
    decisions=0,
    findings=0,
    held_disablings=0,
    outcomes={},
    mapping_version=1,
    last_run=RUN,
)


FACTS = StoredFacts(SUMMARY, STATUS, sharing=1, per_minute=250)


def change_status(**status: Any) -> Status:
    """Returns the status of a connection in step, with these changes."""
    return replace(STATUS, **status)


def judge(facts: StoredFacts = FACTS, *, summary: Mapping[str, Any] = EMPTY, **status: Any) -> dict[str, Finding]:
    """Returns the last finding by its subject, for a connection with these changes."""
    changed = replace(facts, summary=replace(facts.summary, **summary), status=replace(facts.status, **status))
    return {finding.subject: finding for finding in judge_stored(changed, NOW)}


def make_change(kind: AttributeChangeKind, *fields: str) -> AttributeNews:
    """Returns a change of the attribute ``office``, which fills these fields."""
    return AttributeNews(AttributeChange(key="office", label="", kind=kind, at=NOW, type="standard"), fields)


def test_connection_without_a_finding_says_what_was_found() -> None:
    """Notes tell the age of the secrets, the last poll, and how long a full scan takes."""
    found = judge()

    assert {subject: finding.note for subject, finding in found.items()} == {
        "Personio secret": "stored 12 days ago",
        "Declaree key": "stored 12 days ago",
        "last poll": "succeeded (2026-03-09 08:30 UTC)",
        "released attributes": None,
        "pace": "a full scan sends 15 requests, in 4 s at 250 a minute (POLL_PERSONIO_PER_MINUTE)",
    }
    assert not any(finding.problem or finding.hint for finding in found.values())


def test_old_secret_is_a_hint_with_the_command() -> None:
    """Neither vendor ends a secret on its own."""
    found = judge(summary={"declaree_key_at": NOW - timedelta(days=366)})["Declaree key"]

    assert found.problem is None
    assert str(found.hint).startswith("stored 366 days ago")
    assert f"`connections secrets {CONNECTION} --declaree`" in str(found.hint)


def test_secret_of_unknown_age_is_as_old_as_the_connection() -> None:
    """Connections of an earlier version have no time."""
    found = judge(summary={"personio_secret_at": None})["Personio secret"]

    assert str(found.hint).startswith("not older than 500 days: generate")


@pytest.mark.parametrize(
    ("state", "error", "text"),
    [
        (RunState.FAILED, "Personio does not answer", "failed (2026-03-09 08:30 UTC): Personio does not answer"),
        (RunState.INCOMPLETE, "250 announced, 100 listed", "250 announced, 100 listed"),
        (RunState.HELD, "12 people left", f"`runs show {CONNECTION} n1 --people`"),
    ],
)
def test_unsuccessful_poll_is_a_problem(state: RunState, error: str, text: str) -> None:
    """A held one names the command that shows its changes."""
    found = judge(last_run=RUN.model_copy(update={"state": state, "error": error}))["last poll"]

    assert error in str(found.problem)
    assert text in str(found.problem)


def test_overdue_poll_is_a_problem() -> None:
    """The last poll is told as well."""
    found = judge(overdue_since=NOW)

    assert "overdue" in str(found["polls"].problem)
    assert found["polls"].since == NOW
    assert found["last poll"].note is not None


@pytest.mark.parametrize(
    ("status", "summary", "text"),
    [
        ({"state": ConnectionState.PAUSED}, {}, f"`connections resume {CONNECTION}`"),
        ({"state": ConnectionState.PAUSED}, {"is_started": False}, f"`connections start {CONNECTION}`"),
        ({"last_run": None}, {}, "no poll has ended yet"),
    ],
)
def test_connection_without_polls_is_a_hint(status: dict[str, Any], summary: dict[str, Any], text: str) -> None:
    """An administrator has paused it, or it is new. An overdue poll of a paused connection is not a problem."""
    found = judge(summary=summary, **{"overdue_since": NOW, **status})

    assert text in str(found["polls"].hint)
    assert found["polls"].problem is None
    assert "last poll" not in found


def test_unreadable_documents_are_problems() -> None:
    """The command that shows the employees is named."""
    by_employee = judge(unreadable=3)["stored data"]
    by_connection = judge(problems=("the stored connection is invalid",))["stored data"]

    assert f"`people list {CONNECTION}`" in str(by_employee.problem)
    assert by_connection.problem == "the stored connection is invalid"


@pytest.mark.parametrize(
    ("change", "level", "text"),
    [
        (make_change(AttributeChangeKind.VANISHED, "title"), "problem", "title stays as it is"),
        (make_change(AttributeChangeKind.TYPE_CHANGED, "title"), "hint", "compare title"),
        (make_change(AttributeChangeKind.RETURNED, "title"), "hint", "again"),
        (
            make_change(AttributeChangeKind.NEW),
            "hint",
            f"new: office. A mapping can read them: see `mapping attributes {CONNECTION}`",
        ),
    ],
)
def test_only_a_vanished_attribute_is_a_problem(change: AttributeNews, level: str, text: str) -> None:
    """Other changes do no harm at once."""
    found = judge(attributes=(change,))["released attributes"]

    assert text in str(getattr(found, level))
    assert (found.problem is not None) is (level == "problem")


def test_shared_pace_is_told() -> None:
    """Personio counts the requests of an address together."""
    found = judge(replace(FACTS, sharing=7, per_minute=10), employees=0)["pace"]

    assert found.note == (
        "a full scan sends 2 requests, in 12 s at 10 a minute (POLL_PERSONIO_PER_MINUTE), which 7 connections share"
    )


def test_held_accounts_of_leavers_are_a_problem() -> None:
    """They keep their access until an administrator decides."""
    found = judge(held_disablings=12)["leavers"]

    assert found.problem is not None
    assert f"connections release-disabling {CONNECTION}" in found.problem


def test_missed_changes_are_a_hint() -> None:
    """Only a full scan has found them."""
    run = RUN.model_copy(update={"counts": RunCounts(missed=3)})

    found = judge(last_run=run)["changes"]

    assert found.hint is not None
    assert "missed 3 changes" in found.hint
    assert "changes" not in judge()

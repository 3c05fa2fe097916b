"""The overview of an installation: the most urgent level, and the most urgent connections first."""

from dataclasses import replace
from typing import Any

from services.admin.connection_findings import StoredFacts
from services.admin.findings import Finding, Level
from services.admin.overview import build_overview
from services.contracts.ids import ConnectionId
from services.contracts.runs import RunState
from services.contracts.vendor_notes import EndpointEnd, VendorNotes
from tests.support.builders import NOW
from tests.unit.admin.test_connection_findings import FACTS, RUN

RIGHT = Finding("poller", note="running: 1")


def make_facts(name: str, **status: Any) -> StoredFacts:
    """Returns what is stored about a connection with this id and these numbers."""
    summary = replace(FACTS.summary, id=ConnectionId(name))
    return replace(FACTS, summary=summary, status=replace(FACTS.status, connection=summary.id, **status))


def test_installation_without_a_finding_is_well() -> None:
    """What is right is told, too."""
    overview = build_overview((RIGHT,), [make_facts("c1")], NOW)

    assert overview.level is Level.WELL
    assert overview.connections[0].level is Level.WELL
    assert overview.deployment == (RIGHT,)


def test_new_installation_is_well() -> None:
    """It has no connection yet."""
    assert build_overview((), [], NOW).level is Level.WELL


def test_most_urgent_connections_come_first() -> None:
    """The others stay in the order in which they were added."""
    facts = [make_facts("c1"), make_facts("c2", absent=1), make_facts("c3"), make_facts("c4", held_disablings=1)]

    overview = build_overview((RIGHT,), facts, NOW)

    assert [one.status.connection for one in overview.connections] == ["c4", "c2", "c1", "c3"]
    assert [one.level for one in overview.connections] == [Level.PROBLEM, Level.HINT, Level.WELL, Level.WELL]
    assert overview.level is Level.PROBLEM


def test_problem_of_the_installation_is_one_of_all() -> None:
    """Every connection stands still without a mapper."""
    overview = build_overview((Finding("mapper", "none runs"),), [make_facts("c1")], NOW)

    assert overview.level is Level.PROBLEM
    assert overview.connections[0].level is Level.WELL


def test_announced_end_of_an_endpoint_is_told() -> None:
    """The polls have noted what Personio says."""
    notes = VendorNotes(ends=(EndpointEnd(path="/v1/company/employees", sunset_at=NOW),))
    run = RUN.model_copy(update={"notes": notes})

    overview = build_overview((), [make_facts("c1", last_run=run)], NOW)

    assert overview.level is not Level.WELL
    assert any("/v1/company/employees" in str(finding) for finding in overview.connections[0].findings)


def test_failing_polls_tell_since_when() -> None:
    """The last release of changes was before the first of them."""
    failed = RUN.model_copy(update={"state": RunState.FAILED, "error": "Personio does not answer"})

    overview = build_overview((), [make_facts("c1", last_run=failed, released_until=NOW)], NOW)

    (found,) = (finding for finding in overview.connections[0].findings if finding.problem)
    assert found.since == NOW

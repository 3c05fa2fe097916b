"""The report of previews of all employees, the target that they can miss, and the draft that is previewed."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from benchmarks.previews.draft import build_draft
from benchmarks.previews.report import (
    MAX_EXTRA_SECONDS,
    USUAL_PAGES_SECONDS,
    Preview,
    find_slow_previews,
    format_previews,
)
from sandbox.personio.catalogue import DEFAULT_WHITELIST
from services.contracts.employees import get_parent
from services.contracts.ids import ConnectionId
from services.contracts.mappings import PublishedMapping
from services.contracts.outcomes import Intent
from services.mapping.engine import Engine
from services.mapping.wanted import find_wanted_attributes
from tests.support.builders import make_change

BEFORE = Preview(
    name="before the start",
    results={"created": 1_000, "out_of_scope": 20},
    seconds=13.0,
    cpu_seconds={"the preview, without its further processes": 8.0, "MongoDB": 0.5},
    growth_mib=40.0,
    pages_seconds=3.0,
    pages_cpu_seconds=0.6,
)
AFTER = replace(BEFORE, name="after the first import", results={"updated": 1_020}, seconds=9.0)


def test_preview_that_takes_longer_than_allowed_is_a_miss() -> None:
    """At the limit, no target is missed."""
    usual = replace(BEFORE, pages_seconds=USUAL_PAGES_SECONDS, seconds=USUAL_PAGES_SECONDS + MAX_EXTRA_SECONDS)
    slow = replace(AFTER, seconds=33.0)

    assert find_slow_previews([usual, AFTER]) == []
    assert find_slow_previews([usual, slow]) == [
        "the preview of 1,020 people after the first import takes 10.0 times its pages longer than them, not at most 9.1"
    ]


def test_slower_machine_misses_no_target() -> None:
    """It is slower for the pages as well."""
    slow = replace(BEFORE, pages_seconds=2 * USUAL_PAGES_SECONDS, seconds=2 * (USUAL_PAGES_SECONDS + MAX_EXTRA_SECONDS))

    assert find_slow_previews([slow]) == []


@pytest.mark.parametrize(
    "line",
    [
        "| preview of 1,020 people | target | before the start | after the first import |",
        "| preview above its pages, in times of its pages | ≤ 9.1 | 3.3 | 2.0 |",
        "| preview above its pages, s |  | 10.0 | 6.0 |",
        "| CPU of MongoDB, s |  | 0.5 | 0.5 |",
        "| peak memory above readiness, MiB |  | 40 | 40 |",
        "- before the start: 1,000 created, 20 out_of_scope",
    ],
)
def test_table_has_a_column_for_each_state(line: str) -> None:
    """The results show what was previewed."""
    assert line in format_previews([BEFORE, AFTER]).splitlines()


def test_draft_reads_attributes_that_the_sandbox_shows() -> None:
    """A rule about an unknown attribute would do nothing."""
    read = {get_parent(key) for key in find_wanted_attributes(build_draft())}

    assert len(build_draft().rules) == 20
    assert read <= DEFAULT_WHITELIST


def test_draft_maps_an_employee() -> None:
    """A rule that rejects the employees would make the preview short."""
    attributes = {
        "status": "active",
        "email": "ada@nord.example",
        "first_name": "Ada",
        "last_name": "Öz",
        "preferred_name": "",
        "position": "Account Manager",
        "weekly_working_hours": 40,
        "cost_centers.name": ("2000 Vertrieb",),
    }
    change = make_change().model_copy(update={"attributes": attributes})
    published = PublishedMapping(
        connection_id=ConnectionId("c"), version=1, mapping=build_draft(), published_at=datetime(2026, 1, 1, tzinfo=UTC)
    )

    request = Engine(published).map(change)

    assert request.intent is Intent.PROVISION
    assert request.desired is not None
    assert request.desired.fields["displayName"] == "Ada Öz"
    assert request.desired.fields["urn:ietf:params:scim:schemas:extension:declaree:2.0:User:companyCar"] == "group 40"
    assert request.desired.fields["urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:costCenter"] == "2000"

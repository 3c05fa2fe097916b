"""The report of the queries, and the targets that a query can miss."""

from dataclasses import replace

import pytest

from benchmarks.queries.catalogue import list_paged, list_queries
from benchmarks.queries.measuring import Reading
from benchmarks.queries.report import find_slow_queries, format_readings
from tests.support.builders import CONNECTION

READING = Reading(name="status: balance", commands=1, slowest_ms=200.0, documents=1_000, keys=100_000)


@pytest.mark.parametrize(
    ("reading", "misses"),
    [
        (READING, []),
        (replace(READING, slowest_ms=201.0), ["10 people: status: balance takes 201 ms, not 200"]),
        (replace(READING, documents=1_001), ["10 people: status: balance reads 1001 documents, not 1000"]),
        (replace(READING, documents=1_001, is_paged=True), []),
    ],
)
def test_query_misses_a_target_of_time_or_documents(reading: Reading, misses: list[str]) -> None:
    """A query that reads everything by page has a target for the time of a page alone."""
    assert find_slow_queries("10 people", [reading]) == misses


def test_table_names_the_queries_by_page() -> None:
    """A reader sees which queries read everything on purpose."""
    table = format_readings("10 people", [READING, replace(READING, is_paged=True)])

    assert table.splitlines()[2:] == [
        "| status: balance | 1 | 200.0 | 1,000 | 100,000 |",
        "| status: balance, by page | 1 | 200.0 | 1,000 | 100,000 |",
    ]


def test_each_query_is_listed_once() -> None:
    """A second query of the same name would replace the first one."""
    assert list_queries(CONNECTION).keys().isdisjoint(list_paged(CONNECTION))

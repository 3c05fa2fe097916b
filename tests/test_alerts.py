"""The alert rules agree with the metrics, and say what to do."""

from typing import Any

import pytest

from tests.support.alerts import find_rule_problems, list_metrics, read_rules
from tests.support.documentation import ROOT

RULES = {rule["alert"]: rule for rule in read_rules()}
FRESHNESS = "histogram_quantile(0.95, sum by (connection, le) (rate(sync_freshness_seconds_bucket[6h])))"


@pytest.mark.parametrize("name", RULES)
def test_rule_agrees_with_the_metrics(name: str) -> None:
    """A rule that names a metric, label or value that does not exist never fires."""
    assert find_rule_problems(RULES[name]) == []


def test_each_alert_has_its_own_name() -> None:
    """An operator finds the rule by its name."""
    assert len(RULES) == len(read_rules())


def test_rules_cover_what_needs_a_person() -> None:
    """What the administrator or the operator has to look at has a rule."""
    metrics = set().union(*(list_metrics(rule["expr"]) for rule in RULES.values()))

    assert metrics >= {
        "sync_connection_findings",
        "sync_overdue_polls",
        "sync_balance_people",
        "sync_waiting_people",
        "sync_records_total",
        "sync_runs_total",
        "sync_batches_total",
        "sync_freshness_seconds_bucket",
        "sync_source_freshness_seconds_bucket",
        "sync_target_requests_total",
    }


def test_operations_name_every_alert() -> None:
    """The page for operators tells what each alert means."""
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")

    assert [name for name in RULES if f"`{name}`" not in page] == []


def make_rule(expression: str, **changes: Any) -> dict[str, Any]:
    """Returns a rule that is right but for the expression and these changes."""
    texts = {"summary": "Something happened.", "description": "Run `status`."}
    return {"expr": expression, "for": "15m", "labels": {"severity": "warning"}, "annotations": texts} | changes


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("max(sync_overdue_polls) > 0", None),
        ("max(sync_overdue_polls > ", "the expression is invalid"),
        ("sync_overdue_poles > 0", "no metric has the name sync_overdue_poles"),
        ("rate(sync_runs[5m]) > 0", "no metric has the name sync_runs"),
        ('sync_waiting_people{reason="backlog"} > 0', "sync_waiting_people has no label reason"),
        ('sync_waiting_people{cause=~"backlog|delay"} > 0', "sync_waiting_people has no cause delay"),
        ('increase(sync_runs_total{result="lost"}[1h]) > 0', "sync_runs_total has no result lost"),
        ("max by (colour) (sync_waiting_people) > 0", "no series of the rule has the label colour"),
        (f"{FRESHNESS} > 3600", None),
        (f"{FRESHNESS} > 1800", "1800.0 is not a bound of the histogram"),
    ],
)
def test_check_finds_a_wrong_expression(expression: str, problem: str | None) -> None:
    """The check itself must work."""
    problems = find_rule_problems(make_rule(expression))

    assert len(problems) == (problem is not None)
    assert problem is None or problems[0].startswith(problem)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"for": ""}, "`for` is missing"),
        ({"labels": {"severity": "red"}}, "the severity must be one of critical, warning"),
        ({"annotations": {"description": "Run `status`."}}, "the summary is missing"),
        ({"annotations": {"summary": "It is late."}}, "the description names no command, metric or address"),
        (
            {"annotations": {"summary": "It is late.", "description": "Run `connections heal ID`."}},
            "unknown command 'connections heal'",
        ),
        (
            {"annotations": {"summary": "{{ $labels.cause }}", "description": "Run `status`."}},
            "the text prints the label cause, which is not grouped by",
        ),
    ],
)
def test_check_finds_a_missing_text(changes: dict[str, Any], problem: str) -> None:
    """The check itself must work."""
    assert find_rule_problems(make_rule("max(sync_overdue_polls) > 0", **changes)) == [problem]

"""Checks the alert rules against the metrics: each takes a rule and returns what is wrong with it."""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import promql_parser
import yaml
from prometheus_client import Counter, Gauge, Histogram

from services.contracts.outcomes import WaitingCause
from services.runtime.metrics import Metrics
from tests.support.documentation import ROOT, find_command_problem, find_commands

ALERTS = ROOT / "docs" / "alerts.yml"
SEVERITIES = {"critical", "warning"}
REGULAR = (promql_parser.MatchOp.Re, promql_parser.MatchOp.NotRe)
"""Operators that compare with a regular expression. The rules use alternatives of plain values only."""


class Series(NamedTuple):
    """What a rule may say about one name of a series."""

    labels: frozenset[str]
    """Names of the labels."""
    values: frozenset[str]
    """Values of labels that the metric's documentation names, and the waiting causes."""
    bounds: tuple[float, ...]
    """Upper bounds of a histogram; empty for other metrics."""


def list_series() -> dict[str, Series]:
    """Returns every series of the product by its name."""
    series: dict[str, Series] = {}
    for metric in vars(Metrics()).values():
        if not isinstance(metric, Counter | Gauge | Histogram):
            continue
        (family,) = metric.describe()
        labels = frozenset(metric._labelnames)
        values = frozenset(re.findall(r"`([^`]+)`", family.documentation)) | frozenset(WaitingCause)
        if isinstance(metric, Histogram):
            bounds = tuple(metric._upper_bounds)
            series[f"{family.name}_bucket"] = Series(labels | {"le"}, values, bounds)
            for part in ("sum", "count"):
                series[f"{family.name}_{part}"] = Series(labels, values, ())
        else:
            name = f"{family.name}_total" if isinstance(metric, Counter) else family.name
            series[name] = Series(labels, values, ())
    return series


def read_rules() -> list[dict[str, Any]]:
    """Returns all rules of the file."""
    document = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))
    return [rule for group in document["groups"] for rule in group["rules"]]


def find_rule_problems(rule: dict[str, Any]) -> list[str]:
    """Returns what is wrong with a rule."""
    try:
        expression = promql_parser.parse(rule["expr"])
    except ValueError as error:
        return [f"the expression is invalid: {error}"]
    nodes = _list_nodes(expression)
    return [*_find_metric_problems(nodes), *_find_label_problems(nodes, rule), *_find_text_problems(rule)]


def list_metrics(expression: str) -> set[str]:
    """Returns the names of the series in an expression."""
    return {selector.name or "" for selector in _list_selectors(_list_nodes(promql_parser.parse(expression)))}


def _list_nodes(expression: promql_parser.Expr) -> list[promql_parser.Expr]:
    """Returns all parts of an expression. The series of a range are among them."""
    nodes: list[promql_parser.Expr] = []
    promql_parser.walk(expression, nodes.append)
    return nodes


def _list_selectors(nodes: list[promql_parser.Expr]) -> list[promql_parser.VectorSelector]:
    return [node for node in nodes if isinstance(node, promql_parser.VectorSelector)]


def _find_metric_problems(nodes: list[promql_parser.Expr]) -> Iterator[str]:
    series = list_series()
    for selector in _list_selectors(nodes):
        known = series.get(selector.name or "")
        if known is None:
            yield f"no metric has the name {selector.name}"
            continue
        for matcher in selector.matchers.matchers:
            values = matcher.value.split("|") if matcher.op in REGULAR else [matcher.value]
            if matcher.name not in known.labels:
                yield f"{selector.name} has no label {matcher.name}"
            yield from (
                f"{selector.name} has no {matcher.name} {value}" for value in values if value not in known.values
            )


def _find_label_problems(nodes: list[promql_parser.Expr], rule: dict[str, Any]) -> Iterator[str]:
    """Yields labels that a rule groups by or prints although no series has them, and bounds that no histogram has."""
    series = list_series()
    used = [series[selector.name] for selector in _list_selectors(nodes) if selector.name in series]
    labels = frozenset[str]().union(*(one.labels for one in used))
    grouped = {
        label
        for node in nodes
        if isinstance(node, promql_parser.AggregateExpr) and node.modifier is not None
        for label in node.modifier.labels
    }
    yield from (f"no series of the rule has the label {label}" for label in sorted(grouped - labels))
    printed = set(re.findall(r"\$labels\.(\w+)", str(rule.get("annotations", ""))))
    yield from (f"the text prints the label {label}, which is not grouped by" for label in sorted(printed - grouped))
    bounds = {bound for one in used for bound in one.bounds}
    thresholds = {node.val for node in nodes if isinstance(node, promql_parser.NumberLiteral) and node.val > 1}
    if bounds:
        yield from (f"{threshold} is not a bound of the histogram" for threshold in sorted(thresholds - bounds))


def _find_text_problems(rule: dict[str, Any]) -> Iterator[str]:
    """Yields what a rule does not say: how long it lasts, how urgent it is, what happened, and what to do."""
    if not re.fullmatch(r"\d+[mh]", str(rule.get("for", ""))):
        yield "`for` is missing"
    if rule.get("labels", {}).get("severity") not in SEVERITIES:
        yield f"the severity must be one of {', '.join(sorted(SEVERITIES))}"
    annotations = rule.get("annotations", {})
    description = annotations.get("description", "")
    if not annotations.get("summary"):
        yield "the summary is missing"
    if "`" not in description:
        yield "the description names no command, metric or address"
    problems = (find_command_problem(command) for command in find_commands(description))
    yield from (problem for problem in problems if problem is not None)

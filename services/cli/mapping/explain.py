"""The command ``mapping explain``."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Annotated, Any

import typer

from services.admin.mapping.explain import ExplainedField, Explanation, explain_employee, explain_past, list_settled
from services.admin.mapping.history import RecordPosition, SettledChange
from services.cli.context import CliSettings, Id, Json, find_id, run
from services.cli.output import MINUTES, format_time, join_lines, print_error, print_result
from services.cli.progress import show_progress
from services.contracts.ids import EmployeeId, PersonKey
from services.contracts.outcomes import Intent
from services.contracts.targets import MANAGER, identify_field
from services.mapping.explanations import FieldExplanation
from services.runtime.clock import SystemClock
from services.store.database import Store

READING = "recorded changes of the employee"
"""What the terminal shows while Kafka is read."""
MAX_SHOWN_LENGTH = 200
"""Maximum number of characters of a value on a line."""


def explain(
    connection: Id,
    employee: Annotated[str, typer.Argument(help="The employee's Personio id.")],
    field: Annotated[str | None, typer.Option("--field", help="Path of one field. Default: all fields.")] = None,
    history: Annotated[
        bool,
        typer.Option(
            "--history",
            help="List the settled changes that Kafka still has, newest first. A large topic takes minutes to read.",
        ),
    ] = False,
    revision: Annotated[
        int | None, typer.Option("--revision", help="Explain this past change, with its mapping version.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show where each value of an employee's account comes from, beside what the account has.

    Each field has the attributes that its rule reads, and the value after each step. The output contains personal data.
    """
    if history and (revision is not None or field is not None):
        raise typer.BadParameter("leave --field and --revision out: the list has neither", param_hint="'--history'")
    target = find_id(connection)
    person = PersonKey(target, EmployeeId(employee))
    if history:
        settled = _list_settled(person)
        print_result(join_lines(_format_history(settled)), settled, as_json=as_json)
        return
    explanation = _explain(person) if revision is None else _explain_past(person, revision)
    fields = [one for one in explanation.fields if field is None or _is_named(one, field)]
    if field is not None and not fields:
        print_error(f"no rule writes {field}: `mapping export {target}` shows the rules")
        raise typer.Exit(1)
    lines = [*_format_head(explanation), *(line for one in fields for line in _format_field(one, explanation))]
    print_result(join_lines(lines), replace(explanation, fields=tuple(fields)), as_json=as_json)


def _explain(person: PersonKey) -> Explanation:
    async def work(settings: CliSettings, store: Store) -> Explanation:
        return await explain_employee(
            store, settings, SystemClock(), *person, allow_private=settings.allow_private_addresses
        )

    return run(work)


def _explain_past(person: PersonKey, revision: int) -> Explanation:
    with show_progress(READING) as step:

        async def work(settings: CliSettings, store: Store) -> Explanation:
            return await explain_past(
                store, settings, SystemClock(), *person, revision, lambda name, read: step(name, read, None)
            )

        return run(work)


def _list_settled(person: PersonKey) -> tuple[SettledChange, ...]:
    with show_progress(READING) as step:

        async def work(settings: CliSettings, store: Store) -> tuple[SettledChange, ...]:
            return await list_settled(
                store, settings, SystemClock(), *person, lambda name, read: step(name, read, None)
            )

        return run(work)


def _format_history(settled: Sequence[SettledChange]) -> Iterator[str]:
    if not settled:
        yield "Kafka has no settled change of the employee"
    for one in settled:
        outcome = one.outcome
        reason = f" ({outcome.reason})" if outcome.reason else ""
        yield (
            f"{format_time(outcome.settled_at)}  {outcome.outcome.value}{reason}: "
            f"revision {outcome.revision}, mapping version {outcome.mapping_version}"
        )
        if outcome.written:
            yield f"  written: {', '.join(outcome.written)}"
        yield f"  outcome: {_describe_position(one.position)}"
        yield f"  change: {'no longer recorded' if one.change is None else _describe_position(one.change.position)}"


def _describe_record(explanation: Explanation) -> str:
    """Returns where the change is recorded, or why this is not known."""
    if explanation.position is not None:
        return _describe_position(explanation.position)
    return "Kafka has no record of it" if explanation.is_kafka_read else "unknown, Kafka does not answer now"


def _describe_position(position: RecordPosition) -> str:
    at = "at an unknown time" if position.recorded_at is None else format_time(position.recorded_at)
    return f"{position.topic}, partition {position.partition}, offset {position.offset}, recorded {at}"


def _is_named(field: ExplainedField, path: str) -> bool:
    return identify_field(field.explanation.target) == identify_field(path)


def _format_head(explanation: Explanation) -> Iterator[str]:
    changed = explanation.source_modified_at
    modified = f", changed in Personio {format_time(changed, MINUTES)}" if changed else ""
    yield (
        f"employee {explanation.employee}: revision {explanation.revision}, "
        f"detected {format_time(explanation.detected_at, MINUTES)}{modified}"
    )
    yield f"event: {_describe_record(explanation)}"
    reason = f": {explanation.reason}" if explanation.reason else ""
    yield f"mapping version {explanation.mapping_version} asks to {explanation.intent.value}{reason}"
    if explanation.intent is not Intent.PROVISION and not explanation.is_past:
        yield "the fields of an existing account stay as they are; below is what they would get"
    if explanation.account is None:
        yield "no account is known"
    elif not explanation.is_account_read and not explanation.is_past:
        yield f"account {explanation.account} cannot be read now"
    else:
        yield f"account {explanation.account}"
    outcome = explanation.outcome
    if outcome is not None:
        settled = "" if explanation.is_settled else " (for an earlier change or mapping version)"
        label = "outcome" if explanation.is_past else "last outcome"
        yield f"{label}: {outcome.outcome.value}{settled}{f': {outcome.reason}' if outcome.reason else ''}"


def _format_field(field: ExplainedField, explanation: Explanation) -> Iterator[str]:
    one = field.explanation
    yield ""
    yield f"{one.target}{f' (rule {one.rule})' if one.rule else ''}"
    for key, value in one.attributes.items():
        yield f"  {key}: {_show(value)}"
    for key in one.unknown:
        yield f"  {key}: unknown, the credential does not show it"
    for step in one.steps:
        yield f"  {step.name} → {_show(step.value)}"
    yield f"  {_format_end(one)}"
    if field.refused:
        yield f"  Declaree refused the value ({field.refused})"
    if explanation.is_account_read:
        yield f"  in the account: {_show(field.held)}"


def _format_end(one: FieldExplanation) -> str:
    """Returns what happens to the field."""
    if one.problem:
        return f"rejected: {one.problem}"
    is_manager = one.target == MANAGER
    if one.is_withdrawn:
        return "withdrawn: cleared" if is_manager else f"withdrawn: cleared where the account has {_show(one.value)}"
    if not one.is_written:
        return "stays as it is in Declaree"
    return f"the rule gives: {'the account of employee ' if is_manager else ''}{_show(one.value)}"


def _show(value: Any) -> str:
    """Returns a value on one line, as JSON: a text with several lines could imitate lines of this program."""
    text = "-" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MAX_SHOWN_LENGTH else f"{text[:MAX_SHOWN_LENGTH]}…"

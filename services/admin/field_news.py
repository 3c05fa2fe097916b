"""What an administrator should know about the fields of Declaree, judged against the published mapping. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.admin.attribute_news import MAX_SHOWN, NEWS_LIFETIME
from services.admin.shortening import join_first
from services.contracts.catalogues import SourceCatalogue
from services.contracts.fields import FieldCatalogue, FieldChange, FieldChangeKind
from services.contracts.mappings import PublishedMapping
from services.contracts.targets import identify_field
from services.mapping.target_problems import TargetProblem, TargetProblemKind, find_target_problems


@dataclass(frozen=True, slots=True)
class FieldNews:
    """One thing to know about the fields."""

    text: str
    """What it is, with the next step."""
    is_harmful: bool = False
    """Whether a field that the mapping writes does not follow Personio."""


def judge_fields(
    catalogue: FieldCatalogue, mapping: PublishedMapping | None, sources: SourceCatalogue | None, now: datetime
) -> tuple[FieldNews, ...]:
    """Returns what an administrator should know, the harmful first.

    A field that vanished or cannot be written is named as long as the mapping writes it. Any other change is shown for some time,
    until a mapping is published after it.
    """
    news: list[FieldNews] = []
    if mapping is not None:
        problems = find_target_problems(mapping.mapping, catalogue, sources)
        news += _judge_rules(catalogue, mapping, problems)
    news += _judge_changes(catalogue, mapping, now)
    if catalogue.listed_at is not None and catalogue.asked_at != catalogue.listed_at:
        day = f"{catalogue.listed_at:%Y-%m-%d}"
        news.append(
            FieldNews(
                f"the server no longer lists its fields: those of {day} are used, see whether its version changed"
            )
        )
    return tuple(sorted(news, key=lambda found: not found.is_harmful))


def _judge_rules(
    catalogue: FieldCatalogue, mapping: PublishedMapping, problems: Sequence[TargetProblem]
) -> Iterator[FieldNews]:
    changes = {identify_field(change.path): change for change in catalogue.changes}
    written = {identify_field(rule.target) for rule in mapping.mapping.rules}
    vanished = {
        field: changes[field]
        for field in written
        if field in changes and changes[field].kind is FieldChangeKind.VANISHED
    }
    for number, rule in enumerate(mapping.mapping.rules, start=1):
        change = vanished.get(identify_field(rule.target))
        if change is not None:
            yield FieldNews(
                f"rule {number} ({rule.target}): the server no longer lists the field (seen on {change.at:%Y-%m-%d}): "
                "see in `people list` whether it refuses the value, or remove the rule",
                is_harmful=True,
            )
    for problem in problems:
        field = identify_field(problem.target)
        change = changes.get(field)
        is_read_only = problem.kind is TargetProblemKind.READ_ONLY
        if is_read_only and change is not None and change.kind is FieldChangeKind.READ_ONLY:
            text = f"the server lists it as read-only since {change.at:%Y-%m-%d}: remove the rule"
            yield FieldNews(f"rule {problem.rule} ({problem.target}): {text}", is_harmful=True)
        elif problem.kind is not TargetProblemKind.UNKNOWN or field not in vanished:
            yield FieldNews(problem.describe(), is_harmful=is_read_only)
    for known in catalogue.fields:
        if known.is_required and known.is_writable and identify_field(known.path) not in written:
            yield FieldNews(f"no rule writes {known.path}, which an account needs: add a rule for it")


def _judge_changes(catalogue: FieldCatalogue, mapping: PublishedMapping | None, now: datetime) -> Iterator[FieldNews]:
    known_at = mapping.published_at if mapping is not None else None
    written = {identify_field(rule.target) for rule in mapping.mapping.rules} if mapping is not None else set()
    recent = [
        change
        for change in catalogue.changes
        if change.at > now - NEWS_LIFETIME and (known_at is None or change.at > known_at)
    ]
    for change in recent:
        if change.kind is FieldChangeKind.TYPE_CHANGED and identify_field(change.path) in written:
            yield FieldNews(
                f"the type of {change.path} changed from {change.type_before} to {change.type} ({change.at:%Y-%m-%d}): "
                "compare it in Declaree for some employees"
            )
    usable = [
        change
        for change in recent
        if change.kind in {FieldChangeKind.APPEARED, FieldChangeKind.WRITABLE}
        and identify_field(change.path) not in written
    ]
    if usable:
        yield FieldNews(f"a mapping can now write {_join(usable)}: see `mapping fields {catalogue.connection_id}`")


def _join(changes: Sequence[FieldChange]) -> str:
    return join_first([change.path for change in changes], MAX_SHOWN)

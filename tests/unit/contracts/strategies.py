"""Strategies for every event, mapping and dead letter that the product can write."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from services.contracts.dead_letters import DeadLetter
from services.contracts.events import (
    AccountRequested,
    AccountSynced,
    ChangeKind,
    DesiredAccount,
    EmployeeChanged,
    Event,
    ManagerReference,
)
from services.contracts.mappings import (
    MANAGER,
    AttributeSource,
    AttributesSource,
    Condition,
    ConstantSource,
    ExpressionSource,
    MappingDocument,
    Rule,
    Scope,
)
from services.contracts.outcomes import Intent, Outcome
from services.contracts.targets import identify_field
from services.contracts.topics import Topic
from services.contracts.transforms import (
    DateFormat,
    Default,
    Extract,
    First,
    Iban,
    Join,
    LanguageTag,
    Lower,
    Matching,
    NumberFormat,
    Phone,
    Split,
    Title,
    ToNumber,
    Transliterate,
    Trim,
    Upper,
    ValueTable,
)

repeatable = settings(deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
"""The same examples on every machine, without a time limit."""

texts = st.text(max_size=20)
names = st.text(min_size=1, max_size=20)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(min_value=-(2**80), max_value=2**80)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
)
values = scalars | st.lists(scalars, max_size=4).map(tuple)
zones = st.just(UTC) | st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
times = st.datetimes(datetime(1999, 1, 1), datetime(2100, 1, 1), timezones=zones)  # noqa: DTZ001 - hypothesis needs limits without a zone
revisions = st.integers(min_value=1, max_value=2**63 - 1)
optional_texts = st.none() | texts

targets = st.from_regex(r"x[a-z]{0,8}(\.[a-z]{1,8})?", fullmatch=True)

_event = {
    "connection_id": names.filter(lambda text: "/" not in text),
    "employee_id": names,
    "revision": revisions,
    "detected_at": times,
    "source_modified_at": st.none() | times,
}
_mapped = {**_event, "mapping_version": st.integers(0, 2**31), "reason": optional_texts, "field": optional_texts}

employee_changes = st.builds(
    EmployeeChanged,
    kind=st.sampled_from(ChangeKind),
    changed=st.lists(texts, max_size=4).map(tuple),
    attributes=st.dictionaries(texts, values, max_size=5),
    **_event,
)
desired_accounts = st.builds(
    DesiredAccount,
    external_id=names,
    user_name=names,
    fields=st.dictionaries(targets, values, max_size=5),
    manager=st.none() | st.builds(ManagerReference, employee_id=optional_texts),
)


def _build_provision(content: dict[str, Any], desired: DesiredAccount, prefix: str) -> AccountRequested:
    """Returns a request with an external id of its employee, as the mapper builds it."""
    account = desired.model_copy(update={"external_id": prefix + content["employee_id"]})
    return AccountRequested(intent=Intent.PROVISION, desired=account, **content)


account_requests = st.builds(_build_provision, st.fixed_dictionaries(_mapped), desired_accounts, texts) | st.builds(
    AccountRequested, intent=st.sampled_from(sorted({*Intent} - {Intent.PROVISION})), desired=st.none(), **_mapped
)
outcomes = st.builds(
    AccountSynced,
    outcome=st.sampled_from(Outcome),
    account_id=optional_texts,
    written=st.lists(texts, max_size=4).map(tuple),
    settled_at=times,
    **_mapped,
)
events: st.SearchStrategy[Event] = st.one_of(employee_changes, account_requests, outcomes)

dead_letters = st.builds(
    DeadLetter,
    service=names,
    reason=names,
    fields=texts,
    topic=st.sampled_from(Topic),
    partition=st.integers(0, 1000),
    offset=st.integers(0, 2**63 - 1),
    timestamp_ms=st.integers(-1, 2**62),
    failed_at=times,
    is_copied=st.booleans(),
)

_otherwise = st.sampled_from(["keep", "missing", "reject"])
_locales = st.sampled_from(["en", "de_AT", "zh-Hant"])
_filled = st.text(min_size=1, max_size=20)
transforms = st.one_of(
    st.builds(Trim),
    st.builds(Lower),
    st.builds(Upper),
    st.builds(Title),
    st.builds(Default, value=values),
    st.builds(DateFormat, format=_filled, locale=_locales),
    st.builds(NumberFormat, decimals=st.none() | st.integers(0, 6), locale=_locales, grouping=st.booleans()),
    st.builds(ToNumber, locale=_locales),
    st.builds(ValueTable, table=st.dictionaries(texts, scalars, max_size=3), otherwise=_otherwise),
    st.builds(Join, separator=st.text(max_size=20)),
    st.builds(Split, separator=_filled),
    st.builds(First),
    st.builds(Extract, pattern=_filled, group=st.none() | st.integers() | texts, otherwise=_otherwise),
    st.builds(Matching, pattern=_filled),
    st.builds(Phone, region=st.sampled_from(["DE", "CH"]), otherwise=_otherwise),
    st.builds(Iban, otherwise=_otherwise),
    st.builds(LanguageTag, separator=st.sampled_from("-_"), region=st.sampled_from(["keep", "add", "remove"])),
    st.builds(Transliterate, german=st.booleans()),
)
_attribute = st.builds(AttributeSource, attribute=names)
_largest = st.builds(AttributeSource, attribute=names, largest_by=names)
_several = st.builds(AttributesSource, attributes=st.lists(names, min_size=1, max_size=3).map(tuple))
expressions = st.sampled_from(
    ['first_name + " " + last_name', "has(office.name)", "weekly_hours > 20", "no expression ="]
)
_computed = st.builds(ExpressionSource, expression=expressions)
_conditions = st.builds(Condition, expression=expressions, otherwise=st.sampled_from(["leave", "clear", "reject"]))
_on_missing = st.sampled_from(["leave", "clear", "reject"])
_rules = st.builds(
    Rule,
    target=targets,
    source=_attribute | _largest | _several | _computed | st.builds(ConstantSource, value=values),
    when=st.none() | _conditions,
    transforms=st.lists(transforms, max_size=3).map(tuple),
    on_missing=_on_missing,
) | st.builds(Rule, target=st.just(MANAGER), source=_attribute | _computed, on_missing=_on_missing)
_rule_lists = st.lists(_rules, max_size=6, unique_by=lambda rule: identify_field(rule.target))


def _split(rules: list[Rule], number: int) -> dict[str, tuple[Rule, ...]]:
    return {"rules": tuple(rules[number:]), "withdrawn": tuple(rules[:number])}


def _build_mapping(parts: dict[str, tuple[Rule, ...]], **more: Any) -> MappingDocument:
    return MappingDocument(**parts, **more)


mappings = st.builds(
    _build_mapping,
    st.builds(_split, _rule_lists, st.integers(0, 2)),
    user_name_attribute=names,
    external_id_prefix=texts,
    life_cycle=st.dictionaries(
        st.from_regex(r"[a-zß]{1,10}", fullmatch=True), st.sampled_from(sorted({*Intent} - {Intent.REJECT}))
    ),
    scope=st.builds(Scope, only=st.none() | expressions, otherwise=st.sampled_from(["ignore", "disable"])),
)

"""Events in Kafka: CloudEvents 1.0 in binary content mode, the same bytes whenever they are made."""

import json
import os
import re
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import given

from services.contracts.envelope import (
    HEADERS,
    Cause,
    UnreadableRecordError,
    cause_of,
    read_event,
    to_record,
)
from services.contracts.events import EVENTS, AccountRequested, AccountSynced, EmployeeChanged, Event, Intent, Outcome
from services.contracts.topics import Topic
from tests.builders import asked, changed, requested
from tests.stored import outcome
from tests.unit.contracts import strategies
from tests.unit.contracts.golden import folder_of, golden_records


def golden(event: type[Event], name: str) -> Event:
    return event.model_validate_json((folder_of(event) / f"{name}.json").read_bytes())


# read within the tests: a contract that is broken must not keep the others from being run
one_of_each = pytest.mark.parametrize(
    ("kind", "name"),
    [(EmployeeChanged, "created"), (AccountRequested, "provision"), (AccountSynced, "created")],
    ids=["EmployeeChanged", "AccountRequested", "AccountSynced"],
)


# ------------------------------------------------------------ headers


@pytest.mark.parametrize(
    ("kind", "name", "identity", "source", "ce_type", "time", "span"),
    [
        (
            EmployeeChanged,
            "created",
            b"cjq4xk7wbm2vt/20871/1773045002417",
            b"/personio-declaree/poller",
            b"personio.employee.changed.v1",
            b"2026-03-09T08:30:02.417000+00:00",
            b"3c147a4eadc907d7",
        ),
        (
            AccountRequested,
            "provision",
            b"cjq4xk7wbm2vt/20871/1773045002417/3",
            b"/personio-declaree/mapper",
            b"declaree.account.requested.v1",
            b"2026-03-09T08:30:02.417000+00:00",
            b"2c3e311e97f495bf",
        ),
        (
            AccountSynced,
            "created",
            b"cjq4xk7wbm2vt/20871/1773045002417/3",
            b"/personio-declaree/writer",
            b"declaree.account.synced.v1",
            b"2026-03-09T08:30:04.317308+00:00",
            b"f784f519152e6cf4",
        ),
    ],
    ids=["EmployeeChanged", "AccountRequested", "AccountSynced"],
)
def test_an_event_is_a_cloud_event_in_binary_content_mode(
    kind: type[Event], name: str, identity: bytes, source: bytes, ce_type: bytes, time: bytes, span: bytes
) -> None:
    """Header by header: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md"""
    assert to_record(golden(kind, name)).headers == (
        ("ce_specversion", b"1.0"),
        ("ce_id", identity),
        ("ce_source", source),
        ("ce_type", ce_type),
        ("ce_subject", b"cjq4xk7wbm2vt/20871"),
        ("ce_time", time),
        ("ce_cause", b"detected"),
        ("content-type", b"application/json"),
        ("traceparent", b"00-3f0c5d2aa077260b6f68b72b9210d25c-" + span + b"-01"),
    )


@one_of_each
def test_every_header_has_its_meaning_written_down(kind: type[Event], name: str) -> None:
    assert [header for header, _ in to_record(golden(kind, name)).headers] == list(HEADERS)


@strategies.everywhere_alike
@given(strategies.events)
def test_the_attributes_of_any_event_are_what_the_specification_asks_for(event: Event) -> None:
    """CloudEvents 1.0.2, section 3.1: id and type are texts, source a URI reference, time as in RFC 3339."""
    headers = {name: value.decode("utf-8") for name, value in to_record(event).headers}
    assert all(headers.values())
    assert headers["ce_specversion"] == "1.0"
    assert urlsplit(headers["ce_source"]).path == headers["ce_source"]
    assert headers["content-type"] == "application/json"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?[+-]\d\d:\d\d", headers["ce_time"])
    assert datetime.fromisoformat(headers["ce_time"]) == event.occurred_at


@pytest.mark.parametrize("cause", Cause)
def test_the_cause_of_an_event_travels_with_it(cause: Cause) -> None:
    assert cause_of(to_record(changed(), cause).headers) is cause


@pytest.mark.parametrize(
    "headers",
    [
        (),
        (("ce_cause", None),),
        (("ce_cause", b""),),
        (("ce_cause", b"\xff\xfe"),),
        (("ce_cause", b"invented-later"),),
        (("CE_CAUSE", b"resent"),),
        (("other", b"\xff"), ("another", None)),
    ],
)
def test_without_a_cause_that_we_know_an_event_was_detected(headers: tuple[tuple[str, bytes | None], ...]) -> None:
    assert cause_of(headers) is Cause.DETECTED


def test_headers_that_others_have_added_hide_no_cause() -> None:
    headers = [("ce_cause", None), ("x", b"\xff"), ("ce_cause", b"replayed"), ("ce_cause", b"resent")]
    assert cause_of(headers) is Cause.REPLAYED


# ------------------------------------------------------------ traces


def trace(event: Event) -> tuple[str, str]:
    """Trace and span of an event, checked against W3C Trace Context, section 3.2."""
    parent = dict(to_record(event).headers)["traceparent"].decode("ascii")
    match = re.fullmatch(r"00-([0-9a-f]{32})-([0-9a-f]{16})-(0[01])", parent)
    assert match is not None, parent
    assert match[1] != "0" * 32
    assert match[2] != "0" * 16
    return match[1], match[2]


@strategies.everywhere_alike
@given(strategies.events)
def test_any_event_has_a_valid_trace(event: Event) -> None:
    trace(event)


def test_one_change_has_one_trace_through_all_three_events_with_a_span_for_each() -> None:
    of_one_change = [changed(revision=5), requested(revision=5, version=1), outcome("7", revision=5)]
    traces, spans = zip(*map(trace, of_one_change), strict=True)
    assert len(set(traces)) == 1
    assert len(set(spans)) == 3


def test_another_change_and_another_person_have_another_trace() -> None:
    events = [changed(revision=5), changed(revision=6), changed(employee="8", revision=5)]
    assert len({trace(event)[0] for event in events}) == 3


def test_mapped_again_with_another_mapping_a_change_keeps_its_trace_under_another_span() -> None:
    first, second = trace(requested(version=1)), trace(requested(version=2))
    assert first[0] == second[0]
    assert first[1] != second[1]


# ------------------------------------------------------------ bytes


@one_of_each
def test_a_record_carries_the_person_as_key_and_the_event_as_value(kind: type[Event], name: str) -> None:
    event = golden(kind, name)
    record = to_record(event)
    assert record.topic is event.topic
    assert record.key == b"cjq4xk7wbm2vt/20871"
    assert json.loads(record.value or b"") == event.model_dump(mode="json")


@strategies.everywhere_alike
@given(strategies.events)
def test_any_event_survives_the_way_through_kafka(event: Event) -> None:
    """Compared byte by byte as well: 1, 1.0 and True are equal in Python, and not the same in JSON."""
    record = to_record(event)
    read = read_event(type(event), record.value)
    assert read == event
    assert to_record(read) == record


@pytest.mark.parametrize("seed", ["0", "1", "4711"])
def test_another_process_makes_the_same_bytes(seed: str) -> None:
    """What is sent again after a restart equals what was sent before, whatever order hashing gives to things."""
    script = f"from {golden_records.__module__} import golden_records\nprint(*map(repr, golden_records()), sep='\\n')"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONHASHSEED": seed, "TZ": "Asia/Kathmandu"},
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == list(map(repr, golden_records()))


def test_the_id_of_an_event_stays_whatever_it_is_sent_again_for() -> None:
    first, again = to_record(changed()), to_record(changed(), Cause.REPLAYED)
    assert dict(first.headers)["ce_id"] == dict(again.headers)["ce_id"]
    assert first.value == again.value


def test_ids_of_different_events_differ() -> None:
    """Within one source, as CloudEvents asks: revision and mapping version count, the outcome does not."""
    requests = [requested(), requested(revision=2), requested(version=4), requested("8")]
    assert len({request.event_id for request in requests}) == 4
    settled = [outcome(how=Outcome.CREATED), outcome(how=Outcome.SUPERSEDED)]
    assert len({event.event_id for event in settled}) == 1


# ------------------------------------------------------------ what cannot be read

SECRET = "Ottilie.Geheim@example.com"


def unreadable(value: bytes | None, model: type[Event] = EmployeeChanged) -> UnreadableRecordError:
    with pytest.raises(UnreadableRecordError) as raised:
        read_event(model, value)
    return raised.value


def record_with(**changes: object) -> bytes:
    return json.dumps(changed().model_dump(mode="json") | changes).encode()


@pytest.mark.parametrize("value", [None, b""])
def test_a_record_without_a_value_is_empty(value: bytes | None) -> None:
    assert (unreadable(value).reason, unreadable(value).fields) == ("empty-value", ())


@pytest.mark.parametrize(
    "value",
    [
        b" ",
        b"{",
        b"\xff\xfe",
        b"\x00\x00\x00\x00\x01avro",
        b"{'single': 1}",
        b'{"a": 1} trailing',
        b'{"a": "\\ud83d"}',
        b'{"a": "\xc3"}',
        b'{"a": 01}',
        b"[" * 100_000,
        f'{{"email": "{SECRET}'.encode(),
    ],
)
def test_what_is_not_json_is_said_to_be_just_that(value: bytes) -> None:
    error = unreadable(value)
    assert (str(error), error.fields) == ("not-json", ())


@pytest.mark.parametrize(
    ("content", "fields"),
    [
        (b"[]", ()),
        (b"null", ()),
        (b'"text"', ()),
        (b"{}", ("connection_id", "employee_id", "revision", "detected_at", "kind", "attributes")),
        ({"schema_version": 2}, ("schema_version",)),
        ({"revision": "soon"}, ("revision",)),
        ({"detected_at": "2026-03-09T08:30:02"}, ("detected_at",)),
        ({"detected_at": "yesterday", "kind": "moved"}, ("detected_at", "kind")),
        ({"attributes": [SECRET]}, ("attributes",)),
        ({"attributes": {SECRET: SECRET}}, ("attributes",)),
        ({"attributes": {"a": {"value": {"deep": SECRET}}, SECRET: {"value": [[1]]}}}, ("attributes",)),
        ({"changed": SECRET, "employee_id": [SECRET], "kind": SECRET}, ("employee_id", "kind", "changed")),
    ],
)
def test_of_a_wrong_schema_the_fields_are_named_and_nothing_in_them(
    content: bytes | dict[str, object], fields: tuple[str, ...]
) -> None:
    error = unreadable(content if isinstance(content, bytes) else record_with(**content))
    assert (error.reason, error.fields) == ("wrong-schema", fields)
    assert SECRET not in f"{error} {error!r} {error.args}"
    assert error.__cause__ is None, "the cause would quote the record wherever the error is logged"
    assert error.__suppress_context__


def test_an_event_of_another_kind_is_a_wrong_schema() -> None:
    assert unreadable(to_record(requested()).value, AccountSynced).reason == "wrong-schema"


@pytest.mark.parametrize("intent", sorted({*Intent} - {Intent.PROVISION}))
def test_an_account_is_desired_for_the_intent_to_provision_and_for_no_other(intent: Intent) -> None:
    """A request to provision nothing would be settled as if nobody had asked for an account."""
    nothing = asked(intent).model_dump(mode="json") | {"intent": "provision"}
    too_much = requested().model_dump(mode="json") | {"intent": intent}
    for request in (nothing, {k: v for k, v in nothing.items() if k != "desired"}, too_much):
        assert unreadable(json.dumps(request).encode(), AccountRequested).fields == ("desired",)


def test_fields_that_a_newer_producer_has_added_are_ignored() -> None:
    value = json.dumps(
        changed().model_dump(mode="json") | {"added_later": "Köln", "attributes": {"a": {"value": 1, "unit": "h"}}}
    )
    event = read_event(EmployeeChanged, value.encode())
    assert event.attributes["a"].value == 1
    assert "added_later" not in event.model_dump()


# ------------------------------------------------------------ names


@pytest.mark.parametrize("event", EVENTS)
def test_type_and_topic_of_an_event_carry_the_version_of_its_schema(event: type[Event]) -> None:
    version = f".v{event.model_fields['schema_version'].default}"
    assert event.ce_type.endswith(version)
    assert event.topic.endswith(version)


def test_no_two_events_share_a_topic_or_a_type() -> None:
    assert len({event.topic for event in EVENTS}) == len({event.ce_type for event in EVENTS}) == len(EVENTS)
    assert {event.topic for event in EVENTS} == {*Topic} - {Topic.DEAD_LETTERS}

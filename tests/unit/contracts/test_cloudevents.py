"""Events are CloudEvents 1.0 in binary content mode, with the same bytes each time they are written."""

import json
import os
import re
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import given

from services.contracts.cloudevents import (
    HEADERS,
    MAX_CLOCK_ERROR,
    SendReason,
    UnreadableRecordError,
    ensure_possible_revision,
    parse_send_reason,
    read_event,
    to_record,
)
from services.contracts.events import EVENTS, AccountIdentity, AccountRequested, AccountSynced, EmployeeChanged, Event
from services.contracts.outcomes import Intent, Outcome
from services.contracts.targets import ENTERPRISE, MANAGER, WORK_EMAIL
from services.contracts.topics import Topic
from tests.support.builders import NOW, make_change, make_outcome, make_request, make_request_with_intent
from tests.unit.contracts import strategies
from tests.unit.contracts.golden import build_golden_records, get_folder


def read_golden_event(event: type[Event], name: str) -> Event:
    """Returns a golden example."""
    return event.model_validate_json((get_folder(event) / f"{name}.json").read_bytes())


# The examples are read within the tests, so that a broken contract does not prevent the other tests.
every_event = pytest.mark.parametrize(
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
def test_event_has_the_headers_of_a_cloud_event(
    kind: type[Event], name: str, identity: bytes, source: bytes, ce_type: bytes, time: bytes, span: bytes
) -> None:
    """The attributes are headers, as in the Kafka protocol binding 1.0.2 of CloudEvents."""
    assert to_record(read_golden_event(kind, name)).headers == (
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


@every_event
def test_every_header_has_a_meaning(kind: type[Event], name: str) -> None:
    """`HEADERS` describes the headers of every event, in their order."""
    assert [header for header, _ in to_record(read_golden_event(kind, name)).headers] == list(HEADERS)


@strategies.repeatable
@given(strategies.events)
def test_attributes_of_any_event_fit_the_specification(event: Event) -> None:
    """CloudEvents 1.0.2, section 3.1: ids are strings, the source a URI reference, the time as in RFC 3339."""
    headers = {name: value.decode("utf-8") for name, value in to_record(event).headers}

    assert all(headers.values())
    assert headers["ce_specversion"] == "1.0"
    assert urlsplit(headers["ce_source"]).path == headers["ce_source"]
    assert headers["content-type"] == "application/json"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?[+-]\d\d:\d\d", headers["ce_time"])
    assert datetime.fromisoformat(headers["ce_time"]) == event.occurred_at


@pytest.mark.parametrize("reason", SendReason)
def test_send_reason_is_read_as_written(reason: SendReason) -> None:
    """The mapper passes the send reason on to the request."""
    assert parse_send_reason(to_record(make_change(), reason).headers) is reason


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
def test_unknown_send_reason_counts_as_detected(headers: tuple[tuple[str, bytes | None], ...]) -> None:
    """Records of other versions and programs stay readable."""
    assert parse_send_reason(headers) is SendReason.DETECTED


def test_first_known_send_reason_is_used() -> None:
    """Headers that another program added do not change the send reason."""
    headers = [("ce_cause", None), ("x", b"\xff"), ("ce_cause", b"replayed"), ("ce_cause", b"resent")]

    assert parse_send_reason(headers) is SendReason.REPLAYED


# ------------------------------------------------------------ traces


def parse_trace(event: Event) -> tuple[str, str]:
    """Returns trace and span of an event, checked against W3C Trace Context, section 3.2."""
    parent = dict(to_record(event).headers)["traceparent"].decode("ascii")
    match = re.fullmatch(r"00-([0-9a-f]{32})-([0-9a-f]{16})-(0[01])", parent)
    assert match is not None, parent
    assert match[1] != "0" * 32
    assert match[2] != "0" * 16
    return match[1], match[2]


@strategies.repeatable
@given(strategies.events)
def test_any_event_has_a_valid_trace(event: Event) -> None:
    """The `traceparent` header follows W3C Trace Context."""
    parse_trace(event)


def test_events_of_one_change_share_a_trace() -> None:
    """Each of the three events has a span of its own in the trace."""
    events = [make_change(revision=5), make_request(revision=5, version=1), make_outcome("7", revision=5)]

    traces, spans = zip(*map(parse_trace, events), strict=True)

    assert len(set(traces)) == 1
    assert len(set(spans)) == 3


def test_other_change_or_person_has_another_trace() -> None:
    """A trace belongs to one change of one person."""
    events = [make_change(revision=5), make_change(revision=6), make_change(employee="8", revision=5)]

    assert len({parse_trace(event)[0] for event in events}) == 3


def test_other_mapping_version_gives_another_span() -> None:
    """A change that is mapped again keeps its trace."""
    first, second = parse_trace(make_request(version=1)), parse_trace(make_request(version=2))

    assert first[0] == second[0]
    assert first[1] != second[1]


# ------------------------------------------------------------ bytes


@every_event
def test_record_has_person_as_key_and_event_as_value(kind: type[Event], name: str) -> None:
    """The key puts all events of one person into one partition."""
    event = read_golden_event(kind, name)

    record = to_record(event)

    assert record.topic is event.topic
    assert record.key == b"cjq4xk7wbm2vt/20871"
    assert json.loads(record.value or b"") == event.model_dump(mode="json")


@strategies.repeatable
@given(strategies.events)
def test_any_event_is_read_as_written(event: Event) -> None:
    """Compares the bytes as well: 1, 1.0 and True are equal in Python but differ in JSON."""
    record = to_record(event)

    copy = read_event(type(event), record.value)

    assert copy == event
    assert to_record(copy) == record


@pytest.mark.parametrize("seed", ["0", "1", "4711"])
def test_other_process_writes_the_same_bytes(seed: str) -> None:
    """A record that is sent again after a restart equals the first one, for every hash seed and time zone."""
    module = build_golden_records.__module__
    script = f"from {module} import build_golden_records\nprint(*map(repr, build_golden_records()), sep='\\n')"

    process = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONHASHSEED": seed, "TZ": "Asia/Kathmandu"},
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=True,
    )

    assert process.stdout.splitlines() == list(map(repr, build_golden_records()))


def test_event_that_is_sent_again_keeps_its_id() -> None:
    """Readers can recognise an event that they already know."""
    first, again = to_record(make_change()), to_record(make_change(), SendReason.REPLAYED)

    assert dict(first.headers)["ce_id"] == dict(again.headers)["ce_id"]
    assert first.value == again.value


def test_ids_of_different_events_differ() -> None:
    """Revision and mapping version are in the id; the outcome is not."""
    requests = [make_request(), make_request(revision=2), make_request(version=4), make_request("8")]
    settled = [make_outcome(how=Outcome.CREATED), make_outcome(how=Outcome.SUPERSEDED)]

    assert len({request.event_id for request in requests}) == 4
    assert len({event.event_id for event in settled}) == 1


# ------------------------------------------------------------ unreadable records

SECRET = "Ottilie.Geheim@example.com"


def read_unreadable(value: bytes | None, model: type[Event] = EmployeeChanged) -> UnreadableRecordError:
    """Returns the error that the value raises."""
    with pytest.raises(UnreadableRecordError) as raised:
        read_event(model, value)
    return raised.value


def build_value(**changes: object) -> bytes:
    """Returns the value of an ``EmployeeChanged`` with changed fields."""
    return json.dumps(make_change().model_dump(mode="json") | changes).encode()


@pytest.mark.parametrize("value", [None, b""])
def test_record_without_value_is_unreadable(value: bytes | None) -> None:
    """A tombstone is not an event."""
    assert read_unreadable(value).reason == "empty-value"
    assert read_unreadable(value).fields == ()


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
def test_value_that_is_not_json_is_unreadable(value: bytes) -> None:
    """The error does not contain the value."""
    error = read_unreadable(value)

    assert str(error) == "not-json"
    assert error.fields == ()


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
        ({"attributes": {SECRET: {"value": SECRET}}}, ("attributes",)),
        ({"attributes": {"a": {"value": {"deep": SECRET}}, SECRET: {"value": [[1]]}}}, ("attributes",)),
        ({"changed": SECRET, "employee_id": [SECRET], "kind": SECRET}, ("employee_id", "kind", "changed")),
    ],
)
@pytest.mark.promise("P7")
def test_wrong_schema_names_the_fields_only(content: bytes | dict[str, object], fields: tuple[str, ...]) -> None:
    """The error names the invalid fields but never their content."""
    error = read_unreadable(content if isinstance(content, bytes) else build_value(**content))

    assert error.reason == "wrong-schema"
    assert error.fields == fields
    assert SECRET not in f"{error} {error!r} {error.args}"
    assert error.__cause__ is None, "a log of the error would quote the record of its cause"
    assert error.__suppress_context__


def test_event_of_another_kind_has_the_wrong_schema() -> None:
    """A topic carries one kind of event."""
    assert read_unreadable(to_record(make_request()).value, AccountSynced).reason == "wrong-schema"


@pytest.mark.parametrize("intent", sorted({*Intent} - {Intent.PROVISION}))
def test_desired_account_requires_the_intent_provision(intent: Intent) -> None:
    """The writer would settle a provision request without content as one that needs no account."""
    without_account = make_request_with_intent(intent).model_dump(mode="json") | {"intent": "provision"}
    without_field = {name: value for name, value in without_account.items() if name != "desired"}
    with_account = make_request().model_dump(mode="json") | {"intent": intent}

    for request in (without_account, without_field, with_account):
        assert read_unreadable(json.dumps(request).encode(), AccountRequested).fields == ("desired",)


@pytest.mark.parametrize(
    "target", ["active", "USERNAME", "externalId", "roles", WORK_EMAIL, MANAGER, f"{ENTERPRISE}:manager", "name.", ""]
)
def test_forged_field_makes_a_request_unreadable(target: str) -> None:
    """The writer would give rights, or take another account over."""
    forged = make_request().model_dump(mode="json")
    forged["desired"]["fields"][target] = SECRET

    error = read_unreadable(json.dumps(forged).encode(), AccountRequested)

    assert error.reason == "wrong-schema"
    assert error.fields == ("desired",)
    assert SECRET not in str(error)


def test_unknown_fields_are_ignored() -> None:
    """A newer version may have added fields."""
    value = json.dumps(make_change().model_dump(mode="json") | {"added_later": "Köln", "attributes": {"a": 1}})

    event = read_event(EmployeeChanged, value.encode())

    assert event.attributes["a"] == 1
    assert "added_later" not in event.model_dump()


# ------------------------------------------------------------ revisions


def build_revision(ahead: timedelta) -> int:
    """Returns the revision of a change that is detected this much after ``NOW``."""
    return int((NOW + ahead).timestamp() * 1000)


@pytest.mark.parametrize("revision", [0, build_revision(timedelta()), build_revision(MAX_CLOCK_ERROR)])
def test_revision_within_the_error_of_a_clock_is_possible(revision: int) -> None:
    """The clocks of two machines differ, and one of them may take local time for UTC."""
    ensure_possible_revision(make_change(revision=revision), NOW)

    assert timedelta(hours=14) < MAX_CLOCK_ERROR


@pytest.mark.parametrize(
    "revision",
    [build_revision(MAX_CLOCK_ERROR) + 1, build_revision(timedelta(days=365)), int(NOW.timestamp() * 10**6), 2**63 - 1],
    ids=["one more", "next year", "microseconds", "maximum"],
)
def test_revision_of_the_future_is_unreadable(revision: int) -> None:
    """It would supersede every later change of the employee."""
    for event in (make_change(revision=revision), make_request(revision=revision)):
        with pytest.raises(UnreadableRecordError) as raised:
            ensure_possible_revision(event, NOW)

        assert raised.value.reason == "future-revision"
        assert raised.value.fields == ("revision",)


# ------------------------------------------------------------ names


@pytest.mark.parametrize("event", EVENTS)
def test_type_and_topic_name_the_schema_version(event: type[Event]) -> None:
    """A new version of an event has a topic of its own."""
    version = f".v{event.model_fields['schema_version'].default}"

    assert event.ce_type.endswith(version)
    assert event.topic.endswith(version)


def test_topics_and_types_of_events_are_unique() -> None:
    """A reader knows the kind of an event from its topic."""
    assert len({event.topic for event in EVENTS}) == len({event.ce_type for event in EVENTS}) == len(EVENTS)
    assert {event.topic for event in EVENTS} == {*Topic} - {Topic.DEAD_LETTERS}


@pytest.mark.promise("P5")
@pytest.mark.parametrize("external_id", ["8", "n-8", "", "7-8"])
@pytest.mark.parametrize("intent", [Intent.PROVISION, Intent.DISABLE])
def test_external_id_of_another_employee_is_unreadable(intent: Intent, external_id: str) -> None:
    """A forged request would claim the external id of another employee, and keep that one out."""
    is_provision = intent is Intent.PROVISION
    request = (
        make_request("7")
        if is_provision
        else make_request_with_intent(intent, "7", identity=AccountIdentity(external_id="7"))
    )
    field = "desired" if is_provision else "identity"
    forged = json.loads(request.model_dump_json())
    forged[field]["external_id"] = external_id

    assert read_unreadable(json.dumps(forged).encode(), AccountRequested).fields == (field,)

"""Parsing large JSON in steps: the same values and errors as ``json.loads``, and an event loop that goes on."""

import asyncio
import json
import time
from itertools import pairwise
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.clients.http import client as client_module
from services.clients.http.client import HttpClient
from services.clients.http.large_json import LARGE_BYTES, MAX_CONTAINERS, MAX_DEPTH, MAX_READS, STEPS, parse_in_steps
from services.clients.http.responses import decode_large, parse_json_object
from services.clients.http.threads import MAX_THREADS, run_in_thread
from services.clients.http.transport import Limits
from tests.unit.clients.transports import ScriptedTransport, build_reply

FILLING = "x" * STEPS[-1]
"""A text that makes each object and list around it larger than the last step."""
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner | st.just(FILLING)), max_leaves=20
)


def build_page(people: int) -> str:
    """Returns a page of a list as vendors send it."""
    person = {"attributes": {f"dynamic_{number}": {"label": "Ort", "value": "Zürich"} for number in range(60)}}
    return json.dumps({"success": True, "data": [person] * people}, ensure_ascii=False)


def read(text: str, parse: Any) -> Any:
    """Returns the value, or the word for an error."""
    try:
        return parse(text)
    except ValueError:
        return "invalid"


@given(VALUES, st.sampled_from([None, 1, "\n\t"]))
def test_steps_give_the_value_of_the_text(value: Any, indent: Any) -> None:
    """Every value is read as it was written, in any form."""
    text = json.dumps([value, FILLING], indent=indent)

    assert parse_in_steps(text) == [value, FILLING]


@given(VALUES, st.data())
def test_steps_refuse_what_the_library_refuses(value: Any, data: st.DataObject) -> None:
    """A text with one missing or foreign character has the same result as with Python's parser."""
    text = json.dumps({"a": value, "b": [FILLING]})
    place = data.draw(st.integers(0, len(text) - 1) | st.integers(0, 20) | st.integers(len(text) - 5, len(text) - 1))
    changed = text[:place] + data.draw(st.sampled_from(["", "{", "]", ",", '"', "\x01"])) + text[place + 1 :]

    assert read(changed, parse_in_steps) == read(changed, json.loads)


@pytest.mark.parametrize("levels", [MAX_DEPTH, MAX_DEPTH + 1, 100_000])
@pytest.mark.parametrize("filling", ["1", f'"{FILLING}"'], ids=["small", "large"])
def test_nesting_is_limited(levels: int, filling: str) -> None:
    """Code that works on a deeper value would exceed the limit of recursion."""
    text = "[" * levels + filling + "]" * levels

    if levels <= MAX_DEPTH:
        assert parse_in_steps(text)
    else:
        with pytest.raises(RecursionError):
            parse_in_steps(text)


def test_millions_of_empty_objects_are_refused() -> None:
    """They would take twenty times the memory of the text."""
    with pytest.raises(ValueError, match="too many objects"):
        parse_in_steps('{"data":[' + "{}," * MAX_CONTAINERS + "{}]}")


@pytest.mark.parametrize(
    "text",
    [
        "[" + ",".join(["[" * 150 + "1," * (STEPS[-1] // 2) + "1" + "]" * 150] * 3) + "]",
        "[" + "1," * MAX_READS + "1]",
    ],
    ids=["large lists in large lists", "list of numbers"],
)
def test_time_of_parsing_grows_with_the_size_alone(text: str) -> None:
    """A body that would take a thread for minutes is refused: other companies' bodies need the threads."""
    with pytest.raises(ValueError, match="too many"):
        parse_in_steps(text)


def test_largest_page_of_a_vendor_is_parsed() -> None:
    """A page of a hundred large employees has far fewer large objects than are refused."""
    page = {"data": [{"attributes": {"dynamic_1": [FILLING]}}] * 100}

    assert parse_in_steps(json.dumps(page)) == page


@pytest.mark.parametrize(
    "text",
    [build_page(1_000), '{"a":{"b":{"c":[' + f'{{"x":{[*range(12)]}}},' * 100_000 + "1]}}}"],
    ids=["page", "one deep object"],
)
async def test_large_body_does_not_stop_the_event_loop(text: str) -> None:
    """Parsed at once, even in a thread, the loop would stand still for most of the time."""
    response = httpx.Response(200, content=text.encode())
    times = [time.perf_counter()]

    decoding = asyncio.create_task(decode_large(response))
    while not decoding.done():
        await asyncio.sleep(0)
        times.append(time.perf_counter())

    longest = max(later - earlier for earlier, later in pairwise(times))
    assert longest < (times[-1] - times[0]) / 2


async def test_large_bodies_are_parsed_like_small_ones() -> None:
    """The size of a body makes no difference to what is read, in any character set."""
    padding = "x" * LARGE_BYTES
    bodies = [
        (f'{{"a":"{padding}ü\\ud83d"}}'.encode(), padding + "ü\ud83d"),
        (f'\ufeff {{"a":"{padding}"}} '.encode(), padding),
        (f'{{"a":"{padding}ü"}}'.encode("utf-16"), padding + "ü"),
        (f'{{"a":"{padding}ü"}}'.encode("latin-1"), padding + "ü"),
    ]
    for content, value in bodies:
        response = httpx.Response(200, content=content)
        await decode_large(response)
        assert parse_json_object(response) == {"a": value}

    page = httpx.Response(200, content=f"<html>{padding}".encode())
    await decode_large(page)
    assert parse_json_object(page) is None


async def test_threads_for_bodies_are_bounded() -> None:
    """Many large answers at once take the memory and the processor of a few."""
    running = highest = 0
    event = asyncio.Event()
    loop = asyncio.get_running_loop()

    def note(change: int) -> None:
        nonlocal running, highest
        running += change
        highest = max(highest, running)
        if running == MAX_THREADS:
            event.set()

    def work() -> None:
        asyncio.run_coroutine_threadsafe(wait(), loop).result()

    async def wait() -> None:
        note(1)
        await event.wait()
        note(-1)

    await asyncio.gather(*(run_in_thread(work) for _ in range(5 * MAX_THREADS)))

    assert highest == MAX_THREADS


async def test_large_bodies_of_one_server_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many at once would hold all threads, and delay the bodies of other companies."""
    running = highest = 0

    async def note(_: httpx.Response) -> None:
        nonlocal running, highest
        running += 1
        highest = max(highest, running)
        await asyncio.sleep(0)
        running -= 1

    monkeypatch.setattr(client_module, "decode_large", note)
    client = HttpClient({}, Limits(), ScriptedTransport(*[build_reply(200)] * 5))

    await asyncio.gather(*(client.send_request("GET", "http://server.test/") for _ in range(5)))

    assert highest == 1

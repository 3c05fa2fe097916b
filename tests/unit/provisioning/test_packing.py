"""A dictionary with packed values gives them back unchanged, and needs little memory."""

import json
import tracemalloc
from typing import Any

import pytest

from services.provisioning.packing import PackedDict

NUMBER = 2_000


def build(number: int) -> dict[str, Any]:
    """Returns one of many similar objects."""
    return {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"] * 10, "userName": f"{number}@nordlicht.example"}


@pytest.fixture
def packed() -> PackedDict[int, dict[str, Any]]:
    """A dictionary of JSON objects."""
    return PackedDict(lambda value: json.dumps(value).encode(), json.loads)


def test_values_come_back_unchanged(packed: PackedDict[int, dict[str, Any]]) -> None:
    """Each read returns an object of its own."""
    packed[1], packed[2] = build(1), build(2)
    packed[1] = build(3)
    del packed[2]

    assert dict(packed) == {1: build(3)}
    assert packed[1] is not packed[1]


def test_missing_key_is_an_error(packed: PackedDict[int, dict[str, Any]]) -> None:
    """As in any dictionary."""
    assert 1 not in packed
    with pytest.raises(KeyError):
        packed[1]


def test_many_values_need_little_memory(packed: PackedDict[int, dict[str, Any]]) -> None:
    """A tenth of their JSON."""
    tracemalloc.start()
    for number in range(NUMBER):
        packed[number] = build(number)
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert used / NUMBER <= 250

"""Tombstones: records without a value. In a compacted topic, one erases the earlier records of an employee."""

from services.contracts.ids import PersonKey
from services.contracts.records import Record
from services.contracts.topics import PEOPLE, Topic


def build_tombstone(topic: Topic, person: PersonKey) -> Record:
    """Returns the tombstone of an employee. Raises ``ValueError`` for a topic that is not compacted."""
    if topic not in PEOPLE:
        raise ValueError(f"the topic {topic} is not compacted: a tombstone erases nothing there")
    return Record(topic, bytes(person), None)


def is_tombstone(key: bytes | None, value: bytes | None) -> bool:
    """Returns whether a record of a topic of people is a tombstone: it has the key of an employee, and its value is null."""
    if key is None or value is not None:
        return False
    try:
        PersonKey.parse(key.decode())
    except ValueError:
        return False
    return True

"""What the pages about events say alike: the contracts in the order of the flow, and their golden examples."""

import ast
import inspect
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from services.contracts import topics
from services.contracts.envelope import DeadLetter, to_record
from services.contracts.events import EVENTS, Event
from services.contracts.topics import Topic, TopicRole
from services.runtime.settings import KafkaSettings

GOLDEN = Path(__file__).parents[2] / "tests" / "golden" / "events"
GROUPS = frozenset({"mapper", "writer"})
"""Who reads as a consumer group, which is called like the service; all others read what is recorded, on request."""


@dataclass(frozen=True, slots=True)
class Example:
    """A golden example as the record that it makes."""

    name: str
    headers: Mapping[str, str]
    payload: Any


@dataclass(frozen=True, slots=True)
class Contract:
    """What a topic carries: an event, or the dead letter whose headers ``model`` describes."""

    topic: Topic
    model: type[Event] | type[DeadLetter]

    @property
    def name(self) -> str:
        return self.model.__name__

    @property
    def role(self) -> TopicRole:
        return topics.ROLES[self.topic]

    @property
    def event(self) -> type[Event] | None:
        return self.model if issubclass(self.model, Event) else None

    def examples(self) -> tuple[Example, ...]:
        return tuple(map(self._example, sorted((GOLDEN / self.name).glob("v*/*.json"))))

    def _example(self, file: Path) -> Example:
        content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if self.event is None:
            return Example(file.stem, content, None)
        record = to_record(self.event.model_validate(content))
        return Example(file.stem, {name: value.decode() for name, value in record.headers}, content)


CONTRACTS: tuple[Contract, ...] = (
    *(Contract(event.topic, event) for event in EVENTS),
    Contract(Topic.DEAD_LETTERS, DeadLetter),
)


def default_of(setting: str) -> Any:
    """What a setting of Kafka is unless somebody sets it."""
    return KafkaSettings.model_fields[setting].default


def meanings(words: type[StrEnum]) -> dict[str, str]:
    """The members of an enumeration, and the text below each."""
    body = ast.parse(inspect.getsource(words)).body[0]
    if not isinstance(body, ast.ClassDef):
        raise TypeError(f"{words} is not a class")
    found: dict[str, str] = {}
    for statement, following in zip(body.body, [*body.body[1:], ast.Pass()], strict=True):
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            text = following.value if isinstance(following, ast.Expr) else None
            described = text.value if isinstance(text, ast.Constant) else ""
            found[words[statement.targets[0].id].value] = str(described)
    return found

"""The contracts in the order of the flow, and their golden examples, for the pages about events."""

import ast
import inspect
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from services.contracts import topics
from services.contracts.cloudevents import to_record
from services.contracts.dead_letters import DeadLetter
from services.contracts.events import EVENTS, Event
from services.contracts.topics import Topic, TopicRole
from services.runtime.settings import KafkaSettings

GOLDEN = Path(__file__).parents[2] / "tests" / "golden" / "events"
"""Folder of the golden examples."""
GROUPS = frozenset({"mapper", "writer"})
"""Readers with a consumer group, which has the name of the service. All other readers have none and read on request."""


@dataclass(frozen=True, slots=True)
class Example:
    """A golden example as a record."""

    name: str
    """Name of the file, without its suffix."""
    headers: Mapping[str, str]
    """Headers of the record."""
    payload: Any
    """The event; None for a dead letter."""


@dataclass(frozen=True, slots=True)
class Contract:
    """The content of a topic: an event, or the dead letter."""

    topic: Topic
    """The topic."""
    model: type[Event] | type[DeadLetter]
    """The model: of the value of an event, or of the headers of a dead letter."""

    @property
    def name(self) -> str:
        """Name of the model."""
        return self.model.__name__

    @property
    def role(self) -> TopicRole:
        """Writers and readers of the topic."""
        return topics.ROLES[self.topic]

    @property
    def event(self) -> type[Event] | None:
        """The model of an event; None for the dead letter."""
        return self.model if issubclass(self.model, Event) else None

    def read_examples(self) -> tuple[Example, ...]:
        """Returns the golden examples, in the order of their names."""
        return tuple(map(self._read_example, sorted((GOLDEN / self.name).glob("v*/*.json"))))

    def _read_example(self, file: Path) -> Example:
        content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if self.event is None:
            return Example(file.stem, content, None)
        record = to_record(self.event.model_validate(content))
        return Example(file.stem, {name: value.decode() for name, value in record.headers}, content)


CONTRACTS: tuple[Contract, ...] = (
    *(Contract(event.topic, event) for event in EVENTS),
    Contract(Topic.DEAD_LETTERS, DeadLetter),
)
"""All contracts, in the order of the flow."""


def get_default(setting: str) -> Any:
    """Returns the default of one of Kafka's settings."""
    return KafkaSettings.model_fields[setting].default


def read_member_docstrings(enumeration: type[StrEnum]) -> dict[str, str]:
    """Returns the docstring of each member by its value; an empty string for a member without one."""
    body = ast.parse(inspect.getsource(enumeration)).body[0]
    if not isinstance(body, ast.ClassDef):
        raise TypeError(f"{enumeration} is not a class")
    docstrings: dict[str, str] = {}
    for statement, following in zip(body.body, [*body.body[1:], ast.Pass()], strict=True):
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            literal = following.value if isinstance(following, ast.Expr) else None
            docstring = literal.value if isinstance(literal, ast.Constant) else ""
            docstrings[enumeration[statement.targets[0].id].value] = str(docstring)
    return docstrings

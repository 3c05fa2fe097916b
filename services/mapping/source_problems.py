"""Finds attributes of a mapping that never have a value, by what a credential shows. Pure."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from services.contracts.employees import get_parent
from services.contracts.mappings import MappingDocument
from services.mapping.wanted import find_needed_attributes

MAX_SUGGESTED = 20
"""Maximum number of unknown attributes for which a similar one is looked for."""


@dataclass(frozen=True, slots=True)
class SourceProblem:
    """An attribute that a mapping reads and that has no value."""

    key: str
    """Key of the attribute."""
    problem: str
    """What is wrong, and what to write instead."""
    is_certain: bool = True
    """Whether it cannot have a value. Personio may show further parts of a nested attribute than those that are known."""

    def describe(self) -> str:
        """Returns the problem with its attribute."""
        return f"attribute {self.key}: {self.problem}"


def find_source_problems(mapping: MappingDocument, visible: Mapping[str, Sequence[str]]) -> tuple[SourceProblem, ...]:
    """Returns the problems, in the order of the keys.

    ``visible`` has the attributes that the credential shows, with the keys of the known parts of each nested one.
    """
    return tuple(_find_problems(sorted(find_needed_attributes(mapping)), visible))


def _find_problems(keys: Sequence[str], visible: Mapping[str, Sequence[str]]) -> Iterator[SourceProblem]:
    known = {part for key, parts in visible.items() for part in (parts or (key,))}
    by_lowercase = {key.lower(): key for key in known}
    suggested = 0
    for key in keys:
        if key in known:
            continue
        if visible.get(key):
            yield SourceProblem(key, f"it has parts: write one of them, such as {_choose_part(visible[key])}")
            continue
        suggested += 1
        close = difflib.get_close_matches(key.lower(), by_lowercase, n=1) if suggested <= MAX_SUGGESTED else []
        hint = f"write {by_lowercase[close[0]]}, or " if close else ""
        is_part = bool(visible.get(get_parent(key)))
        yield SourceProblem(
            key, f"the credential does not show it: {hint}release it in Personio", is_certain=not is_part
        )


def _choose_part(parts: Sequence[str]) -> str:
    """Returns the part with the name, or else the first one."""
    return next((part for part in parts if part.endswith(".name")), parts[0])

"""What is wrong with a mapping by what is known of a connection: its attributes and the fields of its server."""

import difflib
from dataclasses import dataclass

from services.contracts.catalogues import SourceAttribute
from services.contracts.employees import get_parent
from services.contracts.ids import ConnectionId
from services.contracts.mappings import MappingDocument
from services.mapping.rule_problems import find_rule_problems
from services.mapping.target_fields import build_field_catalogue
from services.mapping.target_problems import TargetProblemKind, find_target_problems
from services.mapping.wanted import find_needed_attributes
from services.runtime.clock import Clock
from services.store.database import Store

MAX_SUGGESTED = 20
"""Maximum number of unknown attributes for which a similar one is looked for."""


@dataclass(frozen=True, slots=True)
class MappingReview:
    """What is known against a mapping, each with its rule and what to write instead."""

    problems: tuple[str, ...]
    """What is wrong: rules that would reject employees or write nothing."""
    hints: tuple[str, ...]
    """What may be right: fields of an extension that neither the server nor the documentation lists."""


async def review_mapping(
    store: Store, clock: Clock, connection: ConnectionId, mapping: MappingDocument
) -> MappingReview:
    """Compares a mapping with what the last poll and the last check have stored.

    Attributes are unknown before the first poll, and only the documented fields are known before the first check.
    """
    sources = await store.catalogues.get(connection)
    fields = await store.field_catalogues.get(connection) or build_field_catalogue(connection, (), None, clock.now())
    types = (
        {key: attribute.type for attribute in sources.attributes for key in _list_keys(attribute)} if sources else None
    )
    targets = find_target_problems(mapping, fields, sources)
    uncertain = [one for one in targets if one.kind is TargetProblemKind.UNKNOWN and ":" in one.target]
    problems = (
        *(problem.describe() for problem in find_rule_problems(mapping, types)),
        *(problem.describe() for problem in targets if problem not in uncertain),
        *(_find_unknown_attributes(mapping, list(types)) if types else ()),
    )
    return MappingReview(problems, tuple(problem.describe() for problem in uncertain))


def _list_keys(attribute: SourceAttribute) -> tuple[str, ...]:
    return attribute.parts or (attribute.key,)


def _find_unknown_attributes(mapping: MappingDocument, known: list[str]) -> list[str]:
    unknown = sorted(find_needed_attributes(mapping).difference(known))
    nested = {get_parent(key) for key in known if "." in key}
    by_lowercase = {key.lower(): key for key in known}
    problems = []
    for number, key in enumerate(unknown):
        if key in nested:
            problems.append(f"attribute {key}: it has parts: write one of them, such as {key}.name")
            continue
        close = difflib.get_close_matches(key.lower(), by_lowercase, n=1) if number < MAX_SUGGESTED else []
        hint = f"write {by_lowercase[close[0]]}, or " if close else ""
        problems.append(f"attribute {key}: the credential does not show it: {hint}release it in Personio")
    return problems

"""What is wrong with a mapping by what is known of a connection: its attributes and the fields of its server."""

from dataclasses import dataclass

from services.contracts.catalogues import SourceAttribute
from services.contracts.fields import FieldCatalogue
from services.contracts.ids import ConnectionId
from services.contracts.mappings import MappingDocument
from services.mapping.rule_problems import find_rule_problems
from services.mapping.source_problems import find_source_problems
from services.mapping.target_fields import merge_fields
from services.mapping.target_problems import TargetProblem, TargetProblemKind, find_target_problems
from services.store.database import Store


@dataclass(frozen=True, slots=True)
class MappingReview:
    """What is known against a mapping, each with its rule and what to write instead."""

    problems: tuple[str, ...]
    """What is wrong: rules that would reject employees or write nothing."""
    hints: tuple[str, ...]
    """What may be right: fields of an extension, and parts of attributes, that nothing lists."""


async def review_mapping(store: Store, connection: ConnectionId, mapping: MappingDocument) -> MappingReview:
    """Compares a mapping with what the last poll and the last check have stored.

    Attributes are unknown before the first poll, and only the documented fields are known before the first check.
    """
    sources = await store.catalogues.get(connection)
    stored = await store.field_catalogues.get(connection)
    fields = stored or FieldCatalogue(connection_id=connection, fields=merge_fields(()))
    types = (
        {key: attribute.type for attribute in sources.attributes for key in _list_keys(attribute)} if sources else None
    )
    targets = find_target_problems(mapping, fields, sources)
    read = find_source_problems(mapping, {one.key: one.parts for one in sources.attributes}) if sources else ()
    problems = (
        *(problem.describe() for problem in find_rule_problems(mapping, types)),
        *(problem.describe() for problem in targets if not _is_uncertain(problem)),
        *(problem.describe() for problem in read if problem.is_certain),
    )
    hints = (
        *(problem.describe() for problem in targets if _is_uncertain(problem)),
        *(problem.describe() for problem in read if not problem.is_certain),
    )
    return MappingReview(problems, hints)


def _is_uncertain(problem: TargetProblem) -> bool:
    """Whether the field may exist: one of an extension that neither the server nor the documentation lists."""
    return problem.kind is TargetProblemKind.UNKNOWN and ":" in problem.target


def _list_keys(attribute: SourceAttribute) -> tuple[str, ...]:
    return attribute.parts or (attribute.key,)

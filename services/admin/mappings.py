"""Exports and publishes mappings as JSON documents."""

import json
from datetime import timedelta
from typing import ClassVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from services.admin.prefixes import ensure_distinct
from services.contracts.connections import ConnectionState
from services.contracts.ids import ConnectionId
from services.contracts.mappings import EmploymentDates, MappingDocument, PublishedMapping
from services.contracts.tasks import Poll, Resend
from services.errors import ConfigurationError
from services.mapping.wanted import find_wanted_attributes
from services.runtime.clock import Clock
from services.store.database import Store
from services.store.errors import UnknownConnectionError


class InvalidMappingError(ConfigurationError):
    """The document is not a mapping, or no mapping is published. The message names each location and its problem."""

    code: ClassVar[str] = "invalid-mapping"


async def export_document(store: Store, connection: ConnectionId) -> str:
    """Returns the published mapping as a JSON document that ``publish_document`` accepts.

    Raises ``UnknownConnectionError`` if the connection does not exist, and ``InvalidMappingError`` if no mapping is published.
    """
    await store.connections.ensure_exists(connection)
    published = await store.mappings.get_published(connection)
    if published is None:
        raise InvalidMappingError(f"connection {connection} has no published mapping: import one with `mapping import`")
    return format_document(published.mapping)


def format_document(mapping: MappingDocument) -> str:
    """Returns the mapping as indented JSON."""
    return json.dumps(mapping.model_dump(mode="json"), indent=2, ensure_ascii=False)


def parse_document(document: str) -> MappingDocument:
    """Returns the mapping of a JSON document. Raises ``InvalidMappingError``.

    A field that this version does not know is an error here: in a file it is a mistake. In MongoDB a newer version may
    have stored it.
    """
    try:
        return MappingDocument.model_validate_json(document, extra="forbid")
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False, include_context=False)
        details = "; ".join(map(_format_problem, problems))
        raise InvalidMappingError(f"nothing was published, because the document is not a mapping: {details}") from None


def _format_problem(problem: ErrorDetails) -> str:
    location = ".".join(map(str, problem["loc"])) or "document"
    is_unknown = problem["type"] == "extra_forbidden"
    return f"{location}: {'unknown field' if is_unknown else problem['msg'].removeprefix('Value error, ')}"


async def publish_document(store: Store, clock: Clock, connection: ConnectionId, document: str) -> PublishedMapping:
    """Publishes the mapping as the next version and files a task that resends all employees.

    If the mapping reads further attributes, or dates in another way, all employees are polled before. Until then the values of
    these attributes are unknown, and the fields stay as they are. A paused connection has the values from its next poll on. The
    writer then writes real differences only.

    Raises ``InvalidMappingError``, ``UnknownConnectionError``, ``InvalidPrefixError``, and ``PrefixConflictError`` if another
    connection to the same Declaree could have equal external ids.
    """
    mapping = parse_document(document)
    summaries = {summary.id: summary for summary in await store.connections.list_all()}
    if connection not in summaries:
        raise UnknownConnectionError(connection)
    await ensure_distinct(store, summaries[connection].declaree_url, mapping.external_id_prefix, connection)
    earlier = await store.mappings.get_published(connection)
    before = None if earlier is None else earlier.mapping
    has_further_attributes = bool(find_wanted_attributes(mapping) - find_wanted_attributes(before))
    dates_before = EmploymentDates() if before is None else before.employment
    is_poll_needed = has_further_attributes or mapping.employment != dates_before
    now = clock.now()
    # one transaction: without the tasks, the new version would reach only employees that change later
    async with store.transaction() as session:
        published = await store.mappings.publish(connection, mapping, now=now, expected_version=None, session=session)
        if is_poll_needed and summaries[connection].state is ConnectionState.ACTIVE:
            await store.tasks.file_within(session, connection, Poll(), now=now)
        task = Resend(scope="all", reason=f"mapping version {published.version} was published")
        # tasks are carried out in the order of their times
        await store.tasks.file_within(session, connection, task, now=now + timedelta(milliseconds=1))
    return published

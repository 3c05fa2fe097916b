"""Mappings as files: export, import."""

import json

from pydantic import ValidationError

from services.contracts.ids import ConnectionId
from services.contracts.mappings import Mapping, PublishedMapping
from services.contracts.requests import Resend
from services.errors import ConfigurationError
from services.provisioning import paths
from services.runtime.clock import Clock
from services.store.database import Store


class WrongMappingError(ConfigurationError):
    """The document is no mapping; the message names each place and what is wrong with it."""


async def export(store: Store, connection: ConnectionId) -> str:
    """The published mapping as a JSON document that ``publish`` takes."""
    published = await store.mappings.published(connection)
    if published is None:
        raise WrongMappingError(f"connection {connection} has no published mapping")
    return as_document(published.mapping)


def as_document(mapping: Mapping) -> str:
    return json.dumps(mapping.model_dump(mode="json"), indent=2, ensure_ascii=False)


def read(document: str) -> Mapping:
    """Raises ``WrongMappingError``."""
    try:
        # a stored mapping may hold what a newer version added; in a file a person wrote it is a mistake
        mapping = Mapping.model_validate_json(document, extra="forbid")
        for rule in mapping.rules:
            paths.parse(rule.target)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False, include_context=False)
        places = (f"{'.'.join(map(str, problem['loc'])) or 'document'}: {problem['msg']}" for problem in problems)
        raise WrongMappingError("; ".join(places)) from None
    except ValueError as error:
        raise WrongMappingError(str(error)) from None
    return mapping


async def publish(store: Store, clock: Clock, connection: ConnectionId, document: str) -> PublishedMapping:
    """Publishes the next version and asks for everybody to be re-sent; only real differences are then written.

    Both or nothing: a version that is in force without that would reach only those who change by themselves.
    """
    mapping = read(document)
    await store.connections.get(connection)
    async with store.together() as session:
        published = await store.mappings.publish(
            connection, mapping, now=clock.now(), expected_version=None, session=session
        )
        task = Resend(scope="all", why=f"mapping version {published.version} was published")
        await store.requests.file_within(session, connection, task, now=clock.now())
    return published

"""Examines the whole installation, or one connection: what is wrong, what may become wrong, and what to do about it.

It sends read requests only, and changes nothing. Each check is limited in time and concerns itself alone, because some of
what it examines may be down.
"""

from dataclasses import dataclass

from services.admin.connection_examiner import ConnectionExaminer, ConnectionReport
from services.admin.connection_names import find_connection
from services.admin.deployment import MONGODB, can_use, examine_deployment
from services.admin.findings import Finding
from services.runtime.clock import Clock
from services.runtime.settings import KafkaSettings, PollingSettings
from services.store.database import Store


@dataclass(frozen=True, slots=True)
class Report:
    """The findings about the installation."""

    deployment: tuple[Finding, ...]
    """What was found about the parts that all connections share."""
    connections: tuple[ConnectionReport, ...]
    """What was found about each connection, in the order in which they were added."""


async def examine(
    store: Store,
    clock: Clock,
    named: str | None,
    *,
    kafka: KafkaSettings,
    polling: PollingSettings,
    allow_private: bool,
) -> Report:
    """Examines what all connections share and each connection, or only the one that is named as ``find_connection`` reads it.

    ``allow_private`` allows addresses of private networks. Raises ``UnknownConnectionError`` and ``AmbiguousNameError``, unless MongoDB
    does not answer.
    """
    deployment = await examine_deployment(store, kafka, clock)
    if not can_use(MONGODB, deployment):
        return Report(deployment, ())
    connection = None if named is None else await find_connection(store, named)
    examiner = ConnectionExaminer(store, clock, polling, allow_private=allow_private)
    overall, reports = await examiner.examine(connection)
    return Report((*deployment, *overall), reports)

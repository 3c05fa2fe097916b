"""Tells requests with a mapping version that was never published: a program forged them.

Versions order the requests of one revision. Accepted, a forged one would supersede all later mappings of the employee.
"""

from collections.abc import Iterable

from services.contracts.ids import ConnectionId
from services.writer.people import Request
from services.writer.ports import Mappings


class PublishedVersions:
    """The newest published mapping of each connection, as far as it is known."""

    def __init__(self, mappings: Mappings) -> None:
        """``mappings`` are read only for a version that is higher than the known ones: published versions only grow."""
        self._mappings = mappings
        self._newest: dict[ConnectionId, int] = {}

    async def filter_published(self, records: Iterable[Request]) -> frozenset[tuple[int, int]]:
        """Returns partition and offset of the records with a mapping version that was published.

        The mapper has read the mapping before it sent the request, so the version is in MongoDB by now.
        """
        listed = list(records)
        unknown = {record.event.connection_id for record in listed if not self._is_known(record)}
        if unknown:
            self._newest |= await self._mappings.find_newest_versions(unknown)
        return frozenset((record.partition, record.offset) for record in listed if self._is_known(record))

    def _is_known(self, record: Request) -> bool:
        return record.event.mapping_version <= self._newest.get(record.event.connection_id, 0)

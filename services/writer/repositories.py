"""Everything that the writer reads and writes in the database for a batch."""

from typing import Protocol

from services.writer.ports import (
    Brakes,
    Claims,
    Connections,
    Counters,
    FollowUps,
    Ledger,
    Links,
    Mappings,
    Runs,
    Snapshots,
)


class Repositories(Protocol):
    """The repositories of the database, which ``Store`` provides."""

    @property
    def ledger(self) -> Ledger:
        """The ledger entries."""
        ...

    @property
    def claims(self) -> Claims:
        """The owners of accounts."""
        ...

    @property
    def links(self) -> Links:
        """The decisions about accounts that existed before."""
        ...

    @property
    def brakes(self) -> Brakes:
        """The numbers of disabled accounts."""
        ...

    @property
    def counters(self) -> Counters:
        """The numbers of employees."""
        ...

    @property
    def followups(self) -> FollowUps:
        """The employees with a change that waits."""
        ...

    @property
    def mappings(self) -> Mappings:
        """The published mappings."""
        ...

    @property
    def snapshots(self) -> Snapshots:
        """What the poller has stored of the employees."""
        ...

    @property
    def runs(self) -> Runs:
        """The polls."""
        ...

    @property
    def connections(self) -> Connections:
        """The connections."""
        ...

"""Everything that the poller reads and writes in the database."""

from typing import Protocol

from services.contracts.leases import Fence
from services.poller.expiry import LeaverExpiry
from services.poller.observation_ports import Observations
from services.poller.schedule_ports import Leases, Polls, PollSchedule
from services.poller.snapshot_ports import Catalogues, SettlementMarks, Snapshots
from services.poller.verification_ports import Claims, Ledger, Mappings, Verifications
from services.poller.work_ports import FollowUps, Runs, Tasks


class Repositories(Protocol):
    """The repositories that the work on one connection uses."""

    @property
    def snapshots(self) -> Snapshots:
        """The snapshots."""
        ...

    @property
    def catalogues(self) -> Catalogues:
        """The source catalogues."""
        ...

    @property
    def runs(self) -> Runs:
        """The runs."""
        ...

    @property
    def observations(self) -> Observations:
        """The observations of the runs."""
        ...

    @property
    def tasks(self) -> Tasks:
        """The tasks."""
        ...

    @property
    def followups(self) -> FollowUps:
        """The employees to resend."""
        ...

    @property
    def polls(self) -> Polls:
        """The plans of polls."""
        ...

    @property
    def marks(self) -> SettlementMarks:
        """The marks on snapshots."""
        ...

    @property
    def schedule(self) -> PollSchedule:
        """The poll times."""
        ...

    @property
    def ledger(self) -> Ledger:
        """The ledger entries."""
        ...

    @property
    def claims(self) -> Claims:
        """The owners of accounts."""
        ...

    @property
    def mappings(self) -> Mappings:
        """The published mappings."""
        ...

    @property
    def verifications(self) -> Verifications:
        """The verifications and their findings."""
        ...

    @property
    def expiry(self) -> LeaverExpiry:
        """The snapshots of leavers."""
        ...


class PollerStore(Repositories, Protocol):
    """The repositories of the database, which ``Store`` provides."""

    @property
    def leases(self) -> Leases:
        """The leases."""
        ...

    def fence(self, fence: Fence) -> Repositories:
        """Returns the repositories of the work that this fence guards."""
        ...

"""What the writer knows about a request beyond the request itself and the ledger entry."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.contracts.connections import LinkPolicy
from services.contracts.events import AccountRequested
from services.contracts.ids import EmployeeId


def _is_never_pending(_: EmployeeId) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a settlement needs to know besides the request and the entry."""

    now: datetime
    """When the settlement began."""
    late_write_time: timedelta
    """How long a server may take to carry out a write that it did not answer."""
    policy: LinkPolicy = LinkPolicy.ASK
    """What happens with an account that existed before and has the e-mail address of the employee."""
    is_resent: bool = False
    """Whether the request was resent on demand: an earlier rejection by the server is then retried."""
    suspects: tuple[AccountRequested, ...] = ()
    """The requests of this batch for which an earlier writer may have sent a write without noting it."""
    is_newer_possible: bool = False
    """Whether an earlier writer may have sent a newer change, with a request that comes in a later batch."""
    is_external_id_taken: bool = False
    """Whether an employee of another connection owns the external id on this server."""
    is_absent: bool = False
    """Whether Personio no longer lists the employee. The account is then not enabled or provisioned: it stays as it is."""
    is_manager_pending: Callable[[EmployeeId], bool] = _is_never_pending
    """Returns whether the account of a manager is about to be created. A new account then waits for it."""

    @property
    def is_suspect(self) -> bool:
        """Whether an earlier writer may have sent a write without noting it."""
        return bool(self.suspects)

"""Settles the requests of one person, the newest first, and notes why a change waits."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from services.accounts.brake import BrakeKeeper
from services.accounts.owners import AccountOwners
from services.contracts.cloudevents import SendReason
from services.contracts.events import AccountRequested
from services.contracts.ids import EmployeeId
from services.contracts.outcomes import ABOUT_ONE_LOOKUP, WaitingCause
from services.errors import TransientError
from services.provisioning.calls import FindAccounts, ReadAccount
from services.provisioning.circumstances import Circumstances
from services.provisioning.manager import FindManagerAccount
from services.provisioning.settlement import Settlement
from services.provisioning.states import Rejected
from services.runtime.clock import Clock
from services.runtime.kafka.decoding import Incoming
from services.runtime.kafka.ownership import PartitionsMovedError
from services.runtime.log import describe
from services.runtime.time_limit import TimeLimit
from services.store.errors import StoreFailedError
from services.writer.breaker import RequestsBlockedError, find_waiting_cause
from services.writer.causes import UNRELATED, is_parked
from services.writer.endpoint import Endpoint
from services.writer.performer import LedgerUnavailableError, Performer
from services.writer.takeover import Takeover
from services.writer.work import PersonWork

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BatchContext:
    """What the settlements of one person need to know about the batch."""

    find_manager: FindManagerAccount
    """Returns the account of a manager; None if the manager has none yet."""
    is_manager_pending: Callable[[EmployeeId], bool]
    """Returns whether the account of a manager is about to be created."""
    takeover: Takeover
    """What an earlier writer had in progress."""
    is_external_id_taken: bool = False
    """Whether an employee of another connection owns the external id on this server."""
    is_absent: bool = False
    """Whether Personio no longer lists the employee."""


class Worker:
    """Settles requests with the accounts of one connection."""

    def __init__(
        self,
        *,
        endpoint: Endpoint,
        owners: AccountOwners,
        brake: BrakeKeeper,
        context: BatchContext,
        ensure_owned: Callable[[], None],
        clock: Clock,
        settle_seconds: float,
        late_write_seconds: float,
    ) -> None:
        """``ensure_owned`` raises ``PartitionsMovedError`` when this writer may send nothing more.

        A change that takes longer than ``settle_seconds`` waits. The time in which the pace of the server lets no request pass
        does not count. A request without an answer may still be carried out for ``late_write_seconds``.
        """
        self._endpoint = endpoint
        self._owners = owners
        self._context = context
        self._performer = Performer(endpoint, owners, brake, ensure_owned, clock)
        self._clock = clock
        self._settle_seconds = settle_seconds
        self._late_write_time = timedelta(seconds=late_write_seconds)

    async def settle_all(self, person: PersonWork, records: Sequence[Incoming[AccountRequested]]) -> None:
        """Settles the newest request; the older ones in ``records`` are superseded by it. The newest is the last one.

        Settled in order, an older request would be sent again after a crash, over the newer one. Raises
        ``PartitionsMovedError`` only: any other error makes the person wait.
        """
        takeover = self._context.takeover
        suspects = tuple(record.event for record in records if takeover.is_suspect(record))
        person.is_suspect = bool(suspects)
        is_cut = takeover.is_cut(records)
        versions = {record.event.version: record for record in records}
        for version in sorted(versions, reverse=True):
            same = [record for record in records if record.event.version == version]
            person.is_resent = any(record.reason is SendReason.RESENT for record in same)
            settling = self._begin(person, versions[version], suspects, is_cut=is_cut)
            cause = await self._settle_in_time(settling, person)
            if cause is not None:
                settling.wait(cause, self._clock.now())
                person.causes.append(cause)
            person.entry = settling.entry
            if settling.trail.owned_id is not None:
                self._owners.note_account(person.stored.person, settling.trail.owned_id)
            is_detected = any(record.reason is SendReason.DETECTED for record in same)
            person.note_outcomes(settling.replaced, settling.outcome, is_detected=is_detected)

    def _begin(
        self,
        person: PersonWork,
        record: Incoming[AccountRequested],
        suspects: tuple[AccountRequested, ...],
        *,
        is_cut: bool,
    ) -> Settlement:
        context = self._context
        return Settlement(
            record.event,
            person.entry,
            context.find_manager,
            self._endpoint.memory,
            Circumstances(
                now=self._clock.now(),
                late_write_time=self._late_write_time,
                policy=self._endpoint.policy,
                is_resent=person.is_resent,
                suspects=suspects,
                is_newer_possible=is_cut,
                is_external_id_taken=context.is_external_id_taken,
                is_absent=context.is_absent,
                is_manager_pending=context.is_manager_pending,
            ),
        )

    async def _settle_in_time(self, settling: Settlement, person: PersonWork) -> WaitingCause | None:
        """Performs a settlement within the time limit. Returns why the change waits; None if it is settled."""
        try:
            async with TimeLimit(self._settle_seconds):
                return await self._settle(settling, person)
        except PartitionsMovedError:
            raise
        except TimeoutError:
            self._endpoint.record_timeout()
            return WaitingCause.SETTLE_TIMEOUT
        except StoreFailedError as error:
            logger.warning("a document cannot be read: %s", error, extra={"person": str(person.stored.person)})
            return WaitingCause.UNREADABLE_DOCUMENT
        except Exception:  # a defect or an unforeseen answer stops this person only
            logger.exception("change cannot be settled: it waits", extra={"person": str(person.stored.person)})
            return WaitingCause.UNEXPECTED

    async def _settle(self, settling: Settlement, person: PersonWork) -> WaitingCause | None:
        """Performs a settlement, and notes what its result says about the endpoint. Returns why the change waits."""
        try:
            await self._performer.perform_all(settling, person)
            if settling.cause is WaitingCause.MANAGER_PENDING:
                # the manager waits for the same server: what blocks it is the cause that an administrator can remove
                self._endpoint.ensure_usable()
        except RequestsBlockedError as error:
            return error.cause
        except LedgerUnavailableError as error:
            logger.warning("MongoDB lookup failed: %s", error, extra={"person": str(person.stored.person)})
            return WaitingCause.LEDGER_UNAVAILABLE
        except TransientError as error:
            return await self._record_error(error, settling, person)
        if settling.cause is not None:
            await self._record_failure(settling.cause, person)
            return settling.cause
        if settling.result is not None:
            self._endpoint.record_success(has_written=bool(settling.trail.written))
        settling.conclude(self._clock.now())
        if isinstance(settling.result, Rejected):
            person.ask_for_decision(settling.result, self._clock.now())
        return None

    async def _record_error(self, error: TransientError, settling: Settlement, person: PersonWork) -> WaitingCause:
        """Notes an error of the endpoint. Returns why the change waits."""
        breaker, cause, details = self._endpoint.breaker, find_waiting_cause(error), describe(error)
        if cause in ABOUT_ONE_LOOKUP and isinstance(settling.step, ReadAccount | FindAccounts):
            return await breaker.record_lookup_failure(cause, error.retry_after, details, is_parked=is_parked(person))
        await breaker.record_failure(cause, error.retry_after, details)
        return cause

    async def _record_failure(self, cause: WaitingCause, person: PersonWork) -> None:
        if cause not in UNRELATED and not is_parked(person):
            await self._endpoint.breaker.record_failure(cause)

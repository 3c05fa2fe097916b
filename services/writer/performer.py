"""Performs the steps of a settlement: requests to the server, and questions that the writer answers itself."""

from collections.abc import Callable
from typing import ClassVar

from services.accounts.brake import BrakeKeeper
from services.accounts.owners import AccountOwners
from services.contracts.outcomes import WaitingCause
from services.errors import TransientError
from services.provisioning.calls import (
    AskBrake,
    AskOwnership,
    Braked,
    ClaimAccount,
    Pause,
    Refused,
    Reply,
    Step,
)
from services.provisioning.settlement import Settlement
from services.runtime.clock import Clock
from services.runtime.log import describe
from services.writer.breaker import RequestsBlockedError
from services.writer.endpoint import Endpoint
from services.writer.work import PersonWork

PAUSES = (0.2, 0.5, 1.0)
"""Seconds before each further attempt, if the server names no time."""
LONGEST_PAUSE_SECONDS = 10.0
"""Longest pause between two attempts, in seconds. If a server asks for a longer one, the change waits and is resent."""


class WritesForbiddenError(TransientError):
    """The server answered 403 to a write, and this key has never written successfully.

    Treated as a missing permission of the key, not as a problem with one employee.
    """

    code: ClassVar[str] = WaitingCause.WRITES_FORBIDDEN


class LedgerUnavailableError(Exception):
    """MongoDB did not answer a question. Says nothing about the SCIM server, so it must not open the circuit breaker."""


class Performer:
    """Performs the steps of settlements with the accounts of one connection."""

    def __init__(
        self,
        endpoint: Endpoint,
        owners: AccountOwners,
        brake: BrakeKeeper,
        ensure_owned: Callable[[], None],
        clock: Clock,
    ) -> None:
        """``ensure_owned`` raises ``PartitionsMovedError`` when this writer may send nothing more."""
        self._endpoint = endpoint
        self._owners = owners
        self._brake = brake
        self._ensure_owned = ensure_owned
        self._clock = clock

    async def perform_all(self, settling: Settlement, person: PersonWork) -> None:
        """Performs steps until the settlement has a result. Retries a step without an answer a few times."""
        attempt = 0
        if settling.step is not None:
            self._endpoint.ensure_usable()  # before anything is asked or counted for a change that waits
            await self._endpoint.describe()
        while settling.step is not None:
            try:
                settling.receive(await self._perform(settling.step, settling, person))
            except RequestsBlockedError:
                settling.note_unsent()  # if it was sent before, the server did not carry it out
                raise
            except TransientError as error:
                settling.note_unsent()
                pause = error.retry_after if error.retry_after is not None else PAUSES[min(attempt, len(PAUSES) - 1)]
                if attempt >= len(PAUSES) or pause > LONGEST_PAUSE_SECONDS:
                    raise
                attempt += 1
                await self._clock.sleep(pause)

    async def _perform(self, step: Step, settling: Settlement, person: PersonWork) -> Reply:
        match step:
            case Pause(attempt):
                await self._clock.sleep(PAUSES[min(attempt, len(PAUSES) - 1)])
                return None
            case AskOwnership() | ClaimAccount() | AskBrake():
                return await self._answer(step, person)

        def before_sending() -> None:
            self._ensure_owned()
            settling.note_sent()

        answer = await self._endpoint.perform(step, before_sending)
        if isinstance(answer, Refused) and answer.is_forbidden and not self._endpoint.memory.has_written:
            raise WritesForbiddenError("Declaree forbids this key to write (403)")
        return answer

    async def _answer(self, question: AskOwnership | ClaimAccount | AskBrake, person: PersonWork) -> Reply:
        try:
            if isinstance(question, AskBrake):
                self._ensure_owned()
                return Braked(await self._brake.hold(person.stored.connection_id, self._endpoint.guard))
            if isinstance(question, ClaimAccount):
                self._ensure_owned()
                return await self._owners.claim(person.stored.person, question)
            return await self._owners.ask(person.stored.person, question, person.entry.account_id)
        except TransientError as error:
            raise LedgerUnavailableError(describe(error)) from error

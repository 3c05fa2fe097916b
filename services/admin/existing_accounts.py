"""The accounts that exist before a first import: from the server's list, or looked up for each employee without one."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Literal, TypeAlias

from services.clients.declaree.listing import ListUnsupportedError, Perform, iterate_accounts
from services.contracts.addresses import fold_address
from services.contracts.events import AccountRequested
from services.provisioning.calls import FindAccounts, Found, ReadAccount, Resource
from services.provisioning.preview import AccountsByMark, Judgement, Prospect, preview
from services.provisioning.recognition import hash_account
from services.provisioning.states import get_external_id, get_folded_name

Progress: TypeAlias = Callable[[str, int, int | None], Awaitable[None]]
"""Receives what is read (accounts or employees), how many so far, and how many in all; None if that is unknown."""


Fitting: TypeAlias = tuple[AccountRequested, Resource]
"""The request of an employee, and the account that is to be linked, as a list or filter shows it."""
SAMPLES = 50
"""Number of accounts that are read, to learn whether a list or filter shows all that counts."""


class ExistingAccounts:
    """The accounts of one server."""

    def __init__(self, perform: Perform, listed: AccountsByMark | None) -> None:
        """``perform`` sends a call to the server. ``listed`` holds the listed accounts; None for a server without a list."""
        self.perform = perform
        self.listed = listed
        self._shows_whole = True

    @classmethod
    async def read(cls, perform: Perform, progress: Progress) -> "ExistingAccounts":
        """Lists the accounts. Raises ``TransientError``."""
        listed = AccountsByMark()
        try:
            async for _, page in iterate_accounts(perform):
                for live in page.resources:
                    listed.add(live)
                await progress("accounts", listed.count, None)
        except ListUnsupportedError:
            return cls(perform, None)
        return cls(perform, listed)

    @property
    def count(self) -> int | None:
        """Number of accounts; None if the server does not list them."""
        return None if self.listed is None else self.listed.count

    async def judge(self, request: AccountRequested) -> Judgement:
        """Returns what a first import does with an employee, by what lists and filters show.

        Raises ``TransientError``, and ``ListUnsupportedError`` if the server can neither list nor filter its accounts.
        """
        found = await self._look_up(request) if self.listed is None else self.listed.find(request)
        return preview(request, *found)

    async def confirm(self, fitting: Sequence[Fitting]) -> tuple[Judgement, ...]:
        """Returns what happens with employees and the accounts that they would be linked with, after a look at these accounts.

        Lists and filters may hide what counts, such as a role. Some accounts are read. If one of them shows anything else, all
        of them are. Raises ``TransientError``.
        """
        confirmed: dict[int, Judgement] = {}
        step = max(1, len(fitting) // SAMPLES)
        for number in (*range(0, len(fitting), step), *range(len(fitting))):
            if number in confirmed:
                continue
            request, listed = fitting[number]
            if len(confirmed) >= SAMPLES and self._shows_whole:
                confirmed[number] = preview(request, (), (listed,))
                continue
            shown = await self._read(listed)
            if shown is None:
                confirmed[number] = Judgement(Prospect.UNCLEAR, listed, "Declaree does not show it")
                continue
            self._shows_whole = self._shows_whole and hash_account(shown) == hash_account(listed)
            confirmed[number] = preview(request, (), (shown,))
        return tuple(confirmed[number] for number in range(len(fitting)))

    async def _look_up(self, request: AccountRequested) -> tuple[list[Resource], list[Resource]]:
        identity = request.desired or request.identity
        if identity is None:
            return [], []
        marked = await self._find("externalId", identity.external_id)
        by_external_id = [live for live in marked or () if get_external_id(live) == identity.external_id]
        if by_external_id or not identity.user_name:
            return by_external_id, []
        named = await self._find("userName", identity.user_name)
        wanted = fold_address(identity.user_name)
        by_user_name = [live for live in named or () if get_folded_name(live) == wanted]
        if named is None or (named and not by_user_name):
            raise ListUnsupportedError(
                "Declaree can neither list nor filter its accounts: ask its operator to support GET /Users of RFC 7644"
            )
        return [], by_user_name

    async def _find(self, attribute: Literal["externalId", "userName"], value: str) -> tuple[Resource, ...] | None:
        """Returns what a filter finds; None if the server has no such filter."""
        answer = await self.perform(FindAccounts(attribute, value))
        return answer.resources if isinstance(answer, Found) else None

    async def _read(self, listed: Resource) -> Resource | None:
        """Returns the whole account; None if the server does not show it."""
        answer = await self.perform(ReadAccount(listed.id))
        lives = answer.resources if isinstance(answer, Found) else ()
        return next((live for live in lives if live.id == listed.id), None)

"""The accounts that exist before a first import: from the server's list, or looked up for each employee without one."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from services.clients.declaree.listing import ListUnsupportedError, Perform, iterate_accounts
from services.contracts.addresses import fold_address
from services.contracts.events import AccountRequested
from services.provisioning import paths
from services.provisioning.calls import FindAccounts, Found, ReadAccount, Resource
from services.provisioning.preview import AccountsByMark, Judgement, Prospect, preview
from services.provisioning.states import get_external_id

Progress: TypeAlias = Callable[[str, int, int | None], Awaitable[None]]
"""Receives what is read (accounts or employees), how many so far, and how many in all; None if that is unknown."""


@dataclass(frozen=True, slots=True)
class ExistingAccounts:
    """The accounts of one server."""

    perform: Perform
    """Sends a call to the server."""
    listed: AccountsByMark | None
    """The accounts as the server lists them; None for a server without a list."""

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
        """Returns what a first import does with an employee.

        An account that is to be linked is read, unless the list shows all that matters. Raises ``TransientError``, and
        ``ListUnsupportedError`` if the server can neither list nor filter its accounts.
        """
        found = await self._look_up(request) if self.listed is None else self.listed.find(request)
        judgement = preview(request, *found)
        live = judgement.account
        if judgement.prospect is not Prospect.FITTING or live is None:
            return judgement
        if self.listed is not None and self.listed.shows_whole(live):
            return judgement
        shown = await self._read(live)
        if shown is None:
            return replace(judgement, prospect=Prospect.UNCLEAR, reason="Declaree does not show it")
        return preview(request, (), (shown,))

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
        by_user_name = [
            live for live in named or () if fold_address(str(paths.read(live.body, "userName") or "")) == wanted
        ]
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

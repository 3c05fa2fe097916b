"""An index of all accounts on one server, listed once, so that a first import needs no lookup for each person."""

import asyncio
import json
import logging
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from services.clients.declaree.listing import ListUnsupportedError, Perform, iterate_accounts
from services.contracts.addresses import fold_address
from services.contracts.ids import AccountId
from services.provisioning import paths
from services.provisioning.calls import FindAccounts, Found, ReadAccount, Resource
from services.provisioning.packing import Packer
from services.provisioning.states import get_external_id

logger = logging.getLogger(__name__)

SAMPLES = 3
"""Number of listed accounts that are read, to learn whether the list shows all of an account."""
MAX_CONTENT_BYTES = 6 * 1_048_576
"""Estimated size of the content of all accounts that is kept. Further accounts are read when they are found."""
CONTENT_BYTES = 250
"""Estimated size of what is kept beside the compressed content of an account."""
MAX_INDEX_BYTES = 16 * 1_048_576
"""Estimated size of the ids and values of all accounts above which the list is given up. 30,000 accounts need less."""
ENTRY_BYTES = 80
"""Estimated size of what the index keeps beside an id or a value."""
AT_ONCE = 100
"""Number of accounts that are added at once, before other companies get their turn."""
MAX_VALUE = 512
"""Number of characters up to which a value can be found. No e-mail address and no external id of the product is longer."""

_Ids: TypeAlias = dict[str, AccountId | set[AccountId]]
"""Ids of accounts by a value that they have. Nearly every value has one id, and a set of one needs 216 bytes more."""

_ATTRIBUTES = {"externalId": "externalId", "userName": "userName", "emails.value": "emails"}
"""The path of each attribute that a lookup can filter by."""


def select_found(resource: Resource) -> Resource:
    """Returns an account with the attributes that it is found by alone: the others need most of the memory."""
    return Resource(resource.id, {path: resource.body[path] for path in _ATTRIBUTES.values() if path in resource.body})


class PackedAccount(NamedTuple):
    """An account in little memory."""

    id: AccountId
    """The account."""
    content: bytes
    """The attributes as JSON, packed."""
    version: str | None
    """The ETag; None if the server sends none."""

    def unpack(self, packer: Packer) -> Resource:
        """Returns the account. ``packer`` is what has packed it."""
        return Resource(self.id, json.loads(packer.unpack(self.content)), self.version)


class AccountIndex:
    """Ids of all accounts by external id, user name and e-mail address, and their content if the list shows it."""

    def __init__(self) -> None:
        """Starts empty."""
        self.answerable = frozenset(_ATTRIBUTES)
        self.is_complete = True
        """Whether the list has shown every account, so that an account that is not in the index does not exist."""
        self._by_external_id: _Ids = {}
        self._by_address: _Ids = {}
        self._by_user_name: _Ids = {}
        self._contents: dict[AccountId, PackedAccount] = {}
        self._content_bytes = 0
        self._index_bytes = 0
        self._packer = Packer()

    @property
    def is_too_large(self) -> bool:
        """Whether the accounts have more or longer values than those of a company."""
        return self._index_bytes > MAX_INDEX_BYTES

    def add(self, resource: Resource) -> None:
        """Adds an account as a list or an answer shows it."""
        user_name = paths.read(resource.body, "userName")
        self._index_bytes += ENTRY_BYTES + len(resource.id)
        self._note(self._by_external_id, get_external_id(resource), resource.id)
        if isinstance(user_name, str):
            self._note(self._by_user_name, fold_address(user_name), resource.id)
        for address in paths.list_addresses(resource.body):
            self._note(self._by_address, fold_address(address), resource.id)
        if self.is_too_large:  # it answers nothing from now on
            for index in (self._by_external_id, self._by_user_name, self._by_address):
                index.clear()
            self.drop_content()

    def _note(self, index: _Ids, value: str, account: AccountId) -> None:
        if not value or len(value) > MAX_VALUE or self.is_too_large:
            return
        known = index.setdefault(value, account)
        if isinstance(known, set):
            known.add(account)
        elif known != account:
            index[value] = {known, account}
        self._index_bytes += ENTRY_BYTES + len(value)

    def keep_content(self, resource: Resource) -> None:
        """Keeps the content of an account, as JSON that is compressed: accounts of one server differ in few values."""
        self.drop_content(resource.id)
        if self.is_too_large:
            return
        content = json.dumps(resource.body).encode()
        content = self._packer.pack(content)
        if self._content_bytes + CONTENT_BYTES + len(content) <= MAX_CONTENT_BYTES:
            self._content_bytes += CONTENT_BYTES + len(content)
            self._contents[resource.id] = PackedAccount(resource.id, content, resource.version)

    def get_content(self, account: AccountId) -> Resource | None:
        """Returns an account with its content; None if the content is unknown."""
        packed = self._contents.get(account)
        return None if packed is None else packed.unpack(self._packer)

    @property
    def packer(self) -> Packer:
        """What the accounts are packed with."""
        return self._packer

    def get_packed(self, account: AccountId) -> PackedAccount | None:
        """Returns an account with its content, packed; None if the content is unknown."""
        return self._contents.get(account)

    def drop_content(self, account: AccountId | None = None) -> None:
        """Forgets the content of an account, or of all: a write has changed it, or the list does not show it."""
        if account is None:
            self._contents.clear()
            self._content_bytes = 0
        elif account in self._contents:
            self._content_bytes -= CONTENT_BYTES + len(self._contents.pop(account).content)

    def can_answer(self, call: FindAccounts) -> bool:
        """Returns whether the list shows the attribute of this lookup, and the account if it exists."""
        is_shown = call.attribute in self.answerable and len(call.value) <= MAX_VALUE
        return is_shown and not self.is_too_large and (self.is_complete or bool(self.find(call)))

    def find(self, call: FindAccounts) -> tuple[AccountId, ...]:
        """Returns the accounts that match a lookup."""
        match call.attribute:
            case "externalId":
                found = self._by_external_id.get(call.value)
            case "userName":
                found = self._by_user_name.get(fold_address(call.value))
            case "emails.value":
                found = self._by_address.get(fold_address(call.value))
        if isinstance(found, set):
            return tuple(sorted(found))
        return () if found is None else (found,)


async def build_index(perform: Perform, is_late: Callable[[], bool]) -> AccountIndex | None:
    """Lists all accounts; returns None if the server cannot list them, or if it takes too long or too much memory.

    Raises ``TransientError``.
    """
    index = AccountIndex()
    samples: list[Resource] = []
    shown: set[str] = set()
    totals: list[int | None] = []
    ids: set[AccountId] = set()
    listed = 0
    try:
        async for _, page in iterate_accounts(perform):
            for number, resource in enumerate(page.resources, 1):
                if number % AT_ONCE == 0:  # a server may list any number of accounts on a page
                    await asyncio.sleep(0)
                index.add(resource)
                index.keep_content(resource)
                shown |= {name for name, path in _ATTRIBUTES.items() if paths.read(resource.body, path) is not None}
                ids.add(resource.id)
            samples = [*samples, *page.resources][:SAMPLES]
            totals.append(page.total)
            listed += len(page.resources)
            if is_late() or index.is_too_large:
                logger.info("the list of all accounts is too long, each account is looked up")
                return None
    except ListUnsupportedError:
        return None
    index.is_complete = _has_shown_all(totals, len(ids), has_repeated=len(ids) < listed)
    for sample in samples:
        answer = await perform(ReadAccount(sample.id))
        lives = answer.resources if isinstance(answer, Found) else ()
        if not any(paths.drop_meta(live.body) == paths.drop_meta(sample.body) for live in lives):
            # the list hides attributes, so a lookup is only answered for those that it shows for at least one account
            index.answerable = frozenset(shown)
            index.drop_content()
    return index


def _has_shown_all(totals: list[int | None], number: int, *, has_repeated: bool) -> bool:
    """Returns whether a list with these totals on its pages has shown every account. ``number`` is that of different accounts.

    An account that is deleted between two pages moves the later ones forward, so that a page begins too late.
    """
    stated = [total for total in totals if total is not None]
    if not stated:
        return not has_repeated
    return len(stated) == len(totals) and stated == sorted(stated) and number >= stated[0]

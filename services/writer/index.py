"""An index of all accounts on one server, listed once, so that a first import needs no lookup for each person."""

import json
from collections import defaultdict

from services.clients.declaree.listing import ListUnsupportedError, Perform, iterate_accounts
from services.contracts.addresses import fold_address
from services.contracts.ids import AccountId
from services.provisioning import paths
from services.provisioning.calls import FindAccounts, Found, ReadAccount, Resource

SAMPLES = 3
"""Number of listed accounts that are read, to learn whether the list shows all of an account."""
MAX_CONTENTS = 20_000
"""Number of accounts with kept content. Further ones are read when they are found."""

_ATTRIBUTES = {"externalId": "externalId", "userName": "userName", "emails.value": "emails"}
"""The path of each attribute that a lookup can filter by."""


class AccountIndex:
    """Ids of all accounts by external id, user name and e-mail address, and their content if the list shows it."""

    def __init__(self) -> None:
        """Starts empty."""
        self.answerable = frozenset(_ATTRIBUTES)
        self._by_external_id: dict[str, set[AccountId]] = defaultdict(set)
        self._by_address: dict[str, set[AccountId]] = defaultdict(set)
        self._by_user_name: dict[str, set[AccountId]] = defaultdict(set)
        self._contents: dict[AccountId, tuple[bytes, str | None]] = {}

    def add(self, resource: Resource) -> None:
        """Adds an account as a list or an answer shows it."""
        external_id, user_name = paths.read(resource.body, "externalId"), paths.read(resource.body, "userName")
        if external_id is not None:
            self._by_external_id[str(external_id)].add(resource.id)
        if isinstance(user_name, str):
            self._by_user_name[fold_address(user_name)].add(resource.id)
        for address in paths.list_addresses(resource.body):
            self._by_address[fold_address(address)].add(resource.id)

    def keep_content(self, resource: Resource) -> None:
        """Keeps the content of an account, as JSON because that needs the least memory."""
        if len(self._contents) < MAX_CONTENTS:
            self._contents[resource.id] = (json.dumps(resource.body).encode(), resource.version)

    def get_content(self, account: AccountId) -> Resource | None:
        """Returns an account with its content; None if the content is unknown."""
        if account not in self._contents:
            return None
        content, version = self._contents[account]
        return Resource(account, json.loads(content), version)

    def drop_content(self, account: AccountId | None = None) -> None:
        """Forgets the content of an account, or of all: a write has changed it, or the list does not show it."""
        if account is None:
            self._contents.clear()
        else:
            self._contents.pop(account, None)

    def can_answer(self, call: FindAccounts) -> bool:
        """Returns whether the list shows the attribute of this lookup."""
        return call.attribute in self.answerable

    def find(self, call: FindAccounts) -> tuple[AccountId, ...]:
        """Returns the accounts that match a lookup."""
        match call.attribute:
            case "externalId":
                found = self._by_external_id.get(call.value)
            case "userName":
                found = self._by_user_name.get(fold_address(call.value))
            case "emails.value":
                found = self._by_address.get(fold_address(call.value))
        return tuple(sorted(found or ()))


async def build_index(perform: Perform) -> AccountIndex | None:
    """Lists all accounts; returns None if the server cannot list them. Raises ``TransientError``."""
    index = AccountIndex()
    samples: list[Resource] = []
    shown: set[str] = set()
    try:
        async for _, page in iterate_accounts(perform):
            for resource in page.resources:
                index.add(resource)
                index.keep_content(resource)
                shown |= {name for name, path in _ATTRIBUTES.items() if paths.read(resource.body, path) is not None}
            samples = [*samples, *page.resources][:SAMPLES]
    except ListUnsupportedError:
        return None
    for listed in samples:
        answer = await perform(ReadAccount(listed.id))
        lives = answer.resources if isinstance(answer, Found) else ()
        if not any(paths.drop_meta(live.body) == paths.drop_meta(listed.body) for live in lives):
            # the list hides attributes, so a lookup is only answered for those that it shows for at least one account
            index.answerable = frozenset(shown)
            index.drop_content()
    return index

"""What an account can be found by: its external id, and its user name and e-mail addresses. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from services.contracts.addresses import fold_address
from services.contracts.events import AccountRequested
from services.contracts.ledger import LedgerEntry
from services.contracts.values import Value
from services.provisioning import paths
from services.provisioning.calls import FindAccounts, Resource
from services.provisioning.states import get_external_id


class Marks(NamedTuple):
    """What the account of an employee may be found by."""

    external_ids: tuple[str, ...]
    """External ids, each once."""
    addresses: tuple[str, ...]
    """User names and e-mail addresses, each once, in the form in which they are compared."""

    def join(self, other: "Marks") -> "Marks":
        """Returns the marks of both."""
        return _build([*self.external_ids, *other.external_ids], [*self.addresses, *other.addresses])

    def list_lookups(self) -> Iterator[FindAccounts]:
        """Yields the lookups that find an account by these marks."""
        for external_id in self.external_ids:
            yield FindAccounts("externalId", external_id)
        for address in self.addresses:
            yield FindAccounts("userName", address)
            yield FindAccounts("emails.value", address)


def normalise_lookup(call: FindAccounts) -> FindAccounts:
    """Returns a lookup as ``list_lookups`` writes it: equal ones find the same accounts."""
    return call if call.attribute == "externalId" else FindAccounts(call.attribute, fold_address(call.value))


def list_account_marks(live: Resource) -> Marks:
    """Returns what an account can be found by."""
    return _build([get_external_id(live)], paths.list_addresses(live.body))


def list_request_marks(request: AccountRequested) -> Marks:
    """Returns what a request names: external id, user name, and every value that may be an address."""
    identity = request.desired or request.identity
    if identity is None:
        return _build([], [])
    fields = request.desired.fields if request.desired is not None else {}
    return _build([identity.external_id], [identity.user_name, *_list_texts(fields)])


def list_entry_marks(entry: LedgerEntry) -> Marks:
    """Returns what a ledger entry remembers, of creates without an answer as well."""
    return _build([entry.external_id, entry.attempted], [entry.user_name, entry.blocked_name, *entry.attempted_names])


def _list_texts(fields: Mapping[str, Value]) -> Iterator[str]:
    """Yields the texts that may be addresses: all that the account would hold as an e-mail address, and any other with an @."""
    for path, value in fields.items():
        is_address = path.lower().startswith("emails")
        for text in value if isinstance(value, tuple) else (value,):
            if isinstance(text, str) and (is_address or "@" in text):
                yield text


def _build(external_ids: Iterable[str | None], addresses: Iterable[str | None]) -> Marks:
    return Marks(
        tuple(dict.fromkeys(external_id for external_id in external_ids if external_id)),
        tuple(dict.fromkeys(fold_address(address) for address in addresses if address)),
    )

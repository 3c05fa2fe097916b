"""Starts a connection: shows what its first import would do, and what happens with accounts that exist already."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from services.admin.existing_accounts import ExistingAccounts, Fitting, Progress
from services.clients.declaree.client import DeclareeClient
from services.clients.declaree.turns import SHORT_HOLD_SECONDS
from services.clients.personio.v1 import PersonioClient
from services.contracts.claims import Decision, LinkDecision
from services.contracts.connections import LinkPolicy, normalise_server
from services.contracts.employees import Employee, EmploymentPhase, get_parent, get_string
from services.contracts.events import ChangeKind, EmployeeChanged
from services.contracts.ids import AccountId, ConnectionId, EmployeeId, PersonKey, build_sort_key
from services.contracts.values import Value
from services.mapping.employment import EmploymentCalendar
from services.mapping.engine import Engine
from services.mapping.wanted import find_wanted_attributes, select_wanted
from services.provisioning import paths
from services.provisioning.preview import Judgement, Prospect
from services.provisioning.recognition import hash_account
from services.runtime.clock import Clock
from services.store.database import Store

DECISIONS_AT_ONCE = 500
"""Number of link decisions that are stored together."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the first import does with one employee."""

    employee: EmployeeId
    """The employee."""
    prospect: Prospect
    """What happens."""
    account: AccountId | None = None
    """The account that exists; None without one."""
    account_hash: str = ""
    """Hash of what the account shows; empty without one."""
    name: str | None = None
    """First and last name; None unless the names were asked for."""
    account_name: str | None = None
    """First and last name of the account; None unless the names were asked for."""
    reason: str | None = None
    """Why the employee is rejected or the account is unclear; None for every other prospect."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What the first import of a connection does."""

    predictions: tuple[Prediction, ...]
    """One prediction for each employee that Personio lists."""
    accounts: int | None
    """Number of accounts in Declaree; None if it does not list them."""
    links_by_email: bool = False
    """Whether the connection's policy links the accounts that fit, without a decision."""

    @property
    def counts(self) -> dict[str, int]:
        """Number of employees by prospect, in the order of the prospects."""
        counted = Counter(prediction.prospect for prediction in self.predictions)
        return {prospect.value: counted[prospect] for prospect in Prospect if counted[prospect]}

    def list_by(self, prospect: Prospect) -> tuple[Prediction, ...]:
        """Returns the predictions with this prospect, in the order of the employees' ids."""
        selected = [prediction for prediction in self.predictions if prediction.prospect is prospect]
        return tuple(sorted(selected, key=lambda prediction: build_sort_key(prediction.employee)))


async def preview_start(
    store: Store,
    clock: Clock,
    connection: ConnectionId,
    progress: Progress,
    *,
    with_names: bool = False,
    allow_private: bool,
) -> Preview:
    """Reads all employees and all accounts, and returns what the first import would do. Writes nothing.

    ``allow_private`` allows addresses of private networks.
    Raises ``UnknownConnectionError``, ``EncryptionKeyError``, ``TransientError`` and ``ListUnsupportedError``.
    """
    stored = await store.connections.get(connection)
    published = await store.mappings.get_published(connection)
    engine = Engine(published)
    wanted = find_wanted_attributes(published.mapping if published else None)
    calendar = EmploymentCalendar.open(published, ZoneInfo(stored.time_zone), clock.now())
    predictions: list[Prediction] = []
    fitting: dict[int, Fitting] = {}
    client = DeclareeClient(
        stored.declaree,
        clock=clock,
        concurrency=1,
        longest_hold=SHORT_HOLD_SECONDS,
        allow_private=allow_private,
    )
    try:
        accounts = await ExistingAccounts.read(client.perform, progress)
        async with PersonioClient(stored.personio, clock=clock, allow_private=allow_private) as personio:
            visible = {definition.key for definition in await personio.list_attributes()}
            async for page in personio.iterate_pages(visible & set(map(get_parent, wanted))):
                for listed in page.employees:
                    employee = listed.read()
                    if employee is None:
                        continue
                    attributes = select_wanted(wanted, employee.attributes)
                    phase, _ = calendar.find_phase(attributes)
                    request = engine.map(_build_event(connection, employee.id, attributes, phase, clock.now()))
                    judgement = await accounts.judge(request)
                    if judgement.prospect is Prospect.FITTING and judgement.account is not None:
                        fitting[len(predictions)] = (request, judgement.account)
                    predictions.append(_predict(employee, judgement, with_names=with_names))
                await progress("employees", len(predictions), page.total)
        confirmed = await accounts.confirm(tuple(fitting.values()))
    finally:
        await client.close()
    for number, judgement in zip(fitting, confirmed, strict=True):
        predictions[number] = _note(predictions[number], judgement)
    existing = [prediction.account for prediction in predictions if prediction.account is not None]
    owners = await store.claims.find_owners(normalise_server(stored.declaree.url), existing)
    judged = judge_owned(connection, predictions, owners)
    return Preview(judged, accounts.count, stored.link_policy is LinkPolicy.BY_EMAIL)


async def start(store: Store, clock: Clock, connection: ConnectionId, accepted: Preview, *, link: bool) -> None:
    """Starts the connection. With ``link``, the accounts that fit in the accepted preview are linked.

    The decisions are stored before polling starts: the first import does what was shown and accepted. Accounts that
    appear or change later are asked about. Raises ``UnknownConnectionError``.
    """
    await store.connections.ensure_exists(connection)
    if link:
        decisions = [
            LinkDecision(
                connection_id=connection,
                employee_id=prediction.employee,
                account_id=prediction.account,
                account_hash=prediction.account_hash,
                asked_at=clock.now(),
                decision=Decision.LINK,
                decided_at=clock.now(),
            )
            for prediction in accepted.list_by(Prospect.FITTING)
            if prediction.account is not None
        ]
        for first in range(0, len(decisions), DECISIONS_AT_ONCE):
            await store.links.ask(decisions[first : first + DECISIONS_AT_ONCE])
    await store.connections.start(connection, now=clock.now())


def _build_event(
    connection: ConnectionId,
    employee: EmployeeId,
    attributes: dict[str, Value],
    phase: EmploymentPhase,
    now: datetime,
) -> EmployeeChanged:
    return EmployeeChanged(
        connection_id=connection,
        employee_id=employee,
        revision=1,
        detected_at=now,
        kind=ChangeKind.CREATED,
        phase=phase,
        attributes=attributes,
    )


def _predict(employee: Employee, judgement: Judgement, *, with_names: bool) -> Prediction:
    live = judgement.account
    predicted = _note(Prediction(employee.id, judgement.prospect, live.id if live else None), judgement)
    if not with_names:
        return predicted
    names = [get_string(employee.attributes, key) for key in ("first_name", "last_name")]
    account_names = [paths.read(live.body, key) for key in ("name.givenName", "name.familyName")] if live else []
    return replace(predicted, name=_join(names), account_name=_join(account_names) or None)


def _note(prediction: Prediction, judgement: Judgement) -> Prediction:
    """Returns the prediction with this judgement about the same account."""
    shown = hash_account(judgement.account) if judgement.account else ""
    return replace(prediction, prospect=judgement.prospect, account_hash=shown, reason=judgement.reason)


def _join(names: Iterable[object]) -> str:
    return " ".join(str(name) for name in names if name)


def judge_owned(
    connection: ConnectionId, predictions: Sequence[Prediction], owners: Mapping[AccountId, PersonKey]
) -> tuple[Prediction, ...]:
    """Returns the predictions, with the accounts that another employee owns or gets as well.

    An employee with an account of another connection is rejected, as by the writer. Within the connection, it is unclear.
    """
    wanted = Counter(prediction.account for prediction in predictions if prediction.account is not None)

    def judge(prediction: Prediction) -> Prediction:
        account = prediction.account
        if account is None:
            return prediction
        person = PersonKey(connection, prediction.employee)
        owner = owners.get(account, person)
        if owner.connection_id != connection:
            reason = f"it belongs to an employee of connection {owner.connection_id}"
            return replace(prediction, prospect=Prospect.REJECTED, reason=reason)
        if owner != person:
            return replace(prediction, prospect=Prospect.UNCLEAR, reason=f"it belongs to employee {owner.employee_id}")
        if wanted[account] > 1:
            return replace(prediction, prospect=Prospect.UNCLEAR, reason="several employees have this e-mail address")
        return prediction

    return tuple(map(judge, predictions))

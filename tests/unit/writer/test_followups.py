"""What follows from the accounts that a batch has changed."""

from services.contracts.ids import AccountId, EmployeeId, PersonKey
from services.contracts.ledger import ManagerLink, RefusedField
from services.contracts.mappings import MANAGER
from services.store.database import Store
from services.writer.followups import ResendFiler
from services.writer.work import PersonWork
from tests.support.builders import CONNECTION, NOW, make_entry
from tests.support.fakes import FakeClock, FiledTasks

BOSS = PersonKey(CONNECTION, EmployeeId("9"))


def refuse_manager() -> PersonWork:
    """Returns an employee with a manager that the server has refused in this batch."""
    link = ManagerLink(employee_id=BOSS.employee_id, account_id=AccountId("a-9"))
    refused = RefusedField(path=MANAGER, code="400", value="hash", mapping_version=1, tried_at=NOW)
    stored = make_entry("7", manager=link)
    return PersonWork(stored, stored.model_copy(update={"refused": (refused,)}))


async def test_refused_manager_is_looked_up(store: Store) -> None:
    """The account of the manager may no longer exist."""
    tasks, person = FiledTasks(), refuse_manager()
    await store.ledger.write([make_entry("9", account_id="a-9")])

    await ResendFiler(store.ledger, store.followups, tasks, FakeClock()).file_resends({person.stored.person: person})

    assert (await store.ledger.read([BOSS]))[BOSS].verify
    assert tasks.people == {"9"}


async def test_forgotten_manager_gets_no_entry_again(store: Store) -> None:
    """`people forget` has removed it: a mark would create it, and it would be resent for ever."""
    tasks, person = FiledTasks(), refuse_manager()

    await ResendFiler(store.ledger, store.followups, tasks, FakeClock()).file_resends({person.stored.person: person})

    assert await store.ledger.read([BOSS]) == {}
    assert tasks.filed == []

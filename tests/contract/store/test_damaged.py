"""Damaged documents in MongoDB: each concerns its own person, and stops no query over all of them."""

from datetime import timedelta
from typing import Any

import pytest
from motor.motor_asyncio import AsyncIOMotorDatabase

from services.contracts.catalogues import SourceCatalogue
from services.contracts.claims import ClaimKind
from services.contracts.connections import ConnectionState
from services.contracts.events import Version
from services.contracts.ids import AccountId, ConnectionId, EmployeeId
from services.contracts.ledger import Waiting
from services.contracts.outcomes import WaitingCause
from services.contracts.snapshots import Listing
from services.contracts.topics import Topic
from services.contracts.verifications import VerificationStep
from services.contracts.work_ranges import WorkRange
from services.store.claims import hash_claim
from services.store.database import Store
from services.store.errors import StoreFailedError
from tests.support.builders import CONNECTION, NOW, make_connection, make_entry, make_person, make_snapshot

pytestmark = pytest.mark.mongo

Raw = AsyncIOMotorDatabase[dict[str, Any]]
SERVER = "https://declaree.test"
KEY = f"{CONNECTION}/1"
WAITING = Waiting(cause=WaitingCause.UNREADABLE_ENTRY, since=NOW, version=Version(2_000, 3), detected_at=NOW)
MARK = {"outcome": "from-the-future", "revision": 9}


async def damage(raw: Raw, **values: Any) -> None:
    """Replaces fields of the ledger entry of employee 1."""
    await raw["ledger"].update_one({"_id": KEY}, {"$set": values}, upsert=True)


# ------------------------------------------------------------ ledger


async def test_damaged_entry_hides_no_other_entry(mongodb_store: Store, raw: Raw) -> None:
    """The valid fields are read, so that reports get their manager's account; the invalid ones are named."""
    other = make_entry("2", account_id="a-2")
    await mongodb_store.ledger.write([make_entry("1", account_id="a-1"), other])
    await damage(raw, decided=MARK, user_name=["zoe"])

    entries = await mongodb_store.ledger.read([make_person("1"), other.person])

    assert entries[other.person] == other
    assert entries[make_person("1")].account_id == "a-1"
    assert entries[make_person("1")].damage == "decided, user_name"


async def test_held_entry_keeps_what_it_is(mongodb_store: Store, raw: Raw) -> None:
    """The waiting change is noted and found; everything else stays, for the version that can read it."""
    await mongodb_store.ledger.write([make_entry("1")])
    await damage(raw, decided=MARK)

    await mongodb_store.ledger.note_waiting({make_person("1"): WAITING})

    stored = await raw["ledger"].find_one({"_id": KEY})
    assert stored is not None
    assert stored["decided"] == MARK
    assert (await mongodb_store.ledger.read([make_person("1")]))[make_person("1")].waiting == WAITING
    assert [page async for page in mongodb_store.followups.page_waiting(CONNECTION)] == [("1",)]


@pytest.mark.parametrize("values", [{"decided": MARK}, {"seq": "many"}, {"employee_id": 7, "account_id": {"a": 1}}])
async def test_reset_makes_damaged_entry_readable(mongodb_store: Store, raw: Raw, values: dict[str, Any]) -> None:
    """The entry loses its invalid fields, keeps the others, and is looked at."""
    await mongodb_store.ledger.write([make_entry("1", external_id="x1")])
    await damage(raw, **values)

    assert await mongodb_store.ledger.reset(make_person("1"))

    entry = await mongodb_store.ledger.get(make_person("1"))
    assert entry is not None
    assert entry.damage is None
    assert entry.external_id == "x1"
    assert entry.verify
    assert await mongodb_store.ledger.write([entry.model_copy(update={"seq": entry.seq + 1})]) == frozenset()


@pytest.mark.parametrize("values", [{"seq": "many"}, {"connection_id": None, "employee_id": 7}])
async def test_damaged_entry_stops_no_looks(mongodb_store: Store, raw: Raw, values: dict[str, Any]) -> None:
    """Other employees with a due look are still taken, and so are those to mark for verification."""
    await mongodb_store.ledger.write([make_entry(name, look_at=NOW - timedelta(seconds=1)) for name in "12"])
    await damage(raw, **values)

    taken = await mongodb_store.followups.take_due_looks(NOW)
    await mongodb_store.ledger.mark_verify([make_person("1"), make_person("2"), make_person("3")])

    assert "2" in taken[CONNECTION]
    marked = await mongodb_store.ledger.read([make_person("2"), make_person("3")])
    assert all(entry.verify for entry in marked.values())


async def test_entry_without_its_ids_stops_no_resend(mongodb_store: Store, raw: Raw) -> None:
    """The employee is known by the key of the document alone."""
    await mongodb_store.ledger.write([make_entry("1", verify=True, account_id="a-1"), make_entry("2", verify=True)])
    await raw["ledger"].update_one({"_id": KEY}, {"$unset": {"employee_id": True}})

    assert sorted(await mongodb_store.followups.take_due(CONNECTION, NOW, 9, timedelta(minutes=1))) == ["1", "2"]
    assert await mongodb_store.ledger.find_by_accounts(CONNECTION, [AccountId("a-1")]) == {"a-1": "1"}


async def test_structures_in_place_of_text_stop_no_query(mongodb_store: Store, raw: Raw) -> None:
    """A user name, a manager or a blocked name that is a structure fails no query over all entries."""
    await mongodb_store.ledger.write([make_entry("2", blocked_by="a-1", blocked_name="zoe@x.example")])
    await damage(
        raw, connection_id=CONNECTION, account_id="a-1", user_name={"a": 1}, blocked_by="a-1", blocked_name=["b"],
        manager={"employee_id": 7, "account_id": {"c": 1}},
    )  # fmt: skip

    followups = mongodb_store.followups
    unblocked = await followups.find_unblocked(CONNECTION)
    resolvable = await followups.find_resolvable_reports(CONNECTION)
    reports = await followups.find_waiting_reports(CONNECTION, {EmployeeId("7"): AccountId("a-7")})

    assert unblocked == ()
    assert resolvable == ()
    assert reports == ()


# ------------------------------------------------------------ other collections


async def test_damaged_work_range_makes_its_records_suspect(mongodb_store: Store, raw: Raw) -> None:
    """An earlier writer may have had each record of the partition in work. The next range is stored."""
    work = WorkRange(partition=3, first_offset=5, last_offset=9, timestamp_ms=7)
    await raw["work_ranges"].insert_one({"_id": f"{Topic.ACCOUNTS_REQUESTED.value}/3", "first_offset": "five"})

    assert await mongodb_store.work_ranges.begin([work]) == {3: work}
    assert await mongodb_store.work_ranges.begin([work]) == {3: work}


async def test_damaged_claim_gives_its_account_to_no_employee(mongodb_store: Store, raw: Raw) -> None:
    """The account stays claimed, the question for it fails alone, and a list passes it over."""
    person, account, other = make_person("1"), AccountId("a-1"), AccountId("a-2")
    claims = mongodb_store.claims
    await claims.claim_accounts(SERVER, {account: person, other: person})
    await raw["claims"].update_one({"_id": hash_claim(ClaimKind.ACCOUNT, SERVER, account)}, {"$unset": {"owner": True}})

    assert await claims.claim_accounts(SERVER, {account: person, other: person}) == {account}
    assert await claims.find_owners(SERVER, [account, other]) == {other: person}
    assert await claims.read_owners(SERVER, [account, other], []) == {(ClaimKind.ACCOUNT, other): person}
    with pytest.raises(StoreFailedError, match="no valid owner"):
        await claims.find_owner(SERVER, account)


async def test_damaged_decision_hides_no_other_decision(mongodb_store: Store, raw: Raw) -> None:
    """The others of a connection are listed."""
    await raw["links"].insert_one({"_id": "x", "connection_id": CONNECTION, "open": True, "person": KEY})

    assert [page async for page in mongodb_store.links.page_open(CONNECTION)] == [()]


async def test_damaged_report_stops_no_verification(mongodb_store: Store, raw: Raw) -> None:
    """The next verification replaces it. A finding that only a newer version knows hides no other finding."""
    verifications = mongodb_store.verifications
    await raw["verifications"].insert_one({"_id": CONNECTION, "report": {"run": 7}})
    drifts = [{"kind": "from-the-future"}, {"connection_id": CONNECTION, "kind": "missing", "employee_id": "1"}]

    await verifications.begin(CONNECTION, "r1")
    await verifications.save_step(CONNECTION, "r1", VerificationStep(number=0, kind="people", taken_at=NOW))
    await raw["verifications"].update_one({"of_run": "r1"}, {"$set": {"drifts": drifts}})

    assert await verifications.get_report(CONNECTION) is None
    assert [drift.employee_id async for drift in verifications.iterate_drifts(CONNECTION, "r1")] == ["1"]


@pytest.mark.parametrize("values", [{"kind": "from-the-future"}, {"attributes": None}, {"attributes": "{]"}])
async def test_damaged_snapshot_hides_no_other_snapshot(mongodb_store: Store, raw: Raw, values: dict[str, Any]) -> None:
    """It is not replaced: a new snapshot could bring back older data."""
    await mongodb_store.snapshots.save([(make_snapshot("1"), None), (make_snapshot("2"), None)])
    await raw["snapshots"].update_one({"_id": KEY}, {"$set": values})

    stored = await mongodb_store.snapshots.read(CONNECTION, [EmployeeId("1"), EmployeeId("2")])
    lost = await mongodb_store.snapshots.save([(make_snapshot("1", 9_000), None)])

    assert list(stored) == ["2"]
    assert lost == {"1"}


@pytest.mark.parametrize(
    "document", [{}, {"name": 7, "state": "sleeping", "personio": None, "declaree": "x", "created_at": "soon"}], ids=str
)
async def test_damaged_connection_hides_no_other_connection(
    mongodb_store: Store, raw: Raw, document: dict[str, Any]
) -> None:
    """It is listed as damaged and paused, and is not readable. The others are found, polled and written."""
    template = make_connection()
    connection = await mongodb_store.connections.add("Nordlicht", template.personio, template.declaree, now=NOW)
    await raw["connections"].insert_one({"_id": "cdamaged", **document})
    connections = mongodb_store.connections

    listed = {summary.id: summary for summary in await connections.list_all()}

    assert set(listed) == {connection.id, "cdamaged"}
    assert listed[ConnectionId("cdamaged")].state is ConnectionState.PAUSED
    assert set(await connections.get_readable([connection.id, ConnectionId("cdamaged")])) == {connection.id}
    assert await connections.find_by_server(connection.declaree.url) == (connection.id,)
    assert not (await mongodb_store.polls.plan(ConnectionId("cdamaged"))).is_active


async def test_connection_with_another_type_of_id_stops_no_schedule(mongodb_store: Store, raw: Raw) -> None:
    """Ids of different types cannot be sorted, and the schedule of all companies would end."""
    template = make_connection()
    connection = await mongodb_store.connections.add("Nordlicht", template.personio, template.declaree, now=NOW)
    await mongodb_store.connections.start(connection.id, now=NOW)
    await raw["connections"].insert_many([{"_id": key, "state": "active", "identity": str(key)} for key in (7, 7.5)])

    assert await mongodb_store.schedule.find_due(NOW, limit=9) == (connection.id,)


async def test_damaged_mark_keeps_an_employee_forgotten(mongodb_store: Store, raw: Raw) -> None:
    """What may be forgotten is not brought back, and a replay of all others goes on."""
    person = make_person("1")
    await mongodb_store.forgotten.mark([person], now=NOW, until=NOW)
    await raw["forgotten"].update_one({}, {"$set": {"forgotten_at": "yesterday"}})

    found = await mongodb_store.forgotten.find([person, make_person("2")])

    assert list(found) == [person]
    assert found[person] > NOW + timedelta(days=365)


@pytest.mark.parametrize(
    "values",
    [
        *(
            {"content_hash": 5},
            {"phase": "later"},
            {"phase": None},
            {"next_day": "soon"},
            {"next_day": 5},
            {"status": 5},
        ),
        {"phase": ["current"]},
    ],
)
async def test_snapshot_with_a_damaged_state_is_needed_whole(
    mongodb_store: Store, raw: Raw, values: dict[str, Any]
) -> None:
    """A scan then reads the snapshot, which notes the damage. It hides no other state."""
    await mongodb_store.snapshots.save([(make_snapshot("1"), None), (make_snapshot("2"), None)])
    await raw["snapshots"].update_one({"_id": KEY}, {"$set": values})

    states = await mongodb_store.snapshots.read_states(CONNECTION, [EmployeeId("1"), EmployeeId("2")])

    assert states[EmployeeId("1")] is None
    assert states[EmployeeId("2")] is not None


@pytest.mark.parametrize(
    "values",
    [
        {"digest": 5},
        {"digest": ["digest"]},
        {"unfilled": None},
        {"unfilled": "email"},
        {"unfilled": [["email"], 5]},
        {"unfilled": {"email": 5}},
    ],
)
async def test_damaged_listing_concerns_no_change(mongodb_store: Store, raw: Raw, values: dict[str, Any]) -> None:
    """It is only an abbreviation: the employee is read, and another listing is noted."""
    snapshot = make_snapshot("1", digest="digest", unfilled=("office",))
    await mongodb_store.snapshots.save([(snapshot, None)])
    await raw["snapshots"].update_one({"_id": KEY}, {"$set": values})

    states = await mongodb_store.snapshots.read_states(CONNECTION, [EmployeeId("1")])
    stored = await mongodb_store.snapshots.read(CONNECTION, [EmployeeId("1")])

    state = states[EmployeeId("1")]
    assert state is not None
    assert state.listing != Listing("digest", ("office",))
    assert stored[EmployeeId("1")].attributes == snapshot.attributes


async def test_snapshot_with_a_revision_below_zero_is_damaged(mongodb_store: Store, raw: Raw) -> None:
    """No event can have it, so a resend of all employees would end at this one."""
    await mongodb_store.snapshots.save([(make_snapshot("1"), None), (make_snapshot("2"), None)])
    await raw["snapshots"].update_one({"_id": KEY}, {"$set": {"revision": -1}})

    stored = await mongodb_store.snapshots.read(CONNECTION, [EmployeeId("1"), EmployeeId("2")])

    assert [str(snapshot.to_record().key) for snapshot in stored.values()] == [str(bytes(make_person("2")))]


# ------------------------------------------------------------ source catalogues


async def test_damaged_catalogue_is_replaced_by_the_next_scan(mongodb_store: Store, raw: Raw) -> None:
    """It contains nothing that Personio does not know."""
    catalogue = SourceCatalogue(connection_id=CONNECTION, attributes=())
    await raw["source_catalogues"].insert_one({"_id": CONNECTION, "attributes": "damaged"})

    damaged = await mongodb_store.catalogues.get(CONNECTION)
    await mongodb_store.catalogues.save(catalogue)

    assert damaged is None
    assert await mongodb_store.catalogues.get(CONNECTION) == catalogue

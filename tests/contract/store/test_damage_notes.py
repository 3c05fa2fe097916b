"""Notes about documents that cannot be read: their owner, what is wrong, and that a repaired one has none."""

import base64
import json
from datetime import timedelta
from typing import Any

import pytest
from motor.motor_asyncio import AsyncIOMotorDatabase

from services.contracts.damage import DocumentKind
from services.contracts.ids import AccountId, ConnectionId, EmployeeId, PersonKey
from services.contracts.leases import ProcessIdentity
from services.contracts.mappings import PublishedMapping, UnreadableMapping, default_mapping
from services.contracts.tasks import Resend, TaskState
from services.store.database import Store
from services.store.encryption import FORMAT, NONCE_BYTES
from services.store.errors import EncryptionKeyError, StoreFailedError
from services.store.links import build_link_key
from services.store.tasks import UNREADABLE
from tests.support.builders import CONNECTION, DECLAREE, NOW, OTHER, PERSONIO, make_snapshot
from tests.support.leases import age_leases

pytestmark = pytest.mark.mongo

Raw = AsyncIOMotorDatabase[dict[str, Any]]
KEY = f"{CONNECTION}/1"
FIRST, SECOND = EmployeeId("1"), EmployeeId("2")


def make_owner(token: str) -> ProcessIdentity:
    """Returns a process with this token."""
    return ProcessIdentity(host="h", pid=1, token=token)


async def read_snapshots(store: Store) -> list[EmployeeId]:
    """Returns the employees of the snapshots that can be read."""
    return sorted(await store.snapshots.read(CONNECTION, [FIRST, SECOND]))


@pytest.mark.parametrize(
    ("change", "field"),
    [({"kind": "from-the-future"}, "kind"), ({"attributes": "{]"}, "attributes"), ({"revision": "many"}, "revision")],
)
async def test_damaged_snapshot_is_noted_until_it_is_repaired(
    mongodb_store: Store, raw: Raw, change: dict[str, Any], field: str
) -> None:
    """The note names the employee, the field and the next step. The repaired document is read again, and has no note."""
    await mongodb_store.snapshots.save([(make_snapshot("1"), None), (make_snapshot("2"), None)])
    whole = await raw["snapshots"].find_one({"_id": KEY})
    await raw["snapshots"].update_one({"_id": KEY}, {"$set": change})

    assert await read_snapshots(mongodb_store) == [SECOND]
    assert await read_snapshots(mongodb_store) == [SECOND]
    (note,) = await mongodb_store.damage.list_all(CONNECTION)

    assert note.kind is DocumentKind.SNAPSHOT
    assert note.employee_id == FIRST
    assert note.problem.startswith(f"the stored Snapshot {KEY} has invalid fields ({field}): upgrade")
    assert await mongodb_store.damage.list_all(OTHER) == ()

    await raw["snapshots"].replace_one({"_id": KEY}, whole or {})

    assert await mongodb_store.damage.list_all() == ()
    assert await raw["damage"].count_documents({}) == 0
    assert await read_snapshots(mongodb_store) == [FIRST, SECOND]


async def test_note_about_a_removed_document_is_removed(mongodb_store: Store, raw: Raw) -> None:
    """What is gone needs no attention."""
    await raw["snapshots"].insert_one({"_id": KEY, "connection_id": CONNECTION})
    await read_snapshots(mongodb_store)
    await raw["snapshots"].delete_one({"_id": KEY})

    assert await mongodb_store.damage.list_all() == ()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("mapping.format_version", 2),
        ("mapping.rules", "all"),
        ("mapping", None),
        ("version", "seven"),
        ("published_at", "soon"),
    ],
)
async def test_unreadable_mapping_hides_no_other_mapping(mongodb_store: Store, raw: Raw, path: str, value: Any) -> None:
    """It stands for itself, never an older version; another connection has its own. A new version takes its place."""
    for connection in (CONNECTION, CONNECTION, OTHER):
        await mongodb_store.mappings.publish(connection, default_mapping(), now=NOW, expected_version=None)
    whole = await raw["mappings"].find_one({"_id": f"{CONNECTION}/2"})
    await raw["mappings"].update_one({"_id": f"{CONNECTION}/2"}, {"$set": {path: value}})

    newest = await mongodb_store.mappings.get_all_published([CONNECTION, OTHER])

    unreadable = newest[CONNECTION]
    assert isinstance(unreadable, UnreadableMapping)
    assert f"the stored PublishedMapping {CONNECTION}/2 has invalid fields ({path}" in unreadable.problem
    assert "publish a mapping with `mapping import`" in unreadable.problem
    assert isinstance(newest[OTHER], PublishedMapping)
    assert [note.document for note in await mongodb_store.damage.list_all(CONNECTION)] == [f"{CONNECTION}/2"]
    assert all(isinstance(v, int) for v in (await mongodb_store.mappings.find_newest_versions([CONNECTION])).values())
    with pytest.raises(StoreFailedError):
        await mongodb_store.mappings.get_published(CONNECTION)

    await raw["mappings"].replace_one({"_id": f"{CONNECTION}/2"}, whole or {})

    published = (await mongodb_store.mappings.get_all_published([CONNECTION]))[CONNECTION]
    assert isinstance(published, PublishedMapping)
    assert published.version == 2
    assert await mongodb_store.damage.list_all() == ()


async def test_mapping_is_published_over_an_unreadable_one(mongodb_store: Store, raw: Raw) -> None:
    """This is what an administrator can do without the newer version."""
    await mongodb_store.mappings.publish(CONNECTION, default_mapping(), now=NOW, expected_version=None)
    await raw["mappings"].update_one({"connection_id": CONNECTION}, {"$set": {"mapping.format_version": 2}})

    published = await mongodb_store.mappings.publish(CONNECTION, default_mapping(), now=NOW, expected_version=1)

    assert published.version == 2
    assert await mongodb_store.mappings.get_all_published([CONNECTION]) == {CONNECTION: published}


TOKENS = {
    "another character": "gAAAü",
    "empty": "",
    "null": None,
    "number": 7,
    "list": ["x"],
    "object": {"v": 2},
    "newer format": "v2:abc",
    "another key": f"{FORMAT}{'A' * 80}",
}
"""Values in place of a sealed secret."""


@pytest.mark.parametrize("token", TOKENS.values(), ids=TOKENS)
async def test_unreadable_secret_hides_no_other_connection(mongodb_store: Store, raw: Raw, token: Any) -> None:
    """The connection is noted with what to do; the others are read. A new secret is enough."""
    first = await mongodb_store.connections.add("Nordlicht", PERSONIO, DECLAREE, now=NOW)
    other = PERSONIO.model_copy(update={"client_id": "papi-2"})
    second = await mongodb_store.connections.add("Südlicht", other, DECLAREE, now=NOW)
    await raw["connections"].update_one({"_id": first.id}, {"$set": {"declaree.key": token}})

    readable = await mongodb_store.connections.get_readable([first.id, second.id])
    (note,) = await mongodb_store.damage.list_all()

    assert set(readable) == {second.id}
    assert note.connection_id == first.id
    assert note.employee_id is None
    assert "declaree.key" in note.problem
    assert f"`connections secrets {first.id} --declaree`" in note.problem
    with pytest.raises(EncryptionKeyError):
        await mongodb_store.connections.get(first.id)

    await mongodb_store.connections.set_credentials(first.id, now=NOW, declaree_key=DECLAREE.key)

    assert await mongodb_store.damage.list_all() == ()


@pytest.mark.parametrize("content", [b"", b"\xff", "ü".encode(), b"a\nb"], ids=str)
async def test_token_with_another_content_is_unreadable(mongodb_store: Store, raw: Raw, content: bytes) -> None:
    """A newer version may have put something else into it, under a key that this version knows."""
    connection = await mongodb_store.connections.add("Nordlicht", PERSONIO, DECLAREE, now=NOW)
    cipher: Any = mongodb_store.connections._codec._cipher
    place = json.dumps([connection.id, "declaree", "key", DECLAREE.url]).encode()
    nonce = bytes(NONCE_BYTES)
    token = FORMAT + base64.b64encode(nonce + cipher._keys[0].encrypt(nonce, content, place)).decode()
    await raw["connections"].update_one({"_id": connection.id}, {"$set": {"declaree.key": token}})

    assert await mongodb_store.connections.get_readable([connection.id]) == {}
    assert len(await mongodb_store.damage.list_all()) == 1


async def test_damaged_decision_is_noted_and_stops_its_employee_alone(mongodb_store: Store, raw: Raw) -> None:
    """Without the decision, an account could be linked that was refused."""
    key = build_link_key(PersonKey(CONNECTION, FIRST), AccountId("a-1"))
    await raw["links"].insert_one({"_id": key, "connection_id": CONNECTION, "person": KEY, "decision": "perhaps"})

    assert await mongodb_store.links.read([PersonKey(CONNECTION, SECOND)]) == {}
    with pytest.raises(StoreFailedError, match="people reset"):
        await mongodb_store.links.read([PersonKey(CONNECTION, FIRST)])

    assert [note.employee_id for note in await mongodb_store.damage.list_all()] == [FIRST]


async def test_damaged_run_stops_no_list(mongodb_store: Store, raw: Raw) -> None:
    """The other runs are listed, and the status has no last run."""
    run = await mongodb_store.runs.begin(CONNECTION, now=NOW)
    await raw["runs"].insert_one(
        {"_id": "n2", "connection_id": CONNECTION, "started": NOW.replace(year=2027), "state": "dreaming"}
    )

    assert await mongodb_store.runs.list_newest(CONNECTION) == (run,)
    assert await mongodb_store.runs.get_last_finished(CONNECTION) is None
    assert [note.document for note in await mongodb_store.damage.list_all(CONNECTION)] == ["n2"]


async def test_task_that_cannot_be_read_fails_alone(mongodb_store: Store, raw: Raw) -> None:
    """The other tasks are carried out, and the same task can be filed again."""
    action = Resend(scope="rejected", reason="test")
    first = await mongodb_store.tasks.file(CONNECTION, action, now=NOW, once="rejected")
    second = await mongodb_store.tasks.file(CONNECTION, action, now=NOW)
    await raw["tasks"].update_one({"_id": first.id}, {"$set": {"action.kind": "from-the-future"}})

    assert await mongodb_store.tasks.list_open(CONNECTION) == (second,)
    stored = await raw["tasks"].find_one({"_id": first.id})

    assert stored is not None
    assert stored["state"] == TaskState.FAILED
    assert stored["error"] == UNREADABLE
    assert await mongodb_store.tasks.file(CONNECTION, action, now=NOW, once="rejected") != first


async def test_unreadable_task_does_not_stand_for_a_new_one(mongodb_store: Store, raw: Raw) -> None:
    """The writer files its task although the open one of the same key cannot be read."""
    action = Resend(scope="rejected", reason="test")
    first = await mongodb_store.tasks.file(CONNECTION, action, now=NOW, once="rejected")
    await raw["tasks"].update_one({"_id": first.id}, {"$unset": {"action": True}})

    second = await mongodb_store.tasks.file(CONNECTION, action, now=NOW, once="rejected")

    assert await mongodb_store.tasks.list_open(CONNECTION) == (second,)


async def test_task_without_a_connection_stops_no_schedule(mongodb_store: Store, raw: Raw) -> None:
    """It belongs to no company, and the connections with tasks are found."""
    await mongodb_store.tasks.file(CONNECTION, Resend(scope="all", reason="test"), now=NOW)
    await raw["tasks"].insert_many([{"_id": "t1", "state": "open"}, {"_id": "t2", "state": "open", "connection_id": 7}])

    assert await mongodb_store.tasks.find_connections_with_unfinished(limit=10) == (CONNECTION,)


@pytest.mark.parametrize("day", ["soon", 7, ["2026-01-01"], None])
async def test_damaged_day_counts_as_none(mongodb_store: Store, raw: Raw, day: Any) -> None:
    """The daily work is done once more, and stores the day."""
    connection = ConnectionId("c1")
    await raw["connections"].insert_one({"_id": connection, "rejected_resent_on": day, "verified_on": day})

    plan = await mongodb_store.polls.plan(connection)
    assert plan.rejected_resent_on is None
    assert plan.verified_on is None


async def test_keys_of_damaged_snapshots_stop_no_list(mongodb_store: Store, raw: Raw) -> None:
    """A snapshot without its employee id, or with an id of another type, hides no other employee."""
    await mongodb_store.snapshots.save([(make_snapshot("2"), None)])
    oversized = {"connection_id": CONNECTION, "oversized_revision": 5, "revision": 5}
    await raw["snapshots"].insert_many([{"_id": KEY, **oversized}, {"_id": 7, "connection_id": CONNECTION}])

    employees = [employee async for employee in mongodb_store.snapshots.stream_employee_ids(CONNECTION)]

    assert sorted(employees) == [FIRST, SECOND]
    assert await mongodb_store.snapshots.find_oversized(CONNECTION) == (FIRST,)


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"owner": 7},
        {"expires_at": "soon"},
        {"expires_at": None},
        {"expires_at": NOW + timedelta(days=400)},
        {"fence": "many"},
        {"owner": {"token": 7}},
    ],
    ids=str,
)
async def test_damaged_lease_is_free(mongodb_store: Store, raw: Raw, content: dict[str, Any]) -> None:
    """Its company would never be polled again. Afterwards, the lease has one owner as before."""
    leases, first, second = mongodb_store.leases, make_owner("a"), make_owner("b")
    lease = await leases.acquire("x", first, seconds=60)
    assert lease is not None
    await raw["leases"].update_one({"_id": "x"}, {"$set": content} if content else {"$unset": {"owner": True}})

    assert "expires_at" not in content or not await leases.find_held(["x"])

    taken = await leases.acquire("x", second, seconds=60)

    assert taken is not None
    assert taken.owner == second
    assert taken.fence == (1 if content == {"fence": "many"} else 2)
    assert not await leases.renew(lease, seconds=60)
    assert await leases.acquire("x", first, seconds=60) is None


async def test_lease_with_an_owner_of_a_newer_version_ends_by_its_time(mongodb_store: Store, raw: Raw) -> None:
    """The owner may live, although this version cannot tell."""
    leases, first, second = mongodb_store.leases, make_owner("a"), make_owner("b")
    await leases.acquire("x", first, seconds=60)
    await raw["leases"].update_one({"_id": "x"}, {"$set": {"owner.colour": "blue"}})

    assert await leases.acquire("x", second, seconds=60, is_dead=lambda _: True) is None
    assert await leases.find("x") is None

    await age_leases(mongodb_store, 61)

    assert await leases.acquire("x", second, seconds=60) is not None

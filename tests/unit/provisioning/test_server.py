"""What is remembered about a server: in which order ways to write are tried, and when something is tried again."""

import pytest

from services.provisioning.desired import Change
from services.provisioning.server import Failure, ServerDescription, ServerMemory, Way

TITLE, NICK = Change("title", "replace"), Change("nickName", "replace")
RFC = (Way.PATHS, Way.WHOLE, Way.PATHLESS, Way.PAGE, Way.PUT, Way.PUT_WITH_ID, Way.PUT_COLLECTION)
PUTS = (Way.PUT, Way.PUT_WITH_ID, Way.PUT_COLLECTION)
BOTH = frozenset({"title", "nickName"})

# ---------------------------------------------------------------- the order of the ways


def test_unknown_server_gets_the_forms_of_the_rfc_first() -> None:
    """Without knowledge, the forms of the RFC come first, PATCH before PUT, and each way is tried."""
    assert ServerMemory().list_ways([TITLE]) == RFC
    assert set(RFC) == set(Way)


@pytest.mark.parametrize(
    "memory",
    [
        ServerMemory(host="app.declaree.com"),
        ServerMemory(host="declaree.de"),
        ServerMemory(ServerDescription(manager_by_external_id=True)),
    ],
    ids=["host", "other host", "schema"],
)
def test_vendor_gets_the_forms_of_its_page_early(memory: ServerMemory) -> None:
    """The vendor's host, or a schema as on its page, suggests the forms of the page after those of the RFC."""
    assert memory.list_ways([TITLE])[:4] == (Way.PATHS, Way.PAGE, Way.PUT, Way.PUT_COLLECTION)


@pytest.mark.parametrize(
    "memory",
    [ServerMemory(prefers_put=True), ServerMemory(ServerDescription(patch=False))],
    ids=["setting", "description"],
)
def test_put_comes_first_if_patch_is_unsupported(memory: ServerMemory) -> None:
    """A server that says that it has no PATCH, or a setting, puts PUT first."""
    assert memory.list_ways([TITLE])[:3] == PUTS


@pytest.mark.promise("W17")
def test_way_that_worked_comes_first() -> None:
    """The way that stored a change first is the first one for every later change."""
    memory = ServerMemory()

    memory.learn_way(Way.PATHLESS, [TITLE])

    assert memory.list_ways([NICK])[0] is Way.PATHLESS
    assert memory.is_proven(Way.PATHLESS, [TITLE])
    assert not memory.is_proven(Way.PATHLESS, [TITLE, NICK])


def test_way_without_a_stored_field_is_not_preferred() -> None:
    """A write that stored nothing says nothing about its way."""
    memory = ServerMemory()

    memory.learn_way(Way.PATHS, [])

    assert memory.preferred is None


@pytest.mark.promise("W17")
def test_unrouted_method_loses_all_its_ways() -> None:
    """PATCH is one method in four forms; each kind of PUT has its own address or body."""
    memory = ServerMemory(preferred=Way.PAGE)

    memory.reject_method(Way.PATHS)

    assert memory.list_ways([TITLE]) == PUTS

    memory.reject_method(Way.PUT)

    assert memory.list_ways([TITLE]) == PUTS[1:]

    memory.learn_way(Way.PUT_COLLECTION, [TITLE])

    assert memory.preferred is Way.PUT_COLLECTION


# ---------------------------------------------------------------- changes that need another way


def learn_exception() -> ServerMemory:
    """Returns the memory of a server that takes one field with paths only, and the other one as a whole value only."""
    memory = ServerMemory()
    for change, usable in ((TITLE, Way.PATHS), (NICK, Way.WHOLE)):
        memory.learn_way(usable, [change])
        memory.learn_failures([Failure(way, (change,), "400") for way in Way if way is not usable], BOTH)
    return memory


def test_change_that_needs_another_way_is_written_apart() -> None:
    """One request for each way is cheaper than a refused request for all."""
    memory = learn_exception()

    assert memory.group([TITLE, NICK]) == [(TITLE,), (NICK,)]
    assert memory.list_ways([NICK])[0] is Way.WHOLE
    assert memory.list_ways([TITLE])[0] is Way.PATHS
    assert memory.group([TITLE]) == [(TITLE,)]


def test_failed_way_is_used_again_after_a_success() -> None:
    """A way that makes the change after all counts for it again."""
    memory = learn_exception()

    memory.learn_way(Way.PATHS, [NICK])

    assert memory.group([TITLE, NICK]) == [(TITLE, NICK)]


def test_kind_of_change_has_its_own_way() -> None:
    """A server may replace a value with a path and not add one."""
    memory = learn_exception()

    assert memory.group([TITLE, Change("nickName", "add")]) == [(TITLE, Change("nickName", "add"))]


def test_value_that_no_way_takes_makes_no_exception() -> None:
    """A value that the server refuses in every way says nothing about the ways."""
    memory = ServerMemory()

    memory.learn_failures([Failure(way, (NICK,), "400") for way in RFC], frozenset())

    assert memory.list_ways([NICK]) == RFC
    assert memory.failed == set()


def test_doubted_change_is_written_alone_after_the_others() -> None:
    """A change that failed in every way must not cost the others a refused request."""
    memory = ServerMemory(doubted={NICK})

    assert memory.group([NICK, TITLE]) == [(TITLE,), (NICK,)]

    memory.learn_way(Way.PATHS, [NICK])

    assert memory.group([NICK, TITLE]) == [(NICK, TITLE)]


def test_fields_are_written_alone_if_requests_for_several_fail() -> None:
    """Some servers take one field in a request: then each gets its own request."""
    memory = ServerMemory()
    memory.learn_way(Way.PATHS, [TITLE])
    memory.learn_way(Way.PATHS, [NICK])

    memory.learn_failures([Failure(Way.PATHS, (TITLE, NICK), "400")], BOTH)

    assert memory.group([TITLE, NICK]) == [(TITLE,), (NICK,)]


def test_error_of_the_server_says_nothing_about_its_forms() -> None:
    """After a 500 for several fields, the next request has several again."""
    memory = ServerMemory()
    memory.learn_way(Way.PATHS, [TITLE, NICK])

    memory.learn_failures([Failure(Way.PATHS, (TITLE, NICK), "500")], BOTH)

    assert memory.group([TITLE, NICK]) == [(TITLE, NICK)]


# ---------------------------------------------------------------- the description


def test_description_opens_failed_ways_and_fields_again() -> None:
    """A new description, asked for daily, gives the server another chance: a gateway may have failed for a while."""
    memory = ServerMemory(not_stored={"title"}, doubted={NICK}, joins_fields=False)
    memory.reject_method(Way.PATHS)

    memory.describe(ServerDescription())

    assert memory.list_ways([TITLE]) == RFC
    assert memory.not_stored == set()
    assert memory.group([TITLE, NICK]) == [(TITLE, NICK)]


@pytest.mark.promise("W14")
def test_description_tells_about_versions_and_managers() -> None:
    """ETags are not used if the server says that it has none, and the schema names the form of the manager."""
    memory = ServerMemory()
    memory.describe(ServerDescription(etag=False, manager_by_external_id=True))

    assert not memory.uses_etags
    assert memory.manager_by_external_id

    memory.describe(ServerDescription(etag=None, manager_by_external_id=None))

    assert not memory.uses_etags, "a condition that failed before is not trusted again"
    assert memory.manager_by_external_id, "what was learnt by writing stays"

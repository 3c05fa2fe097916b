"""The desired state of an account: its content, its hash, and its difference from the live account."""

from typing import Any

import pytest

from services.contracts.mappings import ENTERPRISE, MANAGER, WORK_EMAIL
from services.contracts.values import Value
from services.provisioning.desired import DISABLED, DesiredState
from tests.support.builders import NO_MANAGER, reports_to
from tests.unit.provisioning.accounts import BOSS, build_live, build_state

# ---------------------------------------------------------------- content and hash


def test_enabled_state_has_identity_and_one_address() -> None:
    """User name and work e-mail are the same address, and the account is enabled."""
    assert dict(build_state().fields) == {
        "externalId": "7",
        "userName": "e7@nordlicht.example",
        WORK_EMAIL: "e7@nordlicht.example",
        "active": True,
        "name.givenName": "Ada",
        MANAGER: None,
    }


@pytest.mark.promise("W11")
def test_manager_is_set_cleared_or_left_as_it_is() -> None:
    """A manager without an account clears nothing, and neither does a request without a manager."""
    assert dict(build_state(reference=reports_to("3"), manager=BOSS).fields)[MANAGER] == BOSS.id
    assert dict(build_state(reference=NO_MANAGER).fields)[MANAGER] is None
    assert MANAGER not in dict(build_state(reference=reports_to("3")).fields)
    assert MANAGER not in dict(build_state(reference=None).fields)


@pytest.mark.promise("W7")
def test_disabled_state_has_one_field() -> None:
    """To disable an account changes ``active`` and nothing else."""
    assert DISABLED.fields == (("active", False),)


def test_hash_ignores_the_order_of_fields() -> None:
    """The hash depends on the content, not on its order."""
    one = DesiredState((("a", 1), ("b", ("x", "y"))))
    other = DesiredState((("b", ("x", "y")), ("a", 1)))

    assert one.hash == other.hash


@pytest.mark.parametrize(
    ("one", "other"),
    [(1, True), (1, 1.0), (1, "1"), (None, ""), (None, "null"), (("a", "b"), ("b", "a")), ("a", ("a",)), ("é", "e")],
)
def test_hash_differs_for_different_values(one: Value, other: Value) -> None:
    """Values that look alike but are different content have different hashes."""
    assert DesiredState((("x", one),)).hash != DesiredState((("x", other),)).hash


def test_hash_differs_for_cleared_and_missing_field() -> None:
    """A field to clear is other content than a field that is left as it is."""
    assert DesiredState((("x", 1), ("y", None))).hash != DesiredState((("x", 1),)).hash


# ---------------------------------------------------------------- difference


@pytest.mark.promise("W9")
@pytest.mark.parametrize(
    ("live", "desired", "is_same"),
    [
        ("Ada", "Ada", True),
        ("ada", "Ada", False),
        (None, None, True),
        ([], None, True),
        ("", None, False),
        ("True", True, True),
        ("false", True, False),
        (True, True, True),
        (1, True, False),
        (True, 1, False),
        (["a", "b"], ("a", "b"), True),
        ([{"value": "a", "type": "x"}, {"value": "b"}], ("a", "b"), True),
        (["a"], ("a", "b"), False),
        (None, ("a",), False),
    ],
)
def test_difference_omits_equal_values(live: Any, desired: Value, is_same: bool) -> None:
    """A value that the account already has in any of the servers' forms is not part of the difference."""
    assert bool(DesiredState((("x", desired),)).find_difference({"x": live}).fields) is not is_same


@pytest.mark.parametrize(
    ("live", "is_cleared"),
    [({"title": "Countess"}, True), ({"title": "Duchess"}, False), ({"title": "countess"}, False), ({}, False)],
)
def test_withdrawn_value_is_cleared_where_the_account_has_it(live: dict[str, str], *, is_cleared: bool) -> None:
    """A value that was changed in Declaree since is another one's."""
    state = DesiredState((("nickName", "A"),), withdrawn=(("title", "Countess"),))

    difference = state.find_difference({"nickName": "A", **live})

    assert difference == DesiredState((("title", None),) if is_cleared else ())


def test_withdrawn_value_is_part_of_the_content() -> None:
    """An account that was confirmed before the withdrawal is compared again."""
    assert DesiredState((), withdrawn=(("title", "Countess"),)).hash != DesiredState(()).hash


def test_difference_has_desired_fields_only() -> None:
    """Fields of the account that are not mapped cannot differ."""
    live = build_live(title="Countess", nickName="A", emails=[{"type": "home", "value": "h@x.example"}])

    assert build_state().find_difference(live).paths == (WORK_EMAIL,)


def test_difference_has_changed_spelling_of_user_name() -> None:
    """Another case of the user name is written."""
    assert build_state().find_difference(build_live(userName="E7@nordlicht.example")).paths == ("userName",)


@pytest.mark.promise("W4")
def test_difference_omits_case_after_spelling_was_sent() -> None:
    """A server that keeps addresses in another case is not written to again and again."""
    other_case = build_live(userName="E7@Nordlicht.example", emails=[{"type": "work", "value": "E7@Nordlicht.example"}])
    other = build_live(userName="other@nordlicht.example", name={"givenName": "ada"})
    desired = build_state()

    assert desired.find_difference(other_case).paths == ("userName", WORK_EMAIL)
    assert desired.find_difference(other_case, is_spelling_sent=True).fields == ()
    assert desired.find_difference(other, is_spelling_sent=True).paths == ("userName", "name.givenName")
    assert desired.find_difference(build_live(userName=None), is_spelling_sent=True).paths == ("userName",)


@pytest.mark.promise("W11")
@pytest.mark.parametrize(
    ("live", "is_same"),
    [
        ({"value": "99"}, True),
        ({"value": "98"}, False),
        ({"managerId": "3"}, True),
        ({"managerId": "4", "value": "99"}, False),
        ({}, False),
    ],
    ids=str,
)
def test_manager_is_compared_in_the_form_of_the_server(live: dict[str, str], *, is_same: bool) -> None:
    """A server that names managers by external id is compared by external id."""
    wanted = build_state(reference=reports_to("3"), manager=BOSS)

    assert (wanted.find_difference(build_live(**{ENTERPRISE: {"manager": live}})).paths == ()) is is_same


def test_external_manager_without_a_wanted_one_is_cleared() -> None:
    """A manager that is named by external id differs from none."""
    live = build_live(**{ENTERPRISE: {"manager": {"managerId": "3"}}})

    assert build_state(reference=NO_MANAGER).find_difference(live).paths == (MANAGER,)


@pytest.mark.parametrize(
    ("live", "desired"), [("boſs@x.example", "boss@x.example"), ("\u212aai@x.example", "kai@x.example")]
)
def test_other_letters_differ_after_spelling_was_sent(live: str, desired: str) -> None:
    """Only the case of ASCII letters may be the server's own."""
    state = DesiredState((("userName", desired),))

    assert state.find_difference({"userName": live}, is_spelling_sent=True).paths == ("userName",)

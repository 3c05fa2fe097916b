"""External id prefixes of two connections to one Declaree."""

import pytest

from services.admin.prefixes import are_confusable


@pytest.mark.promise("P5")
@pytest.mark.parametrize(
    ("first", "second", "is_confusable"),
    [
        ("", "", True),
        ("a-", "a-", True),
        ("a-", "A-", True),
        ("a", "a1", True),
        ("", "12", True),
        ("", "a-", False),
        ("a-", "b-", False),
        ("a-", "a-x-", False),
    ],
)
def test_prefixes_that_can_give_one_external_id(first: str, second: str, *, is_confusable: bool) -> None:
    """Employee ids are numbers, and some servers compare external ids without case."""
    assert are_confusable(first, second) is is_confusable
    assert are_confusable(second, first) is is_confusable

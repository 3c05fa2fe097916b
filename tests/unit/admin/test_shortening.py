"""Lists in messages."""

import pytest

from services.admin.shortening import join_first


@pytest.mark.parametrize(
    ("texts", "expected"), [((), ""), (("a",), "a"), (("a", "b"), "a, b"), (("a", "b", "c", "d"), "a, b, and 2 more")]
)
def test_list_is_shortened_above_the_maximum(texts: tuple[str, ...], expected: str) -> None:
    """What is left out is counted."""
    assert join_first(texts, 2) == expected


def test_texts_with_commas_can_have_another_separator() -> None:
    """Problems are sentences."""
    assert join_first(("a, b", "c"), 1, "; ") == "a, b; and 1 more"

"""Which attributes of a mapping never have a value."""

import pytest

from services.admin.checks import describe_unusable_attributes
from services.contracts.employees import AttributeDefinition
from services.contracts.mappings import AttributeSource, MappingDocument, Rule

DEFINITIONS = (
    AttributeDefinition("first_name", "First name", "standard"),
    AttributeDefinition("position", "Position", "standard"),
    AttributeDefinition("office", "Office", "standard", ("office.id", "office.name")),
)
"""What a credential without the required attributes can read."""


@pytest.mark.parametrize(
    ("key", "unusable"),
    [
        pytest.param("position", (), id="released"),
        pytest.param("job_title", ("the credential does not show it: release it in Personio",), id="unknown key"),
        pytest.param(
            "Position",
            ("the credential does not show it: write position, or release it in Personio",),
            id="key in another case",
        ),
        pytest.param("office.name", (), id="part"),
        pytest.param(
            "office", ("it has parts: write one of them, such as office.name",), id="nested attribute without its part"
        ),
        pytest.param(
            "team.id",
            ("the credential does not show it: release it in Personio",),
            id="part of an unreleased attribute",
        ),
        pytest.param("last_name", (), id="required attribute, which has a check of its own"),
    ],
)
def test_attributes_that_never_have_a_value_are_found(key: str, unusable: tuple[str, ...]) -> None:
    """The fields of such attributes would stay as they are, without a word about it."""
    mapping = MappingDocument(rules=(Rule(target="title", source=AttributeSource(attribute=key)),))

    assert describe_unusable_attributes(mapping, DEFINITIONS) == tuple(f"attribute {key}: {text}" for text in unusable)

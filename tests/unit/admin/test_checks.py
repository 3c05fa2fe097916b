"""Which attributes of a mapping never have a value."""

import pytest

from services.admin.checks import find_unusable_attributes
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
        pytest.param("job_title", ("job_title",), id="unknown key"),
        pytest.param("office.name", (), id="part"),
        pytest.param("office", ("office",), id="nested attribute without its part"),
        pytest.param("team.name", ("team.name",), id="part of an attribute that is not released"),
        pytest.param("last_name", (), id="required attribute, which has a check of its own"),
    ],
)
def test_attributes_that_never_have_a_value_are_found(key: str, unusable: tuple[str, ...]) -> None:
    """The fields of such attributes would stay as they are, without a word about it."""
    mapping = MappingDocument(rules=(Rule(target="title", source=AttributeSource(attribute=key)),))

    assert find_unusable_attributes(mapping, DEFINITIONS) == unusable

"""Observations: what a damaged one is."""

from typing import Any

import pytest
from pydantic import ValidationError

from services.contracts.observations import Observation
from tests.support.builders import make_observation


@pytest.mark.promise("P6")
@pytest.mark.parametrize("damage", [{"attributes_json": "{no json"}, {"connection_id": "cother"}, {"employee_id": "2"}])
def test_observation_with_a_damaged_snapshot_is_invalid(damage: dict[str, Any]) -> None:
    """Its release would publish an invalid record, or a change of another company."""
    content = make_observation("1").model_dump(mode="json")
    content["snapshot"] |= damage

    with pytest.raises(ValidationError) as caught:
        Observation.model_validate(content)

    assert "no json" not in str(caught.value)

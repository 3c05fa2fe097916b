"""The base class of every model that is stored or sent, and the values of attributes and fields."""

from typing import Annotated, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt, StrictStr, WithJsonSchema


class FrozenModel(BaseModel):
    """An immutable model.

    It ignores fields that a newer version added. Its validation errors never contain the input. The docstring of a field
    is its description in the schemas and in the generated documentation.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True, use_attribute_docstrings=True)


NonNegativeInt64: TypeAlias = Annotated[int, Field(ge=0, le=(1 << 63) - 1), WithJsonSchema({"type": "integer"})]
"""A non-negative integer that fits MongoDB's signed 64-bit type."""
Scalar: TypeAlias = StrictStr | StrictBool | StrictInt | StrictFloat | None
"""A string, boolean, number or null. The type is kept: ``"5"`` does not become ``5``."""
Value: TypeAlias = Annotated[
    StrictStr | StrictBool | StrictInt | StrictFloat | tuple[Scalar, ...] | None,
    Field(union_mode="left_to_right"),
]
"""A scalar or a list of scalars."""

"""The base of every model that is stored or sent, and the values that attributes and fields may have."""

from typing import Annotated, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt, StrictStr


class Frozen(BaseModel):
    """Immutable; ignores what a newer producer added; its validation errors never quote the input.

    The text below a field is its meaning: the schemas and the generated documentation print it.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True, use_attribute_docstrings=True)


def _storable(number: int) -> int:
    if not 0 <= number < 1 << 63:
        raise ValueError("it is negative, or does not fit into 64 bits")
    return number


Counter: TypeAlias = Annotated[int, AfterValidator(_storable)]
"""What grows; the database holds 64 bits of it."""
Scalar: TypeAlias = StrictStr | StrictBool | StrictInt | StrictFloat | None
Value: TypeAlias = Annotated[
    StrictStr | StrictBool | StrictInt | StrictFloat | tuple[Scalar, ...] | None,
    Field(union_mode="left_to_right"),
]
"""A text, number, truth value, a list of these, or nothing."""

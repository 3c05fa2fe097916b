"""The transforms that a rule may name."""

from typing import Annotated, Literal

from pydantic import Field

from services.contracts.values import FrozenModel, Scalar, Value


class Trim(FrozenModel):
    """Removes the spaces at both ends of a text. A text of spaces only becomes an empty value."""

    kind: Literal["trim"] = "trim"


class Lower(FrozenModel):
    """Changes a text to lowercase."""

    kind: Literal["lower"] = "lower"


class Default(FrozenModel):
    """Replaces an empty value by another value."""

    kind: Literal["default"] = "default"
    value: Value
    """The value to use."""


class DateFormat(FrozenModel):
    """Formats a Personio date or timestamp. `format` is a pattern of `strftime`, such as `%d.%m.%Y`."""

    kind: Literal["date_format"] = "date_format"
    format: str = "%Y-%m-%d"
    """Pattern of ``strftime``."""


class ValueTable(FrozenModel):
    """Replaces a value by its entry in the table. `otherwise` says what happens to a value that is not in the table:
    `keep` keeps the value, `missing` replaces it by an empty value, `reject` rejects the employee.
    """

    kind: Literal["value_table"] = "value_table"
    table: dict[str, Scalar]
    """Replacements by value. Numbers and booleans are written as in JSON: `1`, `true`."""
    otherwise: Literal["keep", "missing", "reject"] = "reject"
    """What happens to a value that is not in the table."""


Transform = Annotated[Trim | Lower | Default | DateFormat | ValueTable, Field(discriminator="kind")]
"""One step that changes a value."""

"""Value tables."""

from collections.abc import Callable

from services.contracts.transforms import ValueTable
from services.contracts.values import Scalar
from services.mapping.functions.values import Filled, Function, build_fallback, map_entries, write_text


def compile_membership(transform: ValueTable) -> Callable[[str], bool]:
    """Returns the function that tells whether the table has an entry for a value, written as a text."""
    if not transform.ignore_case:
        return transform.table.__contains__
    keys = frozenset(key.casefold() for key in transform.table)
    return lambda text: text.casefold() in keys


def compile_table(transform: ValueTable) -> Function:
    """Returns the function that replaces values by their entries."""
    table, fall_back = transform.table, build_fallback(transform.otherwise, "is not in the value table")
    if transform.ignore_case:
        table = {key.casefold(): entry for key, entry in table.items()}

    def look_up(value: Filled) -> Scalar:
        text = write_text(value)
        key = text.casefold() if transform.ignore_case else text
        return table[key] if key in table else fall_back(value)

    return map_entries(look_up)

"""Expressions of a mapping, compiled once and evaluated for many employees.

The time is bounded: an expression is short and has a bounded depth, it goes through lists a few times, and not inside each other,
patterns are linear, and the values are limited.
"""

import math
import re
from collections.abc import Mapping

import cel

from services.contracts.values import Scalar, Value
from services.mapping.expressions.functions import EMPTY, FUNCTIONS
from services.mapping.expressions.tokens import InvalidExpressionError
from services.mapping.expressions.translation import Translation, translate
from services.mapping.functions.values import MAX_CHARACTERS, check_size
from services.mapping.transforms import UnfitValueError, is_empty

MAX_INPUT_LENGTH, MAX_LOOP_INPUT_LENGTH = 5_000, 1_000
"""Maximum number of characters of all values that an expression reads for one employee; the second if it goes through a list."""
MAX_INPUT_ENTRIES = 100
"""Maximum number of entries of a list that an expression reads."""
EVALUATION_ERRORS = (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError)
"""What the library raises for an expression that it cannot read, or cannot compute with some values."""
_SPACES = re.compile(" {2,}")
_COLUMN = re.compile(r"<input>:1:(\d+)")


class UnfitOperationError(UnfitValueError):
    """An operation is not possible with the types of its values."""


class CompiledExpression:
    """An expression that is compiled once and evaluated for many employees. Not for several threads at a time."""

    def __init__(self, expression: str) -> None:
        """Compiles ``expression``. Raises ``InvalidExpressionError``."""
        translation = translate(expression)
        self.attributes = translation.attributes
        self.functions = translation.functions
        self._program = _compile(translation)
        self._longest = MAX_LOOP_INPUT_LENGTH if translation.macros else MAX_INPUT_LENGTH
        self._variables = tuple((f"attribute_{number}", key) for number, key in enumerate(self.attributes))
        self._context = cel.Context(functions={f"call_{name}": FUNCTIONS[name].call for name in translation.functions})

    def evaluate(self, attributes: Mapping[str, Value]) -> Value:
        """Returns the result for an employee that has all ``self.attributes``; None if it is empty.

        An operation that is not possible with an empty attribute, such as a comparison of sizes, has an empty result. Of spaces
        that an empty attribute leaves, one is kept between words and none at the ends. Raises ``UnfitValueError`` for an
        operation that is not possible with the employee's values.
        """
        values: dict[str, object] = {}
        length = 0
        for name, key in self._variables:
            value = attributes[key]
            if type(value) is str and value:  # as most values are
                values[name] = value
                length += len(value)
            else:
                values[name] = converted = _convert_input(value)
                length += _measure(converted)
        if length > self._longest:
            raise UnfitValueError(f"is computed from values with more than {self._longest} characters")
        try:
            self._context.update(values)
            result = self._program.execute(self._context)
        except EVALUATION_ERRORS as error:  # some messages contain values
            if EMPTY in values.values():
                return None
            raise _explain(error) from None
        return _convert_result(result)


def _compile(translation: Translation) -> cel.Program:
    try:
        return cel.compile(translation.source)
    except EVALUATION_ERRORS as error:
        column = _COLUMN.search(str(error))
        position = translation.find_position(int(column[1]) - 1 if column else 0)
        raise InvalidExpressionError(
            "the expression cannot be read from here: check operators, commas and brackets", position
        ) from None


def _convert_input(value: Value) -> object:
    if is_empty(value):
        return EMPTY
    if isinstance(value, tuple):
        return [_convert_scalar(entry) for entry in value]
    return _convert_scalar(value)


def _convert_scalar(value: Scalar) -> object:
    if value is None:
        return EMPTY
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value) if abs(value) <= 1 << 53 else str(value)
    return value


def _measure(value: object) -> int:
    """Returns the number of characters of a value. Raises ``UnfitValueError`` for a list with too many entries."""
    entries = value if isinstance(value, list) else [value]
    if len(entries) > MAX_INPUT_ENTRIES:
        raise UnfitValueError(f"is computed from a list with more than {MAX_INPUT_ENTRIES} entries")
    return sum(len(entry) for entry in entries if isinstance(entry, str))


def _explain(error: Exception) -> UnfitValueError:
    if isinstance(error, TypeError):
        return UnfitOperationError(
            "cannot be computed, because an operation gets a text and a number, or the like: use string(…) or number(…)"
        )
    if isinstance(error, IndexError):
        return UnfitValueError("cannot be computed, because a list has fewer entries than the expression reads")
    return UnfitValueError("cannot be computed from the values of the employee")


def _convert_result(result: object) -> Value:
    if isinstance(result, list):
        check_size(tuple(result))
        return tuple(_convert_entry(entry) for entry in result)
    if isinstance(result, str) and len(result) > MAX_CHARACTERS:
        check_size((result,))
    return _convert_entry(result)


def _convert_entry(entry: object) -> Scalar:
    if isinstance(entry, str):
        return (_SPACES.sub(" ", entry) if "  " in entry else entry).strip() or None
    if entry is None or isinstance(entry, bool):
        return entry
    if isinstance(entry, int | float) and math.isfinite(entry):
        return int(entry) if float(entry).is_integer() and abs(entry) <= 1 << 53 else float(entry)
    raise UnfitValueError("is not a text, a number, true or false, or a list of them")

"""Reads pages of API v1's list of employees. Pure.

Most employees are listed byte for byte as before. So a usual page is only split into its elements, each with a digest of its
bytes, and an element is read on demand. An unusual page is read at once.
"""

from collections.abc import Collection, Iterator, Sequence
from hashlib import sha256
from typing import NamedTuple

import httpx
import msgspec

from services.clients.http.large_json import LARGE_BYTES
from services.clients.http.responses import parse_json
from services.clients.personio.v1_attributes import count_values, parse_employee, parse_id
from services.clients.personio.v1_messages import (
    PAGE_SIZE,
    get_list,
    get_total,
    parse_body,
)
from services.contracts.employees import Employee, EmployeePage
from services.contracts.ids import EmployeeId

MAX_SPLIT_BYTES = 4 * LARGE_BYTES
"""Maximum size of a page that is split into its elements at once, which takes a few milliseconds. A usual employee needs up to 8 kB."""
MAX_PART_VALUES = 20_000
"""Number of values of the employees in a part of a page from which on no further employee is added to it: some hundredths of a
second of work."""
MAX_METADATA_BYTES = 4_096
"""Size of what a page says beside its elements above which the page is unusual: objects cost much more than their text."""


class _Id(msgspec.Struct):
    value: int | str


class _Attributes(msgspec.Struct):
    id: _Id


class _Element(msgspec.Struct):
    attributes: _Attributes


class _Ids(msgspec.Struct):
    data: list[_Element]


class _Page(msgspec.Struct):
    data: list[msgspec.Raw]
    success: msgspec.Raw = msgspec.Raw(b"null")
    metadata: msgspec.Raw = msgspec.Raw(b"null")


_decode_ids = msgspec.json.Decoder(_Ids).decode
_decode_page = msgspec.json.Decoder(_Page).decode


class UnreadEmployee(NamedTuple):
    """An element of a page that is not read yet."""

    id: EmployeeId
    """Personio's id of the employee."""
    digest: str
    """SHA-256 of the element's bytes, in hexadecimal."""
    content: msgspec.Raw
    """The element: JSON in UTF-8."""
    requested: Collection[str] | None
    """Keys of the attributes to read; None reads all."""

    def read(self) -> Employee | None:
        """Returns the employee; None if the element cannot be read, or names another employee."""
        try:
            item = parse_json(bytes(self.content))
        except (ValueError, RecursionError):
            return None
        employee = parse_employee(item, self.requested)
        return employee if employee is not None and employee.id == self.id else None


def parse_pages(response: httpx.Response, requested: Collection[str] | None, offset: int) -> Iterator[EmployeePage]:
    """Yields the page of an unusual response, in parts if it has more than ``PAGE_SIZE`` employees or very many values.

    Parameters are those of ``split_response``. Raises the errors of ``parse_body`` and ``get_list``.
    """
    body = parse_body(response)
    entries, total = get_list(body), get_total(body)
    for start, part in split_page(entries):
        yield parse_page(part, requested, offset + start, total)


def split_response(response: httpx.Response, requested: Collection[str] | None, offset: int) -> EmployeePage | None:
    """Returns the page of a response with unread employees; None for an unusual one.

    ``requested`` are the keys of the attributes to read; None reads all. ``offset`` is the number of employees before the page.
    A usual page is a successful response with valid JSON in UTF-8, with at most ``MAX_SPLIT_BYTES``, ``PAGE_SIZE`` employees and few
    values. Each of its elements is not large, and has an id in the usual form.
    """
    content = response.content
    is_small = len(content) <= MAX_SPLIT_BYTES and content.count(b",") <= MAX_PART_VALUES
    if response.status_code != httpx.codes.OK or not is_small:
        return None
    try:
        content.decode()  # msgspec does not check the strings that it passes over
        # msgspec returns an element either as bytes or as the values of a structure: both passes together take half as long as one
        # that builds all values
        ids = [parse_id(element.attributes.id.value) for element in _decode_ids(content).data]
        page = _decode_page(content)
        if len(bytes(page.metadata)) > MAX_METADATA_BYTES:
            return None
        metadata = msgspec.json.decode(page.metadata)
    except (ValueError, RecursionError):  # including the errors of msgspec
        return None
    if (
        bytes(page.success) == b"false"
        or len(ids) > PAGE_SIZE
        or any(len(bytes(element)) > LARGE_BYTES for element in page.data)
    ):
        return None
    employees = tuple(
        UnreadEmployee(employee, sha256(element).hexdigest(), element, requested)
        for employee, element in zip(ids, page.data, strict=True)
        if employee is not None
    )
    return EmployeePage(employees, offset, get_total({"metadata": metadata}), len(ids) - len(employees))


def split_page(entries: Sequence[object]) -> Iterator[tuple[int, Sequence[object]]]:
    """Yields the elements of a page in parts, each with the index of its first element. An empty page is one part."""
    start, values = 0, 0
    for index, entry in enumerate(entries):
        if index - start >= PAGE_SIZE or values >= MAX_PART_VALUES:
            yield start, entries[start:index]
            start, values = index, 0
        values += count_values(entry)
    yield start, entries[start:]


def parse_page(
    entries: Sequence[object], requested: Collection[str] | None, offset: int, total: int | None
) -> EmployeePage:
    """Returns the employees of a page or of a part of it. ``offset`` is the position of its first element in the whole list."""
    parsed = [parse_employee(entry, requested) for entry in entries]
    employees = tuple(employee for employee in parsed if employee is not None)
    return EmployeePage(employees, offset, total, len(parsed) - len(employees))

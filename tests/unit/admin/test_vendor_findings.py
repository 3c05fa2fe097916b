"""What `doctor` says about announced ends of endpoints and about clocks."""

from datetime import timedelta

import pytest

from services.admin.vendor_findings import describe_end, judge_clock, judge_ends, judge_pace
from services.contracts.vendor_notes import EndpointEnd, VendorNotes
from tests.support.builders import NOW

PATH = "/v1/company/employees"


@pytest.mark.parametrize(
    ("end", "text"),
    [
        (
            EndpointEnd(path=PATH, is_deprecated=True, deprecated_at=NOW, sunset_at=NOW + timedelta(days=30)),
            f"advises against {PATH} from 2026-03-09 on and announces its end for 2026-04-08",
        ),
        (EndpointEnd(path=PATH, is_deprecated=True), f"advises against {PATH}"),
        (EndpointEnd(path=PATH, sunset_at=NOW), f"announces the end of {PATH} for 2026-03-09"),
    ],
)
def test_announcement_is_told_with_its_times(end: EndpointEnd, text: str) -> None:
    """Vendors send one of the two headers, or both."""
    assert describe_end(end) == text


@pytest.mark.parametrize(
    ("days", "is_problem"),
    [(400, False), (91, False), (89, True), (-5, True)],
)
def test_near_end_of_an_endpoint_is_a_problem(days: int, *, is_problem: bool) -> None:
    """An early announcement is a hint, which lets a monitor rest."""
    end = EndpointEnd(path=PATH, sunset_at=NOW + timedelta(days=days))

    (finding,) = judge_ends("Personio", VendorNotes(ends=(end,)), NOW)

    assert (finding.problem is not None) is is_problem
    assert (finding.hint is not None) is not is_problem


@pytest.mark.parametrize(
    ("ahead", "level", "text"),
    [
        (0.0, "note", "within 5 s"),
        (-5.0, "note", "within 5 s"),
        (12.0, "hint", "12 s ahead of"),
        (-300.0, "problem", "300 s behind"),
    ],
)
def test_difference_of_clocks_is_judged_by_its_size(ahead: float, level: str, text: str) -> None:
    """The finding says why the time matters."""
    finding = judge_clock("Personio", ahead)

    found = getattr(finding, level)
    assert found is not None
    assert text in found
    assert ("order of changes" in found) is (level != "note")


def test_requests_left_are_told_only_if_known() -> None:
    """Personio's API v1 is not known to send them."""
    assert [finding.note for finding in judge_pace("Personio", VendorNotes(requests_left=3))] == [
        "Personio accepts 3 more at present"
    ]
    assert list(judge_pace("Personio", VendorNotes())) == []

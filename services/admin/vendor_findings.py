"""What the answers of Personio and Declaree said beside their content, in words. Pure."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from services.admin.findings import Finding
from services.contracts.vendor_notes import EndpointEnd, VendorNotes

NEAR_END = timedelta(days=90)
"""Time before the end of an endpoint from which the announcement is a problem: an update has to be planned."""
TOLERATED_CLOCK_SECONDS, HARMFUL_CLOCK_SECONDS = 5.0, 60.0
"""Differences of two clocks above which they are a hint, and a problem. The overlap of polls is longer."""


def describe_end(end: EndpointEnd) -> str:
    """Returns what the vendor announces for an endpoint."""
    since = f" from {end.deprecated_at:%Y-%m-%d} on" if end.deprecated_at is not None else ""
    advice = [f"advises against {end.path}{since}"] if end.is_deprecated else []
    stop = [f"announces its end for {end.sunset_at:%Y-%m-%d}"] if end.sunset_at is not None else []
    if not advice:
        stop = [f"announces the end of {end.path} for {end.sunset_at:%Y-%m-%d}"] if end.sunset_at is not None else []
    return " and ".join([*advice, *stop])


def judge_ends(system: str, notes: VendorNotes, now: datetime) -> Iterator[Finding]:
    """Yields a finding for each announced end of an endpoint."""
    for end in notes.ends:
        text = f"{system} {describe_end(end)}: install a version of this product that no longer uses it"
        is_near = end.sunset_at is not None and end.sunset_at - now < NEAR_END
        subject = f"{system} announcements"
        yield Finding(subject, problem=text) if is_near else Finding(subject, hint=text)


def judge_clock(system: str, ahead_seconds: float) -> Finding:
    """Returns the finding about the clock of a system. ``ahead_seconds`` is by how much it is ahead of ours."""
    difference, subject = abs(ahead_seconds), f"{system} clock"
    if difference <= TOLERATED_CLOCK_SECONDS:
        return Finding(subject, note=f"within {TOLERATED_CLOCK_SECONDS:.0f} s of this machine's")
    text = (
        f"it is {difference:.0f} s {'ahead of' if ahead_seconds > 0 else 'behind'} this machine's. The order of changes "
        "and the search for changes rely on the time: synchronise this machine's clock (NTP)"
    )
    return Finding(subject, problem=text) if difference > HARMFUL_CLOCK_SECONDS else Finding(subject, hint=text)


def judge_pace(system: str, notes: VendorNotes) -> Iterator[Finding]:
    """Yields what a system says about the requests that it still accepts."""
    if notes.requests_left is not None:
        yield Finding(f"{system} requests", note=f"{system} accepts {notes.requests_left} more at present")

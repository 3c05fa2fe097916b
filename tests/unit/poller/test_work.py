"""What the work of a poller shows before the first poll."""

from typing import Any, cast

import pytest

from services.poller.work import ConnectionWork
from services.runtime.metrics import Metrics


@pytest.mark.parametrize("result", ["succeeded", "failed"])
def test_runs_of_both_results_begin_with_0(result: str) -> None:
    """Prometheus sees no rise in a series that begins with 1, so the first failed poll would cause no alert."""
    metrics, unused = Metrics(), cast("Any", None)

    ConnectionWork(
        settings=unused,
        repositories=unused,
        source=unused,
        accounts=unused,
        publisher=unused,
        limits=unused,
        clock=unused,
        metrics=metrics,
    )

    assert metrics.registry.get_sample_value("sync_runs_total", {"result": result}) == 0.0

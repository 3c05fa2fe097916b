"""Starts the poller: ``python -m services.poller``."""

from services.poller.app import create_app
from services.poller.settings import PollerSettings
from services.runtime.clock import SystemClock
from services.runtime.entrypoint import run_service
from services.store.database import open_store


def main() -> None:
    """Runs the poller until a signal ends it."""
    run_service("poller", PollerSettings, lambda settings: create_app(settings, open_store(settings), SystemClock()))


if __name__ == "__main__":
    main()

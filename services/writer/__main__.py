"""Starts the writer: ``python -m services.writer``."""

from services.runtime.clock import SystemClock
from services.runtime.entrypoint import run_service
from services.store.database import open_store
from services.writer.app import create_app
from services.writer.settings import WriterSettings


def main() -> None:
    """Runs the writer until a signal ends it."""
    run_service("writer", WriterSettings, lambda settings: create_app(settings, open_store(settings), SystemClock()))


if __name__ == "__main__":
    main()

"""Starts the mapper: ``python -m services.mapper``."""

from services.mapper.app import create_app
from services.mapper.settings import MapperSettings
from services.runtime.clock import SystemClock
from services.runtime.entrypoint import run_service
from services.store.database import open_store


def main() -> None:
    """Runs the mapper until a signal ends it."""
    run_service("mapper", MapperSettings, lambda settings: create_app(settings, open_store(settings), SystemClock()))


if __name__ == "__main__":
    main()

"""``python -m services.poller``"""

from services.poller.app import create_app
from services.poller.settings import PollerSettings
from services.runtime.clock import SystemClock
from services.runtime.main import run
from services.runtime.settings import load, read_secret_files
from services.store.database import Store


def main() -> None:
    read_secret_files()
    settings = load(PollerSettings)

    async def start() -> int:
        store = Store.connect(
            settings.mongodb_url, settings.mongodb_database, settings.keys, timeout_ms=settings.mongodb_timeout_ms
        )
        return await create_app(settings, store, SystemClock()).main()

    run("poller", settings, start)


if __name__ == "__main__":
    main()

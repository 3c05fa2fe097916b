"""Creates the users of the services and commands in Kafka and MongoDB, with passwords from files.

`make env` writes the files: ``kafka_poller`` holds a password, ``mongodb_poller`` an address with the password.
"""

import asyncio
from collections.abc import Iterable
from pathlib import Path

from pydantic import SecretStr

from services.errors import ConfigurationError
from services.runtime.kafka import rights
from services.runtime.kafka.users import ensure_users as ensure_kafka_users
from services.runtime.settings import KafkaSettings, MongoSettings
from services.store import users as store_users


async def create_kafka_users(settings: KafkaSettings, folder: Path) -> tuple[str, ...]:
    """Creates the users in Kafka and gives them their rights. Returns one line for each right that changed.

    Raises ``KafkaUnavailableError``, and ``ConfigurationError`` if a file is missing or Kafka refuses.
    """
    return await ensure_kafka_users(settings, await _read_secrets(folder, "kafka", rights.USERS))


async def create_mongodb_users(settings: MongoSettings, folder: Path) -> tuple[str, ...]:
    """Creates the users in the MongoDB server of this machine. Returns one line for each that was created.

    Raises ``StoreUnavailableError``, and ``ConfigurationError`` if a file is missing or invalid.
    """
    urls = await _read_secrets(folder, "mongodb", (store_users.ADMIN, *store_users.ROLES))
    created = await store_users.ensure_users(urls, settings.mongodb_database, settings.mongodb_timeout_ms)
    return tuple(f"created {line}" for line in created)


async def _read_secrets(folder: Path, server: str, users: Iterable[str]) -> dict[str, SecretStr]:
    return {user: await asyncio.to_thread(_read_secret, folder / f"{server}_{user}") for user in users}


def _read_secret(file: Path) -> SecretStr:
    try:
        return SecretStr(file.read_text(encoding="utf-8").strip())
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file} cannot be read ({type(error).__name__}): `make env` writes it") from None

"""Addresses of servers, as the fixtures ``kafka`` and ``mongo`` return them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class KafkaServers:
    """The address of a Kafka cluster."""

    bootstrap_servers: str
    """Hosts and ports, separated by commas."""


@dataclass(frozen=True)
class MongoServers:
    """The address of a MongoDB replica set."""

    url: str
    """Connection string."""

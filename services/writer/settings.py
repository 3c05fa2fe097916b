"""The writer's settings."""

from pydantic import Field

from services.runtime.settings import EncryptionSettings, KafkaSettings, MongoSettings, ProcessSettings


class WriterSettings(KafkaSettings, MongoSettings, EncryptionSettings, ProcessSettings):
    """The settings of all services, and those that only the writer reads."""

    writer_batch_records: int = Field(400, ge=1, le=1000)
    """Maximum number of records in one batch of the writer."""
    writer_probe_seconds: float = Field(2, gt=0)
    """Seconds between two checks whether waiting changes can be retried."""
    writer_batch_seconds: float = Field(20, gt=0)
    """Seconds that the requests of one change may take. A change that takes longer waits and is resent. This time must be much shorter
    than KAFKA_REBALANCE_TIMEOUT_MS."""
    writer_concurrency: int = Field(16, ge=1, le=64)
    """Maximum number of requests that one writer sends at the same time to the Declaree address of one connection."""
    writer_late_write_seconds: float = Field(300, gt=0)
    """Seconds in which a server may still carry out a request that it did not answer. The account is looked up again afterwards."""

"""The writer's settings."""

from pydantic import Field

from services.runtime.settings import EncryptionSettings, KafkaSettings, MongoSettings, ProcessSettings


class WriterSettings(KafkaSettings, MongoSettings, EncryptionSettings, ProcessSettings):
    """The settings of all services, and those that only the writer reads."""

    writer_batch_records: int = Field(400, ge=1, le=1000)
    """Highest number of records in one batch of the writer."""
    writer_probe_seconds: float = Field(2, gt=0)
    """Seconds between two checks whether waiting changes can be retried."""
    writer_batch_seconds: float = Field(20, gt=0)
    """Seconds after which the unfinished changes of a batch wait. Well below KAFKA_REBALANCE_TIMEOUT_MS."""
    writer_concurrency: int = Field(16, ge=1, le=64)
    """Highest number of requests at the same time to the Declaree of one connection."""

"""The writer's settings."""

from pydantic import Field

from services.runtime.settings import EncryptionSettings, KafkaSettings, MongoSettings, ProcessSettings


class WriterSettings(KafkaSettings, MongoSettings, EncryptionSettings, ProcessSettings):
    """What all services share, and what belongs to the writer alone."""

    writer_batch_records: int = Field(400, ge=1, le=1000, description="Most records that the writer takes at once")
    writer_probe_seconds: float = Field(2, gt=0, description="How often the writer looks after those who wait")
    writer_batch_seconds: float = Field(
        20, gt=0, description="What a batch has not done after so long waits; well below KAFKA_REBALANCE_TIMEOUT_MS"
    )
    writer_concurrency: int = Field(16, ge=1, le=64, description="Most requests at once to one connection's Declaree")

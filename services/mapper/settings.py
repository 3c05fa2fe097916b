"""The mapper's settings."""

from pydantic import Field

from services.runtime.settings import EncryptionSettings, KafkaSettings, MongoSettings, ProcessSettings


class MapperSettings(KafkaSettings, MongoSettings, EncryptionSettings, ProcessSettings):
    """The settings of all services, and those that only the mapper reads."""

    mapper_batch_records: int = Field(2000, ge=1, le=5000)
    """Maximum number of records in one batch of the mapper."""

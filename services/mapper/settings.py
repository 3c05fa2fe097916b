"""The mapper's settings."""

from pydantic import Field

from services.runtime.settings import EncryptionSettings, KafkaSettings, MongoSettings, ProcessSettings


class MapperSettings(KafkaSettings, MongoSettings, EncryptionSettings, ProcessSettings):
    """What all services share, and what belongs to the mapper alone."""

    mapper_batch_records: int = Field(2000, ge=1, le=5000, description="Most records that the mapper takes at once")

"""The poller's settings."""

from pydantic import Field

from services.runtime.settings import EncryptionSettings, KafkaSettings, MongoSettings, ProcessSettings


class PollerSettings(KafkaSettings, MongoSettings, EncryptionSettings, ProcessSettings):
    """What all services share, and what belongs to the poller alone."""

    poll_interval_seconds: float = Field(900, gt=0, description="How often each connection is polled")
    poll_lease_seconds: float = Field(
        30, gt=0, description="After so long a silent poller's connections are taken over"
    )
    poll_requests_every_seconds: float = Field(1, gt=0, description="How often the poller looks for requests")
    poll_personio_per_minute: int = Field(
        200, ge=1, description="Most requests for employees a minute by one poller; Personio allows an address 300"
    )
    poll_concurrency: int = Field(4, ge=1, description="Most connections polled at once by one poller")

"""The poller's settings."""

from pydantic import Field

from services.runtime.settings import (
    AddressSettings,
    EncryptionSettings,
    KafkaSettings,
    MongoSettings,
    PollingSettings,
    ProcessSettings,
)


class PollerSettings(
    KafkaSettings, MongoSettings, EncryptionSettings, AddressSettings, PollingSettings, ProcessSettings
):
    """The settings of all services, and those that only the poller reads."""

    poll_lease_seconds: float = Field(30, gt=0)
    """Seconds without a renewal after which another poller takes over a connection."""
    poll_tasks_every_seconds: float = Field(1, gt=0)
    """Seconds between two checks for new tasks, such as a poll that a command asks for."""
    poll_personio_logins_per_minute: int = Field(50, ge=1)
    """Maximum number of authentications that all pollers together send in a minute to each address of Personio. Personio allows
    60. Each credential authenticates once a day, and after a start."""
    poll_open_connections: int = Field(200, ge=1)
    """Maximum number of connections that one poller polls at the same time; most of them wait for Personio. As many others may
    have their tasks carried out."""
    poll_concurrency: int = Field(4, ge=1)
    """Maximum number of batches of employees, of up to four pages, that one poller works on at the same time. Connections take
    turns, and waiting for Personio does not count."""
    poll_scan_seconds: float = Field(3600, gt=0)
    """Seconds that one poll may wait for Personio before it stops. The employees read until then are synchronised."""
    poll_scan_pages: int = Field(5000, ge=1)
    """Maximum number of pages of one poll before it stops. Personio sends 100 employees on a page."""
    poll_full_scan_seconds: float = Field(86_400, ge=0)
    """Maximum seconds between two scans of all employees of a connection. The polls between them ask Personio for changed
    employees alone, and find no departures; 0 makes every poll a full scan."""
    poll_full_scan_hour: float = Field(5, ge=0, le=20)
    """Hours after midnight in a company's time zone from which a scan of all its employees is due each day, spread over three
    hours. Personio changes the status of employees that start or leave on that day without saying so, some hours after
    midnight."""
    poll_overlap_seconds: float = Field(7_200, ge=0)
    """Seconds before the last poll from which a poll asks for changes again, because Personio shows changes late and does not
    say in which time zone it reads the time."""
    poll_departure_seconds: float = Field(600, ge=0)
    """Seconds between two lookups of an employee that Personio no longer lists. If Personio knows the id in neither of them, the
    account is disabled."""
    poll_verify: bool = True
    """Whether all accounts in Declaree are compared once a day with what they should be. Missing accounts and enabled leavers
    are repaired."""
    poll_verify_repair: bool = False
    """Whether the daily comparison also writes fields with other values, and enables the accounts of active employees, as
    `verify --repair` does."""
    poll_verify_patience_seconds: float = Field(3600, ge=0)
    """Seconds after which a verification publishes a change again that has no outcome yet. `verify --repair` does not wait."""
    poll_leaver_days: int = Field(365, ge=1)
    """Days after which the data of a leaver is removed from MongoDB, if the account is confirmed as disabled. They begin when
    Personio no longer lists the employee, or with the last change of an inactive one."""

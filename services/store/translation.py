"""Our errors in place of those of MongoDB's driver."""

from collections.abc import Iterator
from contextlib import contextmanager

from bson.errors import BSONError
from pymongo.errors import ConnectionFailure, ExecutionTimeout, OperationFailure, PyMongoError, WriteConcernError

from services.errors import ConnectorError
from services.store.errors import StoreAccessError, StoreFailedError, StoreSetupError, StoreUnavailableError

# Error codes of the server: https://www.mongodb.com/docs/manual/reference/error-codes/
DUPLICATE_KEY = 11000
"""Code of an insert with a key that a unique index already has."""
_NO_REPLICA_SET = frozenset({20, 76})
_ACCESS_DENIED = frozenset({13, 18, 8000})
_AUTHENTICATION_FAILED = "AuthenticationFailed"
_TEMPORARY = frozenset(
    {6, 7, 43, 50, 64, 79, 89, 91, 100, 112, 134, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436, 14031}
)


def translate(error: PyMongoError) -> ConnectorError:
    """Returns our error for an error of the driver. Its text is left out, because it can quote documents."""
    code = error.code if isinstance(error, OperationFailure) else None
    # Only the first of several concurrent commands fails with the server's code.
    # The others fail with a ConnectionFailure that has the reason in its text.
    if code in _ACCESS_DENIED or (isinstance(error, ConnectionFailure) and _AUTHENTICATION_FAILED in str(error)):
        return StoreAccessError("MongoDB rejects the user in MONGODB_URL: check the user, password and rights")
    if code in _NO_REPLICA_SET:
        return StoreSetupError("MongoDB runs without a replica set: start it with --replSet, one member is enough")
    if isinstance(error, ConnectionFailure):
        return StoreUnavailableError("MongoDB does not answer: check that it runs and that MONGODB_URL is right")
    detail = f"{type(error).__name__}, code {code}"
    if code in _TEMPORARY or isinstance(error, WriteConcernError | ExecutionTimeout) or error.timeout:
        return StoreUnavailableError(f"MongoDB cannot run a command now ({detail})")
    return StoreFailedError(f"MongoDB rejects a command ({detail})")


@contextmanager
def translate_errors() -> Iterator[None]:
    """Raises our errors in place of the driver's."""
    try:
        yield
    except ConnectionFailure as error:
        raise translate(error) from error
    except PyMongoError as error:
        raise translate(error) from None
    except (BSONError, OverflowError, UnicodeEncodeError) as error:
        raise StoreFailedError(f"a document contains a value that cannot be stored ({type(error).__name__})") from None

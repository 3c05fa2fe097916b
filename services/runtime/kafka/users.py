"""Creates the product's users in Kafka, and gives each exactly its rights."""

from collections.abc import Collection, Iterable, Mapping

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError, for_code
from aiokafka.protocol.admin import CreateAclsRequest, DeleteAclsRequest, DescribeAclsRequest
from pydantic import SecretStr

from services.errors import ConfigurationError
from services.runtime.kafka.client import build_client_options
from services.runtime.kafka.publisher import KafkaUnavailableError
from services.runtime.kafka.rights import Right, list_rights
from services.runtime.kafka.scram import SetPasswords
from services.runtime.settings import KafkaSettings

# Numbers of Kafka's protocol: any value in a filter; the name of one resource; permission.
_ANY, _LITERAL, _ALLOW = 1, 3, 3

Entry = tuple[int, str, int, str, str, int, int]
"""An entry of Kafka's access control list, in the order of its requests: kind and name of the resource, kind of the name,
principal, host, operation, permission."""


async def ensure_users(settings: KafkaSettings, passwords: Mapping[str, SecretStr]) -> tuple[str, ...]:
    """Creates these users or sets their passwords, adds the rights that they lack, and removes the others.

    Returns one line for each created or removed right. Leaves other users alone. Raises ``KafkaUnavailableError``, and
    ``ConfigurationError`` if Kafka refuses.
    """
    client = AIOKafkaClient(**build_client_options(settings))
    try:
        await client.bootstrap()
        node = client.get_random_node()
        answer = (await client.send(node, SetPasswords(passwords))).to_object()
        _raise_errors(result["error_code"] for result in answer["results"])
        wanted = {_to_entry(right) for right in list_rights(settings)}
        present = await _read_entries(client, node, passwords.keys())
        for entry in wanted - present:
            answer = (await client.send(node, CreateAclsRequest(*entry))).to_object()
            _raise_errors(result["error_code"] for result in answer["creation_responses"])
        for entry in present - wanted:
            answer = (await client.send(node, DeleteAclsRequest(*entry))).to_object()
            _raise_errors(result["error_code"] for result in answer["filter_responses"])
    except (KafkaError, OSError) as error:
        raise KafkaUnavailableError(
            f"Kafka did not create the users ({type(error).__name__}): "
            "check that it runs, and that KAFKA_BOOTSTRAP_SERVERS and KAFKA_SASL_PASSWORD are right"
        ) from error
    finally:
        await client.close()
    return (
        *(f"created the right of {_describe(entry)}" for entry in sorted(wanted - present)),
        *(f"removed the right of {_describe(entry)}" for entry in sorted(present - wanted)),
    )


def _to_entry(right: Right) -> Entry:
    principal = f"User:{right.user}"
    return (int(right.resource), right.name, _LITERAL, principal, "*", int(right.operation), _ALLOW)


async def _read_entries(client: AIOKafkaClient, node: int, users: Collection[str]) -> set[Entry]:
    request = DescribeAclsRequest(_ANY, None, _ANY, None, None, _ANY, _ANY)
    answer = (await client.send(node, request)).to_object()
    _raise_errors([answer["error_code"]])
    return {
        (
            *(resource["resource_type"], resource["resource_name"], resource["resource_pattern_type"]),
            *(acl["principal"], acl["host"], acl["operation"], acl["permission_type"]),
        )
        for resource in answer["resources"]
        for acl in resource["acls"]
        if acl["principal"].removeprefix("User:") in users
    }


def _raise_errors(codes: Iterable[int]) -> None:
    for error in map(for_code, filter(None, codes)):
        if error.retriable:
            raise error
        raise ConfigurationError(
            f"Kafka refuses to create users or rights ({error.__name__}): check that it has an authorizer, and that "
            "KAFKA_SASL_USERNAME has all rights"
        )


def _describe(entry: Entry) -> str:
    return f"{entry[3].removeprefix('User:')} on {entry[1]}"

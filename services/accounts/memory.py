"""What is known about a server before the first request to it."""

from services.contracts.connections import DeclareeAccess, normalise_host
from services.provisioning.server import ServerMemory


def begin_memory(access: DeclareeAccess) -> ServerMemory:
    """Returns the memory of the server at this address, with what the connection's settings say."""
    memory = ServerMemory(prefers_put=access.updates == "put")
    memory.host = normalise_host(access.url).rpartition(":")[0]
    return memory

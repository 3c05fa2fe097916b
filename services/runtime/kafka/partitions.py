"""The partition of a key: the same for every reader and every producer."""

from collections.abc import Sequence

from aiokafka.partitioner import DefaultPartitioner

_choose = DefaultPartitioner()


def choose_partition(key: bytes | None, partitions: Sequence[int]) -> int:
    """Returns the partition that Kafka's own clients choose: by a hash of the key, or any one without a key.

    ``partitions`` are the numbers of all partitions of the topic, in ascending order.
    """
    partition: int = _choose(key, partitions, partitions)
    return partition

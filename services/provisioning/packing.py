"""Keeps many similar JSON objects in little memory."""

import zlib
from collections.abc import Callable, Iterator, MutableMapping
from typing import TypeVar

WINDOW_BITS, MEMORY_LEVEL = 13, 6
"""Window and memory of a compression: large enough for a usual account. With zlib's defaults, its start takes four times as long."""

K = TypeVar("K")
V = TypeVar("V")


class Packer:
    """Keeps many similar JSON objects in little memory: compressed, with the first one as the pattern of all others."""

    def __init__(self) -> None:
        """Starts without a pattern."""
        self._pattern = b""

    def pack(self, text: bytes) -> bytes:
        """Returns the compressed text."""
        self._pattern = self._pattern or text
        packer = zlib.compressobj(level=1, wbits=WINDOW_BITS, memLevel=MEMORY_LEVEL, zdict=self._pattern)
        return packer.compress(text) + packer.flush()

    def unpack(self, packed: bytes) -> bytes:
        """Returns the text that was packed."""
        return zlib.decompressobj(zdict=self._pattern).decompress(packed)


class PackedDict(MutableMapping[K, V]):
    """A dictionary with packed values. Each read returns a new object."""

    def __init__(self, dump: Callable[[V], bytes], load: Callable[[bytes], V]) -> None:
        """``dump`` writes a value as JSON, and ``load`` reads it."""
        self._dump = dump
        self._load = load
        self._packer = Packer()
        self._packed: dict[K, bytes] = {}

    def __getitem__(self, key: K) -> V:
        """Returns the value of a key. Raises ``KeyError``."""
        return self._load(self._packer.unpack(self._packed[key]))

    def __setitem__(self, key: K, value: V) -> None:
        """Keeps a value."""
        self._packed[key] = self._packer.pack(self._dump(value))

    def __delitem__(self, key: K) -> None:
        """Removes a value. Raises ``KeyError``."""
        del self._packed[key]

    def __contains__(self, key: object) -> bool:
        """Whether the key has a value."""
        return key in self._packed

    def __iter__(self) -> Iterator[K]:
        """Iterates over the keys."""
        return iter(self._packed)

    def __len__(self) -> int:
        """The number of values."""
        return len(self._packed)

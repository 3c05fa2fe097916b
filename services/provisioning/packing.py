"""Keeps many similar JSON objects in little memory."""

import zlib

WINDOW_BITS, MEMORY_LEVEL = 13, 6
"""Window and memory of a compression: large enough for a usual account. With zlib's defaults, its start takes four times as long."""


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

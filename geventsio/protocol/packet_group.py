"""The packets of one emit, encoded once and shared by all the clients that get them."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence

import msgspec

from geventsio.protocol.deflate import deflate
from geventsio.protocol.websocket_frames import Opcode, build_binary, build_deflated, build_frame, build_text

__all__ = ["PacketGroup"]


# A Struct because it is built for every emit: 0.04 us against 0.13 us for a class with __slots__. It holds no
# containers of containers, so it can't be part of a cycle and the garbage collector need not know it.
class PacketGroup(msgspec.Struct, eq=False, gc=False):
    """What one emit sends: never split, never interleaved with others.

    Each representation is built when it is first asked for, then kept: every client gets the same bytes object.

    Attributes:
        text: one whole Engine.IO packet with its type character, such as b'42["x"]'; None for a lone binary message.
        attachments: the binary messages that follow it.
    """

    text: bytes | None
    attachments: Sequence[bytes] = ()
    _frames: bytes | None = None
    _payload: bytes | None = None
    _deflated: dict[int, bytes] | None = None

    @property
    def size(self) -> int:
        """Bytes of data, before framing or base64."""
        size = 0 if self.text is None else len(self.text)
        for attachment in self.attachments:
            size += len(attachment)
        return size

    @property
    def frames(self) -> bytes:
        """The group as websocket frames, one behind the other."""
        frames = self._frames
        if frames is None:
            text = self.text
            if text is None or self.attachments:
                frames = self._join_frames()
            else:
                frames = build_text(text)
            self._frames = frames
        return frames

    def deflated_frames(self, threshold: int, window_bits: int) -> bytes:
        """The group as websocket frames for clients that take compressed ones, built once for each window.

        Args:
            threshold: bytes from which on a message is compressed; the same for all calls.
            window_bits: of the client's agreement, see `geventsio.protocol.deflate.Agreement`.
        """
        if self.size < threshold:
            return self.frames
        cache = self._deflated
        if cache is None:
            cache = self._deflated = {}
        frames = cache.get(window_bits)
        if frames is None:
            frames = cache[window_bits] = self._join_deflated(threshold, window_bits)
        return frames

    @property
    def payload(self) -> bytes:
        """The group as it stands in an Engine.IO v4 polling payload."""
        payload = self._payload
        if payload is None:
            text = self.text
            payload = self._payload = self._join_payload() if text is None or self.attachments else text
        return payload

    def _join_frames(self) -> bytes:
        parts = [] if self.text is None else [build_text(self.text)]
        parts.extend(map(build_binary, self.attachments))
        return b"".join(parts)

    def _join_deflated(self, threshold: int, window_bits: int) -> bytes:
        messages = [] if self.text is None else [(Opcode.TEXT, self.text)]
        messages.extend((Opcode.BINARY, attachment) for attachment in self.attachments)
        return b"".join(
            build_deflated(opcode, deflate(message, window_bits))
            if len(message) >= threshold
            else build_frame(opcode, message)
            for opcode, message in messages
        )

    def _join_payload(self) -> bytes:
        parts = [] if self.text is None else [self.text]
        parts.extend(b"b" + b64encode(attachment) for attachment in self.attachments)
        return b"\x1e".join(parts)

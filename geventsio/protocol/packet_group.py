"""The packets of one emit, encoded once and shared by all the clients that get them."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Sequence

import msgspec

from geventsio.protocol.deflate import deflate
from geventsio.protocol.eio3_framing import frame_binary, frame_text
from geventsio.protocol.websocket_frames import Opcode, build_binary, build_deflated, build_frame, build_text

__all__ = ["MESSAGE_TYPE", "Eio3Group", "JSONGroup", "PacketGroup"]

#: What stands before a binary message in Engine.IO v3.
MESSAGE_TYPE = b"\x04"

_NOT_ASCII = re.compile("[^\x00-\x7f]+")


# A Struct because it is built for every emit: 0.04 us against 0.13 us for a class with __slots__. It holds no
# containers of containers, so it can't be part of a cycle and the garbage collector need not know it.
class PacketGroup(msgspec.Struct, eq=False, gc=False):
    """What one emit sends: never split, never interleaved with others.

    Each representation is built when it is first asked for, then kept: every client gets the same bytes object.

    Attributes:
        text: one whole Engine.IO packet with its type character, such as b'42["x"]'; None for a lone binary message.
        attachments: the binary messages that follow it.
        built: `frames` once they have been asked for; to look here first spares each recipient of a broadcast a call.
    """

    text: bytes | None
    attachments: Sequence[bytes] = ()
    built: bytes | None = None
    _payload: bytes | None = None
    _deflated: dict[int, bytes] | None = None
    _eio3: Eio3Group | None = None

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
        frames = self.built
        if frames is None:
            text = self.text
            if text is None or self.attachments:
                frames = self._join_frames()
            else:
                frames = build_text(text)
            self.built = frames
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

    @property
    def eio3(self) -> Eio3Group:
        """The same packets for clients of Engine.IO v3."""
        group = self._eio3
        if group is None:
            group = self._eio3 = self._for_eio3()
        return group

    def _for_eio3(self) -> Eio3Group:
        return Eio3Group(self.text, self.attachments)

    def _binary_messages(self) -> Sequence[bytes]:
        """The attachments as binary websocket messages."""
        return self.attachments

    def _join_frames(self) -> bytes:
        if self.text is None and len(self.attachments) == 1:
            return build_binary(self._binary_messages()[0])
        parts = [] if self.text is None else [build_text(self.text)]
        parts.extend(map(build_binary, self._binary_messages()))
        return b"".join(parts)

    def _join_deflated(self, threshold: int, window_bits: int) -> bytes:
        messages = [] if self.text is None else [(Opcode.TEXT, self.text)]
        messages.extend((Opcode.BINARY, message) for message in self._binary_messages())
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


class Eio3Group(PacketGroup):
    """A group in Engine.IO v3: `frames` for websockets, `payload` for text payloads, `binary_payload` for binary ones.

    Attributes:
        is_json: see `JSONGroup`.
    """

    # It belongs to one group and refers to none, or the two would be a cycle that nobody collects.
    is_json: bool = False
    _binary_payload: bytes | None = None

    @property
    def eio3(self) -> Eio3Group:
        """The group itself."""
        return self

    @property
    def payload(self) -> bytes:
        """The group as it stands in a text payload."""
        payload = self._payload
        if payload is None:
            payload = self._payload = self._join_payload()
        return payload

    @property
    def binary_payload(self) -> bytes:
        """The group as it stands in a binary payload."""
        payload = self._binary_payload
        if payload is None:
            parts = [] if self.text is None else [frame_binary(self.text, is_string=True)]
            parts.extend(frame_binary(message, is_string=False) for message in self._binary_messages())
            payload = self._binary_payload = b"".join(parts)
        return payload

    def _binary_messages(self) -> Sequence[bytes]:
        return [MESSAGE_TYPE + attachment for attachment in self.attachments]

    def _join_payload(self) -> bytes:
        text = self.text
        parts = [] if text is None else [_escape(text) if self.is_json and not text.isascii() else text]
        parts.extend(b"b4" + b64encode(attachment) for attachment in self.attachments)
        return b"".join(map(frame_text, parts))


class JSONGroup(PacketGroup):
    """A group whose text is JSON behind a header of ASCII, in which only a namespace may hold other characters.

    In text payloads of Engine.IO v3 its JSON escapes what is not ASCII. socket.io-client 1 decodes UTF-8 there that
    the transport has decoded already, which nothing but ASCII survives; and nobody can tell it from version 2.
    """

    def _for_eio3(self) -> Eio3Group:
        return Eio3Group(self.text, self.attachments, is_json=True)


def _escape(packet: bytes) -> bytes:
    text = packet.decode()
    # A namespace stands before all JSON, behind the type and the number of attachments, and ends with a comma.
    slash = re.match("[0-9]+-?/", text)
    start = text.find(",") if slash else 0
    if start < 0:
        return packet
    return (text[:start] + _NOT_ASCII.sub(_escape_run, text[start:])).encode()


def _escape_run(run: re.Match[str]) -> str:
    return json.dumps(run[0])[1:-1]

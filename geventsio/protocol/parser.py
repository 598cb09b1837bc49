"""What a parser is: the contract for users' own, and the choice among those that are here.

A parser turns Socket.IO packets into Engine.IO messages, text or binary, and back. Both ends must use the same one: the
option `parser` of `SocketIO` here, the option `parser` of the official client there. `CommonParser` and `MsgpackParser`
are written to this contract and serve as samples.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from geventsio.errors import ProtocolError
from geventsio.protocol.common_parser import CommonParser
from geventsio.protocol.msgpack_parser import MsgpackParser
from geventsio.protocol.packet_group import PacketGroup
from geventsio.protocol.sio_packet import Packet, check_packet

__all__ = ["PacketDecoder", "Parser", "make_group", "make_parser"]

logger = logging.getLogger("geventsio")

T = TypeVar("T")


class Parser(Protocol):
    """Encodes packets and makes decoders; one instance serves all connections, in whatever thread emits.

    No method may switch greenlets. `make_group` makes what the encoders return. An emit is encoded once, for all its
    recipients.

    Arguments are what users emit: make of dataclasses, Decimals and the like whatever suits the format. For what can't
    be sent raise `geventsio.SerializeError`.
    """

    def encode_connect(self, namespace: str, payload: object) -> PacketGroup:
        """Return the CONNECT that accepts a client in a namespace; the payload is a dict with an id, or None."""
        ...

    def encode_connect_error(self, namespace: str, payload: object) -> PacketGroup:
        """Return the CONNECT_ERROR that refuses a client; the payload is a dict with "message" and perhaps "data".

        The namespace is as the client sent it.
        """
        ...

    def encode_disconnect(self, namespace: str) -> PacketGroup:
        """Return the DISCONNECT that ends a namespace's connection."""
        ...

    def encode_event(
        self, namespace: str, event: str, args: Sequence[object], ack_id: int | None = None
    ) -> PacketGroup:
        """Return an EVENT of a namespace, with an ack id if an acknowledgement is expected."""
        ...

    def encode_ack(self, namespace: str, ack_id: int, args: Sequence[object]) -> PacketGroup:
        """Return the ACK that answers the client's event of this ack id, in its namespace."""
        ...

    def decoder(self) -> PacketDecoder:
        """Return a decoder for one connection.

        `geventsio.testing` reads with it what the server sends, unless there is a method `client_decoder` besides.
        """
        ...


class PacketDecoder(Protocol):
    """Decodes the messages of one connection.

    `add_text` and `add_binary` take an Engine.IO message each and return a packet, or None while more messages belong
    to it. A client has 30 seconds to send these. What a client may not send is refused with `geventsio.ProtocolError`:
    the connection is closed then, with the reason "parse error". The same happens on any other exception, which is
    taken for a defect: the first of its kind is logged as an error, with its traceback.

    Data in packets are a list for EVENT (the name first) and ACK, a dict or None for CONNECT. Bound what a client can
    make you keep, and how deep its data are nested; one message is never larger than `max_payload`.
    """

    @property
    def pending_namespace(self) -> str | None:
        """The namespace of an EVENT or ACK that is incomplete; None if there is none.

        The connection is closed if the client is not in it.
        """
        ...

    def add_text(self, text: str) -> Packet | None:
        """Decode a text message."""
        ...

    def add_binary(self, data: bytes) -> Packet | None:
        """Decode the data of a binary message."""
        ...

    def reset(self) -> None:
        """Drop a packet that is incomplete: the connection has ended."""
        ...


def make_group(*messages: str | bytes) -> PacketGroup:
    """Return the messages of one packet, for a parser to return.

    Args:
        messages: one of text, binary ones, or binary ones behind one of text.

    Raises:
        TypeError: the messages are others, or in another order.
    """
    text = messages[0] if messages and isinstance(messages[0], str) else None
    attachments = [data for data in messages if isinstance(data, bytes)]
    if not messages or len(attachments) + (text is not None) != len(messages):
        raise TypeError("the messages of a packet are a text, or bytes, or a text with bytes behind it")
    return PacketGroup(None if text is None else b"4" + text.encode(), attachments)


def make_parser(choice: Any, max_attachments: int, max_attachment_bytes: int) -> Parser:
    """Return the parser that an option chooses: "common", "msgpack", or one of the user's.

    Args:
        choice: the option `parser`.
        max_attachments: binary attachments that one packet may have.
        max_attachment_bytes: bytes of all of them together.

    Raises:
        TypeError: the user's lacks something.
    """
    if choice == "common":
        return CommonParser(max_attachments, max_attachment_bytes)
    if choice == "msgpack":
        return MsgpackParser()
    return _UserParser(choice)


_METHODS = ("encode_connect", "encode_connect_error", "encode_disconnect", "encode_event", "encode_ack", "decoder")
_DECODER_METHODS = ("add_text", "add_binary", "reset")


def _check(name: str, value: object, methods: Sequence[str], contract: type) -> None:
    """Raise TypeError if a user's object can't be what it is given for."""
    if isinstance(value, type):
        raise TypeError(f"{name} must be an object, not a class: {value.__qualname__}()")
    for method in methods:
        if not callable(getattr(value, method, None)):
            raise TypeError(
                f"{name} must have the methods of {contract.__module__}.{contract.__qualname__}, "
                f"but {value!r} has no {method!r}"
            )


class _UserParser:
    """A parser of the user's, whose decoders are guarded: the server can't rely on what they do with bad input."""

    __slots__ = (*_METHODS[:-1], "_make_decoder", "_reported", "client_decoder")

    def __init__(self, parser: Parser) -> None:
        _check("parser", parser, _METHODS, Parser)
        decoder = parser.decoder()
        _check("parser.decoder()", decoder, _DECODER_METHODS, PacketDecoder)
        if not hasattr(decoder, "pending_namespace"):
            raise TypeError(f"parser.decoder() must have the property 'pending_namespace', but {decoder!r} has not")
        self._make_decoder = parser.decoder
        self.client_decoder: Callable[[], PacketDecoder] = getattr(parser, "client_decoder", parser.decoder)
        self._reported: set[type[Exception]] = set()
        self.encode_connect = parser.encode_connect
        self.encode_connect_error = parser.encode_connect_error
        self.encode_disconnect = parser.encode_disconnect
        self.encode_event = parser.encode_event
        self.encode_ack = parser.encode_ack

    def decoder(self) -> PacketDecoder:
        """Return a decoder for one connection."""
        return _GuardedDecoder(self._make_decoder(), self._report)

    def _report(self, error: Exception) -> None:
        # Once for each kind: clients decide how often it happens.
        level = logging.DEBUG if type(error) in self._reported else logging.ERROR
        self._reported.add(type(error))
        logger.log(level, "the parser failed on a message from a client", exc_info=error)


class _GuardedDecoder:
    """Lets nothing out but packets that a client may send, and no exception but ProtocolError."""

    __slots__ = ("_decoder", "_report")

    def __init__(self, decoder: PacketDecoder, report: Callable[[Exception], None]) -> None:
        self._decoder = decoder
        self._report = report

    @property
    def pending_namespace(self) -> str | None:
        """The namespace of a packet that is incomplete."""
        return self._guard(lambda: self._decoder.pending_namespace)

    def add_text(self, text: str) -> Packet | None:
        """Decode a text message."""
        return self._guard(lambda: _checked(self._decoder.add_text(text)))

    def add_binary(self, data: bytes) -> Packet | None:
        """Decode the data of a binary message."""
        return self._guard(lambda: _checked(self._decoder.add_binary(data)))

    def reset(self) -> None:
        """Drop a packet that is incomplete."""
        try:
            self._guard(self._decoder.reset)
        except ProtocolError:
            pass  # reported, and the connection has ended anyway

    def _guard(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except ProtocolError:
            raise
        except Exception as error:
            self._report(error)
            raise ProtocolError("the parser failed") from error


def _checked(packet: Packet | None) -> Packet | None:
    if packet is not None:
        if not isinstance(packet, Packet):
            raise TypeError(f"a decoder returns packets, not {packet!r}")
        check_packet(packet)
    return packet

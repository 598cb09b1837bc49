"""What clients must not send, with the answer to each; see `attacks.py`."""

from __future__ import annotations

__all__ = ["ENGINE_PACKETS", "FRAMES", "HANDSHAKES", "PAYLOADS", "PROBES", "REQUESTS", "SOCKET_PACKETS", "Http"]

import base64
import struct
from dataclasses import dataclass

from tests.hostile.server import MAX_PAYLOAD
from tests.live.ws_client import frame

KEY = base64.b64encode(bytes(range(16))).decode()
POLL = "EIO=4&transport=polling"


@dataclass(frozen=True)
class Http:
    """A request, sent as it stands, and its answer.

    Attributes:
        method: and the query (`{sid}` stands for a session that is open), the headers and the body.
        status: of the answer; 0 for whatever refusal the WSGI server itself chooses, before our code is called.
        code: the Engine.IO error code in its JSON body; None for an error that has none.
        ends: whether the session is closed for it.
        half: whether the request ends with FIN instead of the rest of it.
    """

    method: str
    query: str
    status: int
    code: int | None = None
    headers: tuple[str, ...] = ()
    body: bytes = b""
    version: str = "HTTP/1.1"
    ends: bool = False
    half: bool = False


def _get(query: str, code: int, *headers: str, status: int = 400) -> Http:
    return Http("GET", query, status, code, headers)


def _post(*headers: str, status: int = 400, code: int | None = 3, body: bytes = b"", half: bool = False) -> Http:
    """A POST to a session, which is closed for it."""
    return Http("POST", POLL + "&sid={sid}", status, code, headers, body, ends=True, half=half)


REQUESTS = {
    "no query": _get("", 0),
    "no transport": _get("EIO=4", 0),
    "empty transport": _get("EIO=4&transport=", 0),
    "transport in capitals": _get("EIO=4&transport=Polling", 0),
    "transport with NUL": _get("EIO=4&transport=polling%00", 0),
    "transport with a blank": _get("EIO=4&transport=websocket%20", 0),
    "transport flashsocket": _get("EIO=4&transport=flashsocket", 0),
    "transport of JavaScript's": _get("EIO=4&transport=__proto__", 0),
    "transport webtransport": _get("EIO=4&transport=webtransport", 0),
    "no version": _get("transport=polling", 5),
    "version 3": _get("EIO=3&transport=polling", 5),
    "version 5": _get("EIO=5&transport=polling", 5),
    "version 4.0": _get("EIO=4.0&transport=polling", 5),
    "version -4": _get("EIO=-4&transport=polling", 5),
    "version with a blank": _get("EIO=%204&transport=polling", 5),
    "version in Arabic digits": _get("EIO=%D9%A4&transport=polling", 5),
    "version twice": _get("EIO=3&EIO=4&transport=polling", 5),
    "empty sid": _get(POLL + "&sid=", 1),
    "unknown sid": _get(POLL + "&sid=AAAAAAAAAAAAAAAAAAAA", 1),
    "sid with NUL": _get(POLL + "&sid=%00", 1),
    "sid that is not UTF-8": _get(POLL + "&sid=%FF%FE", 1),
    "sid with line breaks": _get(POLL + "&sid=%0D%0AX-Evil:%201", 1),
    "sid that is a path": _get(POLL + "&sid=../../etc/passwd", 1),
    "sid of JavaScript's": _get(POLL + "&sid=__proto__", 1),
    "sid of 3,000 characters": _get(POLL + "&sid=" + "A" * 3000, 1),
    "sid of another plus a blank": _get(POLL + "&sid={sid}%20", 1),
    "broken percent signs": _get("EIO=4&transport=%zz%", 0),
    "300 parameters": _get("&".join(f"a{number}=1" for number in range(300)), 3),
    "semicolons for ampersands": _get("EIO=4;transport=polling", 0),
    "websocket without an upgrade": _get("EIO=4&transport=websocket", 3),
    "websocket by POST": Http("POST", "EIO=4&transport=websocket&sid={sid}", 400, 3, ("Content-Length: 0",)),
    "POST without sid": Http("POST", POLL, 400, 2, ("Content-Length: 2",), b"40"),
    "PUT without sid": Http("PUT", POLL, 400, 2, ("Content-Length: 2",), b"40"),
    "HEAD without sid": Http("HEAD", POLL, 400, 2),
    "DELETE of a session": Http("DELETE", POLL + "&sid={sid}", 400, 3),
    "PATCH of a session": Http("PATCH", POLL + "&sid={sid}", 400, 3, ("Content-Length: 2",), b"41"),
    "HEAD of a session": Http("HEAD", POLL + "&sid={sid}", 400, 3),
    "a method in small letters": Http("get", POLL, 0),
    "another origin": _get(POLL, 4, "Origin: http://evil.example", status=403),
    "origin null": _get(POLL, 4, "Origin: null", status=403),
    "empty origin": _get(POLL, 4, "Origin:", status=403),
    "origin star": _get(POLL, 4, "Origin: *", status=403),
    "own host over https": _get(POLL, 4, "Origin: https://localhost", status=403),
    "own host, other port": _get(POLL, 4, "Origin: http://localhost:81", status=403),
    "own host as a prefix": _get(POLL, 4, "Origin: http://localhost.evil.example", status=403),
    "own host as user": _get(POLL, 4, "Origin: http://localhost@evil.example", status=403),
    "forwarded by nobody": _get(
        POLL,
        4,
        "Origin: http://evil.example",
        "X-Forwarded-Host: evil.example",
        "Forwarded: host=evil.example",
        status=403,
    ),
    "another origin polls": _get(POLL + "&sid={sid}", 4, "Origin: http://evil.example", status=403),
    "no request line": Http("", "", 0),
    "HTTP/9.9": Http("GET", POLL, 0, version="HTTP/9.9"),
    "body too large": _post(f"Content-Length: {MAX_PAYLOAD + 1}", status=413, code=None, body=b"4" * (MAX_PAYLOAD + 1)),
    "body that says it is a terabyte": _post("Content-Length: 1000000000000", status=413, code=None),
    "body too large, in chunks": _post(
        "Transfer-Encoding: chunked", status=413, code=None, body=b"%x\r\n%b\r\n0\r\n\r\n" % (60_000, b"4" * 60_000)
    ),
    "body that never comes": _post("Content-Length: 10", status=408, code=None, body=b"4"),
    "chunk that never comes": _post("Transfer-Encoding: chunked", status=408, code=None, body=b"5\r\n4"),
    "chunk size that is no number": _post("Transfer-Encoding: chunked", body=b"zz\r\n4\r\n0\r\n\r\n"),
    "negative chunk size": _post("Transfer-Encoding: chunked", body=b"-5\r\n4\r\n0\r\n\r\n"),
    "chunk without its end": _post("Transfer-Encoding: chunked", body=b"1\r\n4xx\r\n0\r\n\r\n"),
    "body that breaks off": _post("Content-Length: 10", body=b"41", half=True),
    "chunks that break off": _post("Transfer-Encoding: chunked", body=b"5\r\n41", half=True),
    "empty body": _post("Content-Length: 0"),
    "no length": _post(),
    "length that is no number": Http("POST", POLL + "&sid={sid}", 0, headers=("Content-Length: abc",)),
    "negative length": Http("POST", POLL + "&sid={sid}", 0, headers=("Content-Length: -1",)),
}


def _shake(
    status: int,
    code: int | None = None,
    *,
    query: str = "EIO=4&transport=websocket",
    method: str = "GET",
    version: str = "HTTP/1.1",
    more: tuple[str, ...] = (),
    body: bytes = b"",
    **replaced: str | None,
) -> Http:
    """A websocket's handshake with some headers replaced, or left out if None."""
    headers: dict[str, str | None] = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": KEY,
    }
    headers.update({name.replace("_", "-"): value for name, value in replaced.items()})
    lines = tuple(f"{name}: {value}" for name, value in headers.items() if value is not None)
    return Http(method, query, status, code, lines + more, body, version)


HANDSHAKES = {
    "version 8": _shake(426, Sec_WebSocket_Version="8"),
    "version 14": _shake(426, Sec_WebSocket_Version="14"),
    "version 013": _shake(426, Sec_WebSocket_Version="013"),
    "two versions": _shake(426, Sec_WebSocket_Version="13, 8"),
    "no websocket version": _shake(426, Sec_WebSocket_Version=None),
    "no key": _shake(400, 3, Sec_WebSocket_Key=None),
    "empty key": _shake(400, 3, Sec_WebSocket_Key=""),
    "key of 15 bytes": _shake(400, 3, Sec_WebSocket_Key=base64.b64encode(bytes(15)).decode()),
    "key of 17 bytes": _shake(400, 3, Sec_WebSocket_Key=base64.b64encode(bytes(17)).decode()),
    "key that is not base64": _shake(400, 3, Sec_WebSocket_Key="!" * 24),
    "key that is not ASCII": _shake(400, 3, Sec_WebSocket_Key="\xe9" * 24),
    "two keys": _shake(400, 3, more=(f"Sec-WebSocket-Key: {KEY}",)),
    "upgrade to h2c": _shake(400, 3, Upgrade="h2c"),
    "upgrade to websocket2": _shake(400, 3, Upgrade="websocket2"),
    "connection keep-alive": _shake(400, 3, Connection="keep-alive"),
    "no connection header": _shake(400, 3, Connection=None),
    "HTTP/1.0": _shake(400, 3, version="HTTP/1.0"),
    "handshake by POST": _shake(400, 2, method="POST", more=("Content-Length: 0",)),
    "handshake by HEAD": _shake(400, 2, method="HEAD"),
    "handshake with a body": _shake(400, 3, more=("Content-Length: 5",), body=b"hello"),
    "handshake in chunks": _shake(400, 3, more=("Transfer-Encoding: chunked",), body=b"0\r\n\r\n"),
    "handshake for polling": _shake(400, 3, query=POLL),
    "handshake for nothing": _shake(400, 0, query=""),
    "handshake of version 3": _shake(400, 5, query="EIO=3&transport=websocket"),
    "handshake with an unknown sid": _shake(400, 1, query="EIO=4&transport=websocket&sid=AAAAAAAAAAAAAAAAAAAA"),
    "handshake of another origin": _shake(403, 4, more=("Origin: http://evil.example",)),
    "handshake of origin null": _shake(403, 4, more=("Origin: null",)),
    "request smuggled behind a handshake": _shake(
        426, Sec_WebSocket_Version="7", body=b"GET /sessions HTTP/1.1\r\nHost: localhost\r\n\r\n"
    ),
}

#: Bodies of POSTs: each is answered 400, and its session is closed.
PAYLOADS = {
    "separator alone": b"\x1e",
    "separator at the beginning": b"\x1e3",
    "two separators": b"3\x1e\x1e3",
    "packet type 7": b"7",
    "packet type 9": b"9x",
    "packet type x": b"xyz",
    "packet type NUL": b"\x00",
    "packet type of two digits": b"44" + b"\xff",
    "open packet": b'0{"sid":"x"}',
    "upgrade packet": b"5",
    "noop packet": b"6",
    "broken base64": b"b!!!!",
    "base64 of a wrong length": b"bAQ",
    "base64 with something behind": b"bAQID=x",
    "binary nobody asked for": b"bAQID",
    "no UTF-8": b"\xff\xfe",
    "surrogate in UTF-8": b"4\xed\xa0\x80",
    "overlong UTF-8": b"4\xc0\x80",
    "cut UTF-8": b"4\xe2\x82",
    "UTF-16": "42[]".encode("utf-16"),
    "payload of version 3": b'8:42["a"]',
    "binary payload of version 3": b"\x00\x02\xff40",
    "JSONP": b"d=40",
    "form": b"a=b&c=d",
    "markup": b"<html>",
    "JSON": b'{"type":2}',
    "gzip": b"\x1f\x8b\x08\x00",
    "good and bad": b'42["message"]\x1ex',
}

#: Messages of Engine.IO on a websocket: each ends the session with a CLOSE packet.
ENGINE_PACKETS = {
    "empty packet": "",
    "open packet": "0{}",
    "upgrade packet": "5",
    "noop packet": "6",
    "packet type 7": "7",
    "packet type 9": "9",
    "packet type x": "x",
    "broken base64": "bAQ",
    "payload with a separator": "\x1e40",
    "not ASCII": "€",
}


def _placeholder(number: str) -> str:
    return f'451-["message",{{"_placeholder":true,"num":{number}}}]'


#: Messages of Socket.IO, one after the other, by a client that is connected to `/` alone: each ends the connection.
SOCKET_PACKETS: dict[str, tuple[str | bytes, ...]] = {
    "empty message": ("4",),
    "packet type 7": ("47",),
    "packet type x": ("4x",),
    "CONNECT once more": ("40",),
    "CONNECT with a list": ("40/custom,[1]",),
    "CONNECT with a string": ('40/custom,"x"',),
    "CONNECT with half an object": ('40/custom,{"a":',),
    "CONNECT to a namespace of 300 bytes": ("40/" + "x" * 300 + ",",),
    "CONNECT_ERROR": ('44{"message":"x"}',),
    "DISCONNECT with a payload": ("41{}",),
    "DISCONNECT from elsewhere": ("41/custom,",),
    "EVENT without data": ("42",),
    "EVENT with an object": ("42{}",),
    "EVENT with a string": ('42"message"',),
    "EVENT without a name": ("42[]",),
    "EVENT named by a number": ("42[1]",),
    "EVENT named null": ("42[null]",),
    "EVENT named by an object": ('42[{"toString":"x"}]',),
    "EVENT named by a list": ('42[["message"]]',),
    "EVENT connect": ('42["connect"]',),
    "EVENT connect_error": ('42["connect_error"]',),
    "EVENT disconnect": ('42["disconnect"]',),
    "EVENT disconnecting": ('42["disconnecting"]',),
    "EVENT cut": ('42["message"',),
    "EVENT with more behind": ('42["message"]x',),
    "EVENT with a comma too many": ('42["message",]',),
    "EVENT with NaN": ('42["message",NaN]',),
    "EVENT in single quotes": ("42['message']",),
    "EVENT with a control character": ('42["mess\x00age"]',),
    "EVENT elsewhere": ('42/custom,["message"]',),
    "EVENT nested 20,000 deep": ('42["message",' + "[" * 20_000 + "]" * 20_000 + "]",),
    "EVENT with objects 5,000 deep": ('42["message",' + '{"a":' * 5000 + "1" + "}" * 5000 + "]",),
    "EVENT with a negative id": ('42-1["message"]',),
    "EVENT with an id of 20 digits": ('4299999999999999999999["message"]',),
    "EVENT with an id of 10,000 digits": ("42" + "1" * 10_000 + '["message"]',),
    "EVENT with an id in Arabic digits": ('42٣["message"]',),
    "EVENT with an id of 2**53": ('429007199254740992["message"]',),
    "ACK without an id": ("43[]",),
    "ACK without data": ("431",),
    "ACK with an object": ("431{}",),
    "ACK elsewhere": ("431/custom,[]",),
    "binary EVENT without a count": ('45["message"]',),
    "binary EVENT with an empty count": ('45-["message"]',),
    "binary EVENT with a count of x": ('45x-["message"]',),
    "binary EVENT with 11 attachments": ('4511-["message"]',),
    "binary EVENT with a billion": ('451000000000-["message"]',),
    "binary EVENT without a placeholder": ('451-["message"]',),
    "binary EVENT elsewhere": ('451-/custom,["message",{"_placeholder":true,"num":0}]',),
    "binary EVENT of a reserved name": ('451-["connect",{"_placeholder":true,"num":0}]',),
    "binary ACK without an id": ('461-[{"_placeholder":true,"num":0}]',),
    "placeholder 1 of 1": (_placeholder("1"),),
    "placeholder -1": (_placeholder("-1"),),
    "placeholder 0.0": (_placeholder("0.0"),),
    "placeholder true": (_placeholder("true"),),
    "placeholder in quotes": (_placeholder('"0"'),),
    "placeholder __proto__": (_placeholder('"__proto__"'),),
    "placeholder without a number": ('451-["message",{"_placeholder":true}]',),
    "placeholder twice": ('452-["message",{"_placeholder":true,"num":0},{"_placeholder":true,"num":0}]',),
    "text in place of an attachment": (_placeholder("0"), '42["message"]'),
    "attachment that nobody announced": (b"\x01\x02",),
    "one attachment too many": (_placeholder("0"), b"\x01", b"\x02"),
}


def _close(code: int, reason: bytes = b"") -> bytes:
    return frame(8, struct.pack("!H", code) + reason)


#: Bytes on a websocket, with the close code that answers them.
FRAMES = {
    "unmasked frame": (frame(1, b"3", mask=None), 1002),
    "RSV1": (frame(1, b"3", rsv=4), 1002),
    "RSV2": (frame(1, b"3", rsv=2), 1002),
    "RSV3": (frame(1, b"3", rsv=1), 1002),
    **{f"opcode {opcode}": (frame(opcode, b"x"), 1002) for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    "fragmented ping": (frame(9, b"x", fin=False), 1002),
    "fragmented close": (frame(8, b"", fin=False), 1002),
    "ping of 126 bytes": (frame(9, bytes(126)), 1002),
    "close of 126 bytes": (frame(8, bytes(126)), 1002),
    "continuation of nothing": (frame(0, b"x"), 1002),
    "text in the middle of a message": (frame(1, b"4", fin=False) + frame(1, b"3"), 1002),
    "binary in the middle of a text": (frame(1, b"4", fin=False) + frame(2, b"3"), 1002),
    "text that is not UTF-8": (frame(1, b"4\xff"), 1007),
    "cut UTF-8": (frame(1, b"4\xe2\x82"), 1007),
    "surrogate": (frame(1, b"4\xed\xa0\x80"), 1007),
    "fragments that are not UTF-8": (frame(1, b"4", fin=False) + frame(0, b"\xff"), 1007),
    "character over the end of the last fragment": (frame(1, b"4\xe2", fin=False) + frame(0, b"\x82"), 1007),
    "close of one byte": (frame(8, b"\x03"), 1002),
    **{
        f"close code {code}": (_close(code), 1002) for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535)
    },
    "close reason that is not UTF-8": (_close(1000, b"\xff"), 1007),
    "message too big": (frame(1, b"4" * (MAX_PAYLOAD + 1)), 1009),
    "message that says it is too big": (frame(1, b"", length=MAX_PAYLOAD + 1), 1009),
    "message of 2**62 bytes": (frame(2, b"", length=2**62), 1009),
    "message of 2**63 bytes": (frame(2, b"", length=2**63), 1002),
    "length in 16 bits without need": (b"\x81\xfe\x00\x01" + bytes(4) + b"3", 1002),
    "length in 64 bits without need": (b"\x81\xff" + struct.pack("!Q", 1) + bytes(4) + b"3", 1002),
    "fragments too big together": (
        frame(1, b"4" * 30_000, fin=False) + frame(0, b"4" * 30_000, fin=False),
        1009,
    ),
    "2,000 empty fragments": (frame(1, b"", fin=False) + frame(0, b"", fin=False) * 2000, 1009),
    "HTTP on a websocket": (b"GET /socket.io/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 1002),
    "TLS on a websocket": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64), 1002),
    "line noise": (bytes(range(255, 155, -1)), 1002),
}

#: What a websocket sends that probes a polling session: it is closed, and the session goes on with polling.
PROBES: dict[str, tuple[str | bytes, ...]] = {
    "upgrade without a probe": ("5",),
    "ping without probe": ("2",),
    "pong probe": ("3probe",),
    "probe in capitals": ("2PROBE",),
    "message before the upgrade": ("4hello",),
    "close packet": ("1",),
    "empty packet": ("",),
    "binary": (b"2probe",),
    "two probes": ("2probe", "2probe"),
    "message behind the probe": ("2probe", "4hello"),
    "close behind the probe": ("2probe", "1"),
    "nothing behind the probe": ("2probe",),
    "nothing": (),
}

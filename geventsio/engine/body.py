"""Reading a request's body: never more than allowed, and never for longer."""

from __future__ import annotations

from typing import Any

import gevent

from geventsio.engine.responses import ErrorCode, RequestError
from geventsio.errors import ProtocolError

__all__ = ["read_body"]

#: Bytes per read of a body whose end only the server's stream knows.
CHUNK = 65_536

#: How many times the limit is read, and dropped, of a body that is too large: who closes a connection on which
#: the client is still sending resets it, and the client may never see the answer.
DISCARDED = 4
DISCARD_TIME = 1.0


def read_body(environ: dict[str, Any], limit: int, seconds: float) -> bytes:
    """Read a body. May switch greenlets.

    Args:
        environ: the request's.
        limit: bytes that the body may have.
        seconds: how long the body may take to arrive.

    Raises:
        RequestError: it is larger, takes longer, or breaks HTTP.
        ProtocolError: it broke off.
    """
    length = _content_length(environ)
    stream = environ["wsgi.input"]
    body = None if length is not None and length > limit else _read(stream, limit, length, seconds)
    if body is None:
        _discard(stream, DISCARDED * limit, min(seconds, DISCARD_TIME))
        raise _unreadable(ErrorCode.PAYLOAD_TOO_LARGE, f"a body of more than max_payload={limit} bytes")
    if length is not None and len(body) < length:
        raise ProtocolError("the body broke off")
    return body


def _read(stream: Any, limit: int, length: int | None, seconds: float) -> bytes | None:
    """Read a body to its end; None as soon as it has more than `limit` bytes."""
    remaining = limit + 1 if length is None else length
    chunks: list[bytes] = []
    timeout = gevent.Timeout.start_new(seconds)
    try:
        while remaining > 0:
            chunk = stream.read(min(CHUNK, remaining))
            if not chunk:
                break
            remaining -= len(chunk)
            chunks.append(chunk)
    except gevent.Timeout as error:
        if error is not timeout:
            raise
        raise _unreadable(ErrorCode.REQUEST_TIMEOUT, "the body takes too long") from None
    except TimeoutError:  # the server has a time limit of its own
        raise _unreadable(ErrorCode.REQUEST_TIMEOUT, "the body takes too long") from None
    except Exception as error:  # each server has exceptions of its own for a body that breaks HTTP
        raise _unreadable(ErrorCode.BAD_REQUEST, f"the body can't be read: {error}") from None
    finally:
        timeout.close()
    body = b"".join(chunks)
    return body if len(body) <= limit else None


def _discard(stream: Any, size: int, seconds: float) -> None:
    """Read on, for a while, what nobody wants."""
    timeout = gevent.Timeout.start_new(seconds)
    try:
        while size > 0:
            chunk = stream.read(min(CHUNK, size))
            if not chunk:
                break
            size -= len(chunk)
    except gevent.Timeout as error:
        if error is not timeout:
            raise
    except Exception:  # what is wrong with the rest is of no interest
        pass
    finally:
        timeout.close()


def _unreadable(code: ErrorCode, detail: str) -> RequestError:
    return RequestError(code, detail, ends_connection=True)


def _content_length(environ: dict[str, Any]) -> int | None:
    """The announced length; None for a body in chunks."""
    length = environ.get("CONTENT_LENGTH") or ""
    if not length:
        return None
    if not (length.isdecimal() and length.isascii() and len(length) < 20):
        raise _unreadable(ErrorCode.BAD_REQUEST, "an invalid Content-Length")
    return int(length)

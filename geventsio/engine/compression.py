"""Compressed HTTP answers, in the coding that the client prefers."""

from __future__ import annotations

import zlib

from geventsio.engine.responses import Response

__all__ = ["choose_coding", "compress"]

# The hub waits for it: see `geventsio.protocol.deflate`.
_LEVEL = 2

#: Window bits by which zlib tells the formats apart: gzip (RFC 1952), and zlib (RFC 1950), which HTTP calls deflate.
_FORMATS = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


def choose_coding(accept_encoding: str) -> str | None:
    """Return the content coding for a request's `Accept-Encoding` (RFC 9110 section 12.5.3).

    Returns:
        "gzip" or "deflate"; None sends the body as it is, also to a client that accepts nothing.
    """
    weights: dict[str, float] = {}
    for element in accept_encoding.split(","):
        coding, *parameters = [part.strip(" \t").lower() for part in element.split(";")]
        weights.setdefault("gzip" if coding == "x-gzip" else coding, _weight(parameters))
    others = weights.get("*", 0.0)
    best = max(_FORMATS, key=lambda coding: weights.get(coding, others))
    weight = weights.get(best, others)
    return best if weight > 0 and weight >= weights.get("identity", 0.0) else None


def compress(response: Response, accept_encoding: str) -> Response:
    """Return the answer as the client prefers it; `Vary` tells caches that others may get it differently."""
    response = response._replace(headers=(*response.headers, ("Vary", "Accept-Encoding")))
    coding = choose_coding(accept_encoding)
    if coding is None:
        return response
    compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, _FORMATS[coding])
    body = compressor.compress(response.body) + compressor.flush()
    if len(body) >= len(response.body):
        return response
    return response._replace(headers=(*response.headers, ("Content-Encoding", coding)), body=body)


def _weight(parameters: list[str]) -> float:
    """Return the weight of one coding; one that can't be understood counts as a refusal."""
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name == "q":
            digits = value.replace(".", "", 1)
            if not (digits.isascii() and digits.isdigit() and len(value) <= 5):
                return 0.0
            return min(float(value), 1.0)
    return 1.0

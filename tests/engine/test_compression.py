"""Compressed HTTP answers: which coding a client gets, and what it finds in the answer."""

from __future__ import annotations

import gzip
import random
import zlib
from collections.abc import Callable

import pytest

from geventsio.engine.compression import choose_coding, compress
from geventsio.engine.responses import Response


@pytest.mark.parametrize(
    ("accept_encoding", "coding"),
    [
        ("gzip, deflate, br, zstd", "gzip"),
        ("deflate, gzip", "gzip"),
        ("deflate", "deflate"),
        ("GZIP", "gzip"),
        ("x-gzip", "gzip"),
        ("*", "gzip"),
        ("gzip;q=0.5, deflate;q=0.8", "deflate"),
        ("gzip ; Q=0.5 ,\tdeflate ; q=0.8", "deflate"),
        ("gzip;q=0, *", "deflate"),
        ("gzip;q=0, deflate;q=0, *;q=1", None),
        ("br;q=1, *;q=0.1", "gzip"),
        ("gzip;q=0.001", "gzip"),
        ("gzip;q=1.", "gzip"),
        ("", None),
        ("br", None),
        ("identity", None),
        ("gzip;q=0", None),
        ("gzip;q=0.000, deflate;q=0", None),
        ("*;q=0", None),
        ("identity;q=1, gzip;q=0.5", None),
        ("identity;q=0.5, gzip;q=0.5", "gzip"),
        ("identity;q=0", None),
        ("gzip;q=x", None),
        ("gzip;q=", None),
        ("gzip;q=-1", None),
        ("gzip;q=nan", None),
        ("gzip;q=1e9", None),
        ("gzip;q=0.12345", None),
        ("gzip;q=²", None),
        (";q=1", None),
        (",;,", None),
        ("gzip" * 1000, None),
    ],
)
def test_the_coding(accept_encoding: str, coding: str | None) -> None:
    assert choose_coding(accept_encoding) == coding


@pytest.mark.parametrize(("coding", "expand"), [("gzip", gzip.decompress), ("deflate", zlib.decompress)])
def test_a_compressed_answer(coding: str, expand: Callable[[bytes], bytes]) -> None:
    body = b"4hello" * 1000
    plain = Response.payload(body)
    answer = compress(plain, coding)
    assert (answer.status, expand(answer.body)) == (plain.status, body)
    headers = answer.wsgi_headers()
    assert headers[: len(plain.headers)] == list(plain.headers)
    assert ("Content-Encoding", coding) in headers
    assert ("Vary", "Accept-Encoding") in headers
    assert ("Content-Length", str(len(answer.body))) in headers
    assert len(answer.body) < 200


@pytest.mark.parametrize(
    ("body", "accept_encoding"), [(b"4hello" * 1000, "br"), (random.Random(1).randbytes(2000), "gzip")]
)
def test_an_answer_that_stays_as_it_is(body: bytes, accept_encoding: str) -> None:
    answer = compress(Response.payload(body), accept_encoding)
    assert answer.body == body
    headers = dict(answer.wsgi_headers())
    assert "Content-Encoding" not in headers
    # Another client of the same cache may get it compressed.
    assert headers["Vary"] == "Accept-Encoding"

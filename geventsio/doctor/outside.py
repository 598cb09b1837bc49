"""Examines a server that runs, by its address: what a proxy in front of it does to its clients."""

from __future__ import annotations

from collections.abc import Mapping
from time import monotonic
from urllib.parse import urlsplit

from gevent import ssl

from geventsio.doctor.findings import Report
from geventsio.doctor.probe import ProbeError, Target, WebSocket, read_open
from geventsio.doctor.trials import examine_connections

__all__ = ["examine_url"]


def examine_url(
    url: str,
    path: str | None,
    report: Report,
    *,
    origin: str | None = None,
    headers: Mapping[str, str] | None = None,
    wait: float = 0,
    is_trusting: bool = False,
) -> None:
    """Connect to a server as clients do. Switches greenlets.

    Args:
        url: its `http://host:port`; a path in it counts as that of Socket.IO.
        path: of Socket.IO; None for `/socket.io`.
        report: where to.
        origin: of a page on another server.
        headers: more headers, of each request.
        wait: seconds for which an idle websocket is held open.
        is_trusting: whether any certificate will do.

    Raises:
        ValueError: it is no address.
    """
    target = _target(url, path, headers or {}, is_trusting)
    examine_connections(target, report)
    _examine_origin(target, target.origin, report, "a page of the same server")
    if origin is not None:
        _examine_origin(target, origin, report, "a page of another server")
    if wait:
        _hold(target, wait, report)


def _target(url: str, path: str | None, headers: Mapping[str, str], is_trusting: bool) -> Target:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url!r} is no address: it begins with http:// or https://")
    tls = None
    if parts.scheme == "https":
        # ssl.create_default_context would make one whose sockets block.
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        tls.load_default_certs()
        if is_trusting:
            tls.check_hostname = False
            tls.verify_mode = ssl.CERT_NONE
    place = path or parts.path.strip("/") or "socket.io"
    port = parts.port or (80 if tls is None else 443)
    return Target(parts.hostname, port, f"/{place.strip('/')}/", tls, headers)


def _examine_origin(target: Target, origin: str, report: Report, who: str) -> None:
    from geventsio.doctor.probe import ask

    topic = "origins"
    try:
        answer = ask(target, "EIO=4&transport=polling", headers={"Origin": origin})
    except ProbeError:
        return  # this has been reported
    if answer.status == 403:
        report.error(
            topic,
            f"{who}, {origin}, may not connect",
            "have the proxy pass on the Host header and X-Forwarded-Proto, and set trusted_proxies"
            if origin == target.origin
            else "name it in cors_allowed_origins",
        )
    elif answer.status == 200:
        allowed = answer.headers.get("access-control-allow-origin")
        if origin != target.origin and allowed not in (origin, "*"):
            report.error(
                topic,
                f"{who}, {origin}, is let in, but browsers are not told: Access-Control-Allow-Origin is {allowed!r}",
                "have the proxy leave the server's CORS headers alone",
            )
        else:
            report.ok(topic, f"{who}, {origin}, may connect")


def _hold(target: Target, seconds: float, report: Report) -> None:
    """Answer pings and say nothing else."""
    topic = "timeouts"
    begin = monotonic()
    try:
        websocket = WebSocket(target, "EIO=4&transport=websocket")
    except ProbeError:
        return  # this has been reported
    try:
        opened = read_open(websocket.receive().encode())
        patience = opened.ping_interval + opened.ping_timeout
        while monotonic() - begin < seconds:
            if websocket.receive(patience).startswith("2"):
                websocket.send("3")
    except ProbeError as error:
        report.error(
            topic,
            f"an idle websocket did not live for {seconds:g} s: after {monotonic() - begin:.0f} s, {error}",
            "raise the proxy's timeout above ping_interval (with nginx proxy_read_timeout), or lower ping_interval",
        )
    else:
        report.ok(topic, f"an idle websocket lived for {monotonic() - begin:.0f} s")
    finally:
        websocket.close()

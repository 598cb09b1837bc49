"""The options of a server, beside what the machine and proxies in front allow."""

from __future__ import annotations

import re
import resource
from collections.abc import Collection
from ipaddress import ip_network
from pathlib import Path

from geventsio.config import EngineOptions
from geventsio.doctor.findings import Report
from geventsio.engine.proxies import ProxyPolicy

__all__ = ["examine_limits", "examine_origins", "examine_proxies", "examine_transports"]

#: Seconds after which proxies close what is idle, unless they are told otherwise.
PROXY_TIMEOUT = 60

#: Descriptors that a process needs besides those of its clients.
SPARE_FILES = 100

#: Descriptors from which on nobody need be told.
MANY_FILES = 10_000

BACKLOG = Path("/proc/sys/net/core/somaxconn")
SMALL_BACKLOG = 1024

#: What a proxy would say of a browser.
FORWARDED = {
    "REMOTE_ADDR": "127.0.0.1",
    "HTTP_HOST": "127.0.0.1:8000",
    "wsgi.url_scheme": "http",
    "HTTP_X_FORWARDED_FOR": "203.0.113.7",
    "HTTP_X_FORWARDED_HOST": "chat.example",
    "HTTP_X_FORWARDED_PROTO": "https",
}

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/]+|null|\*", re.IGNORECASE)


def examine_transports(options: EngineOptions, report: Report) -> None:
    """Report on the transports that clients may use."""
    topic = "websocket"
    if "websocket" not in options.transports:
        report.hint(topic, "websockets are switched off", "name websocket in the option transports")
    elif "polling" in options.transports and not options.allow_upgrades:
        report.hint(topic, "clients that begin with polling stay with it", "leave allow_upgrades on")
    else:
        deflate = "off" if options.per_message_deflate is False else "on, without context takeover"
        report.ok(topic, f"transports {', '.join(options.transports)}; compression of messages is {deflate}")


def examine_proxies(options: EngineOptions, has_proxy_fix: bool, report: Report) -> None:
    """Report on whose forwarded headers count.

    Args:
        options: of the server.
        has_proxy_fix: whether the application has Werkzeug's ProxyFix.
        report: where to.
    """
    topic = "proxies"
    rule = options.trusted_proxies
    if rule is None:
        report.hint(
            topic,
            "X-Forwarded-For, -Host and -Proto are believed of nobody (trusted_proxies is not set): behind a proxy, "
            "all clients have its address, and pages served over https may be refused",
            "behind a proxy set trusted_proxies to the number of proxies, or to their addresses",
        )
        return
    if isinstance(rule, tuple) and any(ip_network(item).prefixlen == 0 for item in rule):
        report.warning(
            topic,
            "trusted_proxies names a network of all addresses: each client can say that it has any address",
            "name the proxies' own addresses or networks, or their number",
        )
    if has_proxy_fix:
        report.warning(
            topic,
            "both trusted_proxies and Werkzeug's ProxyFix read the forwarded headers: what one has resolved, the other "
            "resolves again",
            "put the layer outside of ProxyFix, as in app.wsgi_app = io.layer(ProxyFix(app.wsgi_app))",
        )
    believed = ProxyPolicy(rule).resolve(dict(FORWARDED))
    who = rule if isinstance(rule, int) else ", ".join(map(str, rule))
    client = f"{believed['REMOTE_ADDR']} on {believed['wsgi.url_scheme']}://{believed['HTTP_HOST']}"
    told = "203.0.113.7 on https://chat.example"
    report.ok(topic, f"trusted_proxies is {who}: what a proxy at 127.0.0.1 says is from {told} counts as {client}")


def examine_origins(options: EngineOptions, report: Report) -> None:
    """Report on the pages that may connect."""
    topic = "origins"
    rule = options.cors_allowed_origins
    names = [rule] if isinstance(rule, str) else list(rule) if isinstance(rule, Collection) else []
    wrong = [name for name in names if isinstance(name, str) and not _ORIGIN.fullmatch(name.rstrip("/"))]
    if wrong:
        report.error(
            topic,
            f"cors_allowed_origins names what no browser sends: {', '.join(map(repr, wrong))}",
            "an origin has a scheme and no path, as in https://chat.example or http://localhost:5173",
        )
    elif rule is None:
        report.ok(topic, "pages of the server's own origin may connect")
    elif "*" in names:
        report.hint(topic, "any page may connect, without cookies", "name the origins in cors_allowed_origins")
    else:
        report.ok(topic, f"cors_allowed_origins is {rule!r}")


def examine_limits(options: EngineOptions, report: Report) -> None:
    """Report on sizes and numbers."""
    topic = "limits"
    _examine_files(options, report)
    if options.ping_interval >= PROXY_TIMEOUT:
        report.warning(
            topic,
            f"ping_interval is {options.ping_interval:g} s, and proxies close what is silent for {PROXY_TIMEOUT} s",
            "lower ping_interval to 25",
        )
    backlog = int(BACKLOG.read_text()) if BACKLOG.exists() else SMALL_BACKLOG
    if backlog < SMALL_BACKLOG:
        report.hint(
            topic,
            f"net.core.somaxconn is {backlog}: when clients come back all at once, some are not accepted",
            f"sysctl net.core.somaxconn={SMALL_BACKLOG}, or more",
        )
    report.ok(
        topic,
        f"a message may have {options.max_payload:,} bytes; {options.max_buffer_size:,} packets and "
        f"{options.max_buffer_bytes:,} bytes may wait for a client; a ping every {options.ping_interval:g} s, answered "
        f"within {options.ping_timeout:g} s",
    )


def _examine_files(options: EngineOptions, report: Report) -> None:
    topic = "limits"
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = float("inf") if soft == resource.RLIM_INFINITY else soft
    wanted = options.max_connections
    raised = "raise it (ulimit -n, or LimitNOFILE of systemd)"
    if wanted is None:
        if files < MANY_FILES:
            report.hint(
                topic,
                f"this process may open {soft:,} files, one for each client, and max_connections is not set: what is "
                "more fails without an answer",
                f"{raised}, and set max_connections some {SPARE_FILES} below it",
            )
        else:
            report.ok(
                topic, f"this process may open {'any number of' if files > MANY_FILES * 1e6 else f'{soft:,}'} files"
            )
    elif wanted + SPARE_FILES > files:
        report.error(
            topic,
            f"max_connections is {wanted:,}, and this process may open {soft:,} files, one for each client",
            f"{raised}, to {wanted + SPARE_FILES:,} or more" + (f"; the hard limit is {hard:,}" if hard >= 0 else ""),
        )
    else:
        report.ok(topic, f"max_connections is {wanted:,}, and this process may open {soft:,} files")

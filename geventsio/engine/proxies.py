"""What trusted proxies say about a request: its client's address, and the host and scheme that the client used."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from geventsio.config import ProxyRule

__all__ = ["ProxyPolicy", "address_of", "is_forwarded"]

Environ = dict[str, Any]

_HEADERS = ("HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_HOST", "HTTP_X_FORWARDED_PROTO")
#: A parameter of the Forwarded header (RFC 7239 section 4), and what ends it.
_PARAMETER = re.compile(r'\s*([\w-]+)=("(?:[^"\\]|\\.)*"|[^",;\s]*)\s*([,;]|$)', re.ASCII)
_HOST = re.compile(r"[A-Za-z0-9.\-_:\[\]]{1,255}", re.ASCII)

Address = IPv4Address | IPv6Address


class ProxyPolicy:
    """Rewrites a request as if its client had sent it to us itself, when a trusted proxy passed it on.

    Anybody can send these headers: each proxy appends what it knows at the right, and only as many entries
    from there count as there are proxies that we trust.

    Args:
        rule: the option `trusted_proxies`.
    """

    def __init__(self, rule: ProxyRule) -> None:
        self._count = rule if isinstance(rule, int) else 0
        # The options have made networks of everything else.
        items = rule if isinstance(rule, tuple) else ()
        self._networks = tuple(item for item in items if not isinstance(item, str))

    def resolve(self, environ: Environ) -> Environ:
        """Return the environ with the client's address, host and scheme; the same one if there is nothing to add."""
        if not (self._count or self._networks) or not is_forwarded(environ):
            return environ
        peer = environ.get("REMOTE_ADDR", "")
        if self._networks and not self._trusts(peer):
            return environ
        clients, hosts, schemes = _forwarded(environ)
        hops = self._count or self._count_hops(clients)
        resolved = dict(environ)
        # With fewer addresses than proxies, the request did not come through all of them.
        client = address_of(clients[-hops]) if len(clients) >= hops else None
        if client is not None:
            resolved["REMOTE_ADDR"] = str(client)
        host = _outermost(hosts, hops)
        if _HOST.fullmatch(host):
            resolved["HTTP_HOST"] = host
        scheme = _outermost(schemes, hops).lower()
        if scheme in ("http", "https"):
            resolved["wsgi.url_scheme"] = scheme
        return resolved

    def _trusts(self, text: str) -> bool:
        address = address_of(text)
        return address is not None and any(address in network for network in self._networks)

    def _count_hops(self, clients: list[str]) -> int:
        """How many proxies of ours a request came through: the one that we see, and those that it names."""
        hops = 1
        while hops < len(clients) and self._trusts(clients[-hops]):
            hops += 1
        return hops


def is_forwarded(environ: Environ) -> bool:
    """Whether a request carries headers of a proxy, trusted or not."""
    return "HTTP_FORWARDED" in environ or any(name in environ for name in _HEADERS)


def address_of(text: str) -> Address | None:
    """Return the IP address in an entry of a forwarded header, which may have a port; None if there is none."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _forwarded(environ: Environ) -> tuple[list[str], list[str], list[str]]:
    """Return the addresses, hosts and schemes that proxies have appended."""
    if any(name in environ for name in _HEADERS):
        clients, hosts, schemes = (
            [item.strip() for item in environ.get(name, "").split(",") if item.strip()] for name in _HEADERS
        )
        return clients, hosts, schemes
    elements = _parse_forwarded(environ["HTTP_FORWARDED"])
    # An element without an address stands for a proxy all the same; hosts and schemes are counted with it.
    return (
        [element.get("for", "") for element in elements],
        [element.get("host", "") for element in elements],
        [element.get("proto", "") for element in elements],
    )


def _parse_forwarded(header: str) -> list[dict[str, str]]:
    elements: list[dict[str, str]] = [{}]
    pos = 0
    while pos < len(header):
        match = _PARAMETER.match(header, pos)
        if match is None:
            return []
        name, value, end = match.groups()
        if value.startswith('"'):
            value = re.sub(r"\\(.)", r"\1", value[1:-1])
        elements[-1].setdefault(name.lower(), value)
        if end == ",":
            elements.append({})
        pos = match.end()
    return elements


def _outermost(values: list[str], hops: int) -> str:
    """The value of the outermost proxy; proxies that pass on what they were given have added none."""
    if not values:
        return ""
    return values[-hops] if len(values) >= hops else values[0]

"""The options of a server: names, defaults, units and checks."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, Union, get_type_hints

from geventsio.types import TransportType

__all__ = [
    "EngineOptions",
    "Network",
    "OriginRule",
    "ProxyRule",
    "SocketIOOptions",
    "check_duration",
    "size_threshold",
    "split_options",
]

#: What `cors_allowed_origins` may be: see `EngineOptions`.
OriginRule = Union[None, str, "re.Pattern[str]", Collection[Union[str, "re.Pattern[str]"]], Callable[[str], bool]]

Network = IPv4Network | IPv6Network

#: What `trusted_proxies` may be: see `EngineOptions`.
ProxyRule = int | str | Network | Collection[str | Network] | None

#: Bytes from which on compression is worth its time, unless an option says otherwise.
DEFAULT_THRESHOLD = 1024

_DURATIONS = frozenset(
    "ping_interval ping_timeout upgrade_timeout close_timeout drain_timeout body_timeout connect_timeout "
    "ack_timeout".split()
)
#: What is counted, by the name of the option.
_COUNTS = {
    "max_payload": "bytes",
    "max_buffer_size": "packets",
    "max_buffer_bytes": "bytes",
    "max_pending_events": "events",
    "max_attachments": "attachments",
    "max_attachment_bytes": "bytes",
    "max_connections": "connections",
    "max_connections_per_address": "connections",
    "threadpool_size": "threads",
    "rate_burst": "messages",
    "rate_burst_per_address": "messages",
}
_MAY_BE_ZERO = frozenset({"max_attachments"})
#: Limits that None turns off.
_OPTIONAL = frozenset({"max_connections", "max_connections_per_address", "rate_burst", "rate_burst_per_address"})
_THRESHOLDS = frozenset({"per_message_deflate", "http_compression"})
_COOKIE_ATTRIBUTES = ("name", "path", "domain", "max_age", "secure", "httponly", "samesite")
_SWITCHES = frozenset(
    "allow_eio3 allow_upgrades cleanup_empty_child_namespaces concurrent_handlers cors_credentials serve_client "
    "sticky_sessions".split()
)
_PARSERS = ("common", "msgpack")


@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """Options of the Engine.IO layer. Durations are seconds, sizes are bytes.

    Attributes:
        req_path: URL path of the server; one path segment, not a prefix.
        transports: the transports that clients may use.
        allow_upgrades: whether a polling session may upgrade to websocket.
        allow_eio3: whether clients of Engine.IO v3 are served as well: socket.io-client 1 and 2.
        ping_interval: seconds from one heartbeat to the next.
        ping_timeout: seconds that a client may take to answer a ping.
        upgrade_timeout: seconds from a websocket's probe to its upgrade packet.
        close_timeout: seconds that a closing connection may take to say goodbye.
        drain_timeout: seconds over which the websockets are closed when the server stops.
        blocked_threshold: seconds that a handler may keep all others waiting before the log names it; None for never.
        max_payload: bytes of one POST body, and of one websocket message.
        max_buffer_size: packets that may wait for one client.
        max_buffer_bytes: bytes that may wait for one client.
        per_message_deflate: whether clients may negotiate compressed websocket messages (RFC 7692, without
            context takeover): False, True, or the bytes from which on ours are compressed.
        http_compression: whether answers to polls are compressed: False, True, or the bytes from which on they are.
        cors_allowed_origins: None for the server's own origin, "*", an origin, a compiled pattern,
            a collection of both, or a callable that is given the origin.
        cors_credentials: whether browsers may send credentials across origins; never with "*".
        allow_request: called with the WSGI environ before a session is opened; it may block. False or an
            exception refuses with 403, with the message of a `ConnectRefused`, else "Forbidden".
        cookie: name of a cookie with the session's secret id, for load balancers; or a dict of its "name" and of
            attributes that differ from HttpOnly, SameSite=Lax, Path=/ and, over https, Secure. None sets none.
        trusted_proxies: whose X-Forwarded-For, -Host and -Proto (or, without these, Forwarded) count: the
            number of proxies that each request comes through, or their addresses or networks. None for nobody.
        sticky_sessions: whether something in front of several worker processes keeps each client with one of them, so
            that polling works; without it handshakes by polling are refused there, and websockets served.
        max_connections: sessions at a time; more are answered 503. None for any number.
        max_connections_per_address: the same for one client address (of IPv6, one /64 network); answered 429.
        rate_limit: messages a second that one client may send, where a binary attachment counts as one; what is
            more waits, unread. None for any number.
        rate_burst: messages that may come at once before `rate_limit` slows a client down; None for as many as
            two seconds allow.
        rate_limit_per_address: the same for all clients of one address (of IPv6, one /64 network) together, where
            a handshake counts as a message; what is more is answered 429. Mind that offices share an address.
        rate_burst_per_address: what `rate_burst` is to `rate_limit`.
        body_timeout: seconds that a POST's body may take to arrive.
    """

    req_path: str = "/engine.io"
    transports: Sequence[str] = ("polling", "websocket")
    allow_upgrades: bool = True
    allow_eio3: bool = False
    ping_interval: float = 25
    ping_timeout: float = 20
    upgrade_timeout: float = 10
    close_timeout: float = 5
    drain_timeout: float = 5
    blocked_threshold: float | None = 0.5
    max_payload: int = 1_000_000
    max_buffer_size: int = 10_000
    max_buffer_bytes: int = 5_000_000
    per_message_deflate: bool | int = False
    http_compression: bool | int = DEFAULT_THRESHOLD
    cors_allowed_origins: OriginRule = None
    cors_credentials: bool = True
    allow_request: Callable[[dict[str, Any]], object] | None = None
    cookie: str | Mapping[str, Any] | None = None
    trusted_proxies: ProxyRule = None
    sticky_sessions: bool = False
    max_connections: int | None = None
    max_connections_per_address: int | None = None
    rate_limit: float | None = None
    rate_burst: int | None = None
    rate_limit_per_address: float | None = None
    rate_burst_per_address: int | None = None
    body_timeout: float = 20

    def __post_init__(self) -> None:
        _check_common(self)
        for name in ("rate_limit", "rate_limit_per_address"):
            if getattr(self, name) is not None:
                check_duration(name, getattr(self, name), "of messages a second")
        if self.allow_request is not None and not callable(self.allow_request):
            raise TypeError(f"allow_request must be a function of the WSGI environ, not {self.allow_request!r}")
        object.__setattr__(self, "cookie", _check_cookie(self.cookie))
        object.__setattr__(self, "trusted_proxies", _check_proxies(self.trusted_proxies))
        object.__setattr__(self, "req_path", _normal_path(self.req_path))
        object.__setattr__(self, "transports", _check_transports(self.transports))
        _check_origins(self.cors_allowed_origins)
        if self.blocked_threshold is not None:
            check_duration("blocked_threshold", self.blocked_threshold)


@dataclass(frozen=True, kw_only=True)
class SocketIOOptions:
    """Options of the Socket.IO layer. Durations are seconds.

    Attributes:
        connect_timeout: seconds from the Engine.IO handshake to the first namespace connection.
        ack_timeout: seconds to wait for a client's acknowledgement, from the emit.
        max_pending_events: events of one socket that may wait for their handlers.
        max_attachments: binary attachments that one packet may have.
        cleanup_empty_child_namespaces: whether a namespace that clients called into being (see `SocketIO.dyn_ns`) ends
            with its last socket; else it stays until `delete_ns`, and clients may make as many as they like.
        max_attachment_bytes: bytes of all the attachments of one packet; a single one may have up to `max_payload`.
        parser: how packets become messages, the same at both ends: "common" (JSON with attachments), "msgpack" (the
            official `socket.io-msgpack-parser`; a packet is one message, so `max_payload` alone limits it), or an
            object of your own that has the methods of `geventsio.protocol.parser.Parser`.
        serve_client: whether `<req_path>/socket.io.js` and its variants are served.
        client_dir: folder with the client's bundles; None looks for `node_modules/socket.io-client/dist`.
        concurrent_handlers: whether a socket's next event is handled while an earlier one's handler blocks;
            `concurrent` says it for one handler.
        threadpool_size: native threads for handlers that are registered with `threadpool=True`; what is more waits.
        state: values that handlers take as `State[T]`, by their types; one of each type.
    """

    connect_timeout: float = 45
    ack_timeout: float = 5
    max_pending_events: int = 1024
    max_attachments: int = 10
    cleanup_empty_child_namespaces: bool = True
    max_attachment_bytes: int = 5_000_000
    parser: Any = "common"
    serve_client: bool = True
    client_dir: str | None = None
    concurrent_handlers: bool = False
    threadpool_size: int = 10
    state: Collection[object] = ()

    def __post_init__(self) -> None:
        _check_common(self)
        if self.client_dir is not None and not isinstance(self.client_dir, str):
            raise TypeError(f"client_dir must be a folder's path, not {self.client_dir!r}")
        object.__setattr__(self, "state", _check_state(self.state))
        if isinstance(self.parser, str) and self.parser not in _PARSERS:
            raise ValueError(f"parser must be 'common', 'msgpack' or an object of your own, not {self.parser!r}")


def split_options(options: dict[str, Any]) -> tuple[EngineOptions, SocketIOOptions]:
    """Check the keyword arguments of `SocketIO` and sort them by layer.

    Raises:
        TypeError: an option is unknown (the message names the closest match) or has the wrong type.
        ValueError: an option's value is out of range.
    """
    options = {"req_path": "/socket.io", **options}
    engine_names = {field.name for field in fields(EngineOptions)}
    socketio_names = {field.name for field in fields(SocketIOOptions)}
    check_names(options, engine_names | socketio_names | {"adapter", "metrics"})
    engine = EngineOptions(**{name: value for name, value in options.items() if name in engine_names})
    return engine, SocketIOOptions(**{name: value for name, value in options.items() if name in socketio_names})


def engine_options(options: dict[str, Any]) -> EngineOptions:
    """Check the keyword arguments of `EngineServer`; raises as `split_options` does."""
    check_names(options, {field.name for field in fields(EngineOptions)})
    return EngineOptions(**options)


# What other libraries call an option, where the spelling would lead to another one or to none.
_ELSEWHERE = {
    "async_handlers": "concurrent_handlers",
    "client_manager": "adapter",
    "maxHttpBufferSize": "max_payload",
    "max_http_buffer_size": "max_payload",
    "message_queue": "adapter",
    "path": "req_path",
    "resource": "req_path",
    "serializer": "parser",
}


def check_names(options: Collection[str], known: Collection[str], kind: str = "option") -> None:
    """Raise TypeError for an option that does not exist, with the closest one that does."""
    for name in options:
        if name not in known:
            elsewhere = _ELSEWHERE.get(name)
            close = [elsewhere] if elsewhere in known else difflib.get_close_matches(name, known, n=1, cutoff=0.75)
            hint = f"; did you mean {close[0]!r}?" if close else f"; the {kind}s are {', '.join(sorted(known))}"
            raise TypeError(f"unknown {kind} {name!r}{hint}")


def _check_common(options: EngineOptions | SocketIOOptions) -> None:
    for name in get_type_hints(type(options)):
        value = getattr(options, name)
        if name in _DURATIONS:
            check_duration(name, value)
        elif name in _COUNTS and not (value is None and name in _OPTIONAL):
            _check_count(name, value)
        elif name in _THRESHOLDS:
            size_threshold(name, value)
        elif name in _SWITCHES and not isinstance(value, bool):
            raise TypeError(f"{name} must be True or False, not {value!r}")


def size_threshold(name: str, value: object) -> int | None:
    """Return the bytes from which on an option that is a switch or a size has an effect; None for False.

    Args:
        name: of the option, for the message.
        value: of the option.

    Raises:
        TypeError: it is neither.
        ValueError: the size is not positive.
    """
    if isinstance(value, bool):
        return DEFAULT_THRESHOLD if value else None
    if not isinstance(value, int):
        raise TypeError(f"{name} must be True, False or a whole number of bytes, not {value!r}")
    if value <= 0:
        raise ValueError(f"{name} must be True, False or a positive number of bytes, not {value!r}")
    return value


def check_duration(name: str, value: object, unit: str = "of seconds") -> None:
    """Check a positive number, of seconds unless `unit` says otherwise.

    Args:
        name: what it is called in the message.
        value: what is to be such a number.
        unit: what follows "a number" in the message.

    Raises:
        TypeError: it is no number.
        ValueError: it is not positive and finite.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number {unit}, not {value!r}")
    if not math.isfinite(value) or value <= 0:
        raise ValueError(f"{name} must be a positive number {unit}, not {value!r}")


def _check_count(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be a whole number of {_COUNTS[name]}, not {value!r}")
    if value < 0 or (value == 0 and name not in _MAY_BE_ZERO):
        zero = "0 or " if name in _MAY_BE_ZERO else ""
        raise ValueError(f"{name} must be {zero}a positive number of {_COUNTS[name]}, not {value!r}")


def _check_transports(transports: object) -> tuple[str, ...]:
    known = [transport.value for transport in TransportType]
    if isinstance(transports, str) or not isinstance(transports, Collection):
        raise TypeError(f"transports must be a list of names out of {known}, not {transports!r}")
    names = tuple(str(name) for name in transports)
    if not names or len(set(names)) != len(names) or not set(names) <= set(known):
        raise ValueError(f"transports must name one or both of {known} once, not {transports!r}")
    return names


def _check_state(state: object) -> tuple[object, ...]:
    if not isinstance(state, (list, tuple)):
        raise TypeError(f"state must be a list of values, one of each type, not {state!r}")
    seen: set[type] = set()
    for value in state:
        if type(value) in seen:
            raise ValueError(f"state must have one value of each type, and has a second {type(value).__name__}")
        seen.add(type(value))
    return tuple(state)


def _normal_path(path: object) -> str:
    if not isinstance(path, str):
        raise TypeError(f"req_path must be a str like '/socket.io', not {path!r}")
    stripped = path.strip("/")
    if not stripped or "?" in stripped or "#" in stripped:
        raise ValueError(f"req_path must be a path like '/socket.io', not {path!r}")
    return "/" + stripped


def _check_origins(rule: object) -> None:
    if rule is None or callable(rule) or isinstance(rule, (str, re.Pattern)):
        return
    if not isinstance(rule, Collection) or not all(isinstance(item, (str, re.Pattern)) for item in rule):
        raise TypeError(f"cors_allowed_origins must be None, '*', an origin, a pattern, or several; not {rule!r}")


def _check_cookie(cookie: object) -> dict[str, Any] | None:
    """Return the cookie's name and attributes."""
    if cookie is None:
        return None
    attributes = {"name": cookie} if isinstance(cookie, str) else cookie
    if not isinstance(attributes, Mapping):
        raise TypeError(f"cookie must be a name, or a dict of {', '.join(_COOKIE_ATTRIBUTES)}; not {cookie!r}")
    check_names(attributes, _COOKIE_ATTRIBUTES, "cookie attribute")
    name = attributes.get("name")
    # RFC 6265 section 4.1.1: a cookie's name is a token of HTTP.
    if not isinstance(name, str) or re.fullmatch(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+", name) is None:
        raise ValueError(f"cookie must have a name of letters and digits, not {name!r}")
    return dict(attributes)


def _check_proxies(rule: object) -> int | tuple[Network, ...] | None:
    """Return how many proxies there are, or their networks."""
    if rule is None or (isinstance(rule, int) and not isinstance(rule, bool)):
        if rule is not None and rule < 1:
            raise ValueError(f"trusted_proxies must be None for no proxy, not {rule!r}")
        return rule
    kinds = (str, IPv4Network, IPv6Network)
    items = (rule,) if isinstance(rule, kinds) else rule
    if not isinstance(items, Collection) or not all(isinstance(item, kinds) for item in items):
        raise TypeError(f"trusted_proxies must be a number of proxies, or addresses and networks; not {rule!r}")
    try:
        return tuple(ip_network(item) for item in items)
    except ValueError as error:
        raise ValueError(f"trusted_proxies: {error}") from None

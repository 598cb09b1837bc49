"""Tests of the options: their names, defaults, types and ranges."""

from __future__ import annotations

import dataclasses
import inspect
import re
from typing import Any

import pytest

from geventsio import SocketIO
from geventsio.config import EngineOptions, SocketIOOptions, split_options
from geventsio.engine import EngineServer

DEFAULTS: dict[str, Any] = {
    "req_path": "/socket.io",
    "transports": ("polling", "websocket"),
    "allow_upgrades": True,
    "allow_eio3": False,
    "ping_interval": 25,
    "ping_timeout": 20,
    "connect_timeout": 45,
    "upgrade_timeout": 10,
    "ack_timeout": 5,
    "close_timeout": 5,
    "drain_timeout": 5,
    "blocked_threshold": 0.5,
    "max_payload": 1_000_000,
    "max_buffer_size": 10_000,
    "max_buffer_bytes": 5_000_000,
    "max_pending_events": 1024,
    "max_attachments": 10,
    "max_attachment_bytes": 5_000_000,
    "parser": "common",
    "per_message_deflate": False,
    "http_compression": 1024,
    "cors_allowed_origins": None,
    "cors_credentials": True,
    "allow_request": None,
    "cookie": None,
    "trusted_proxies": None,
    "sticky_sessions": False,
    "max_connections": None,
    "max_connections_per_address": None,
    "rate_limit": None,
    "rate_burst": None,
    "rate_limit_per_address": None,
    "rate_burst_per_address": None,
    "body_timeout": 20,
    "cleanup_empty_child_namespaces": True,
    "serve_client": True,
    "client_dir": None,
    "concurrent_handlers": False,
    "threadpool_size": 10,
    "state": (),
}

DURATIONS = ["ping_interval", "ping_timeout", "connect_timeout", "upgrade_timeout", "ack_timeout"]
DURATIONS += ["close_timeout", "drain_timeout", "body_timeout", "blocked_threshold"]
COUNTS = {
    "max_payload": "bytes",
    "max_buffer_size": "packets",
    "max_buffer_bytes": "bytes",
    "max_pending_events": "events",
    "max_attachment_bytes": "bytes",
    "max_connections": "connections",
    "max_connections_per_address": "connections",
    "threadpool_size": "threads",
    "rate_burst": "messages",
    "rate_burst_per_address": "messages",
}
THRESHOLDS = ["per_message_deflate", "http_compression"]
SWITCHES = ["allow_eio3", "allow_upgrades", "cleanup_empty_child_namespaces", "concurrent_handlers"]
SWITCHES += ["cors_credentials", "serve_client", "sticky_sessions"]


def label(value: object) -> str:
    """A name for a parameter of a test, the same in each run."""
    return re.sub(r" at 0x\w+", "", str(value))


def value_of(**options: Any) -> Any:
    """What becomes of one option."""
    ((name, _),) = options.items()
    return {**vars(split_options(options)[0]), **vars(split_options(options)[1])}[name]


def test_defaults() -> None:
    engine, socketio = split_options({})
    assert {**vars(engine), **vars(socketio)} == DEFAULTS


def test_the_engine_has_a_path_of_its_own() -> None:
    assert EngineOptions().req_path == "/engine.io"
    assert EngineServer().options.req_path == "/engine.io"


def test_each_option_belongs_to_one_layer() -> None:
    engine, socketio = ({field.name for field in dataclasses.fields(kind)} for kind in (EngineOptions, SocketIOOptions))
    assert engine.isdisjoint(socketio)
    given = split_options({"ping_interval": 1, "ack_timeout": 2})
    assert (given[0].ping_interval, given[1].ack_timeout) == (1, 2)


def test_each_option_is_described() -> None:
    for kind in (EngineOptions, SocketIOOptions):
        described = re.findall(r"^    (\w+): ", inspect.getdoc(kind) or "", re.MULTILINE)
        assert described == [field.name for field in dataclasses.fields(kind)]


def test_options_do_not_change_afterwards() -> None:
    engine, socketio = split_options({})
    with pytest.raises(dataclasses.FrozenInstanceError):
        engine.ping_interval = 1  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        socketio.ack_timeout = 1  # type: ignore[misc]


# Names


@pytest.mark.parametrize(
    ("name", "closest"),
    [
        ("ping_intervall", "ping_interval"),
        ("pingInterval", "ping_interval"),
        ("pingTimeout", "ping_timeout"),
        ("cors_allowed_origin", "cors_allowed_origins"),
        ("max_http_buffer_size", "max_payload"),
        ("maxHttpBufferSize", "max_payload"),
        ("message_queue", "adapter"),
        ("client_manager", "adapter"),
        ("async_handlers", "concurrent_handlers"),
        ("path", "req_path"),
        ("resource", "req_path"),
        ("serializer", "parser"),
        ("transport", "transports"),
        ("ack_time_out", "ack_timeout"),
        ("adaptor", "adapter"),
        ("parsers", "parser"),
    ],
)
def test_an_unknown_name_is_an_error_that_tells_the_closest(name: str, closest: str) -> None:
    with pytest.raises(TypeError, match=f"^unknown option '{name}'; did you mean '{closest}'\\?$"):
        split_options({name: 1})


def test_a_name_that_is_like_no_other_is_an_error_that_tells_them_all() -> None:
    with pytest.raises(TypeError) as caught:
        split_options({"xyzzy": 1})
    assert (
        str(caught.value)
        == f"unknown option 'xyzzy'; the options are {', '.join(sorted([*DEFAULTS, 'adapter', 'metrics']))}"
    )


@pytest.mark.parametrize("name", [*DEFAULTS, "adapter"])
def test_each_option_is_found_by_the_names_that_others_would_give_it(name: str) -> None:
    first, *rest = name.split("_")
    camel_case = first + "".join(part.capitalize() for part in rest)
    for other in {camel_case, name.upper().lower() + "s", name[:-1], name.replace("_", "-")} - {name}:
        options: dict[str, Any] = {other: 1}
        with pytest.raises(TypeError, match=f"^unknown option '{other}'; did you mean '{name}'\\?$"):
            SocketIO(**options)


@pytest.mark.parametrize("name", [*DEFAULTS, "adapter"])
def test_each_option_is_checked_and_named(name: str) -> None:
    options: dict[str, Any] = {name: object()}
    with pytest.raises(TypeError, match=f"^{name} must .*<object object at "):
        SocketIO(**options)


def test_the_engine_does_not_know_the_options_above_it() -> None:
    for name in ("ack_timeout", "connect_timeout", "serve_client"):
        options: dict[str, Any] = {name: 1}
        with pytest.raises(TypeError, match=f"^unknown option '{name}'"):
            EngineServer(**options)
    with pytest.raises(TypeError, match="did you mean 'ping_timeout'"):
        EngineServer(ping_timout=1)


# Values


@pytest.mark.parametrize("name", DURATIONS)
@pytest.mark.parametrize("value", [1, 0.5, 1e-3, 86_400])
def test_durations(name: str, value: float) -> None:
    assert value_of(**{name: value}) == value


@pytest.mark.parametrize("name", DURATIONS)
@pytest.mark.parametrize("value", [0, -1, -0.5, float("nan"), float("inf"), float("-inf")])
def test_durations_are_positive(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"^{name} must be a positive number of seconds, not {value!r}$"):
        split_options({name: value})


@pytest.mark.parametrize("name", DURATIONS)
@pytest.mark.parametrize("value", ["5", True, [5], 5j])
def test_durations_are_numbers(name: str, value: object) -> None:
    with pytest.raises(TypeError, match=f"^{name} must be a number of seconds, not {re.escape(repr(value))}$"):
        split_options({name: value})


@pytest.mark.parametrize("name", DURATIONS)
def test_only_the_watchdog_can_be_without_a_duration(name: str) -> None:
    if name == "blocked_threshold":
        assert value_of(blocked_threshold=None) is None
    else:
        with pytest.raises(TypeError, match=f"^{name} must be a number of seconds, not None$"):
            split_options({name: None})


@pytest.mark.parametrize("name", COUNTS)
@pytest.mark.parametrize(
    ("value", "error"), [(0, ValueError), (-1, ValueError), (1.5, TypeError), ("5", TypeError), (True, TypeError)]
)
def test_counts(name: str, value: Any, error: type[Exception]) -> None:
    assert value_of(**{name: 1}) == 1
    kind = "positive" if error is ValueError else "whole"
    with pytest.raises(
        error, match=f"^{name} must be a {kind} number of {COUNTS[name]}, not {re.escape(repr(value))}$"
    ):
        split_options({name: value})


def test_attachments_may_be_forbidden() -> None:
    assert value_of(max_attachments=0) == 0
    for value, error in ((True, TypeError), (None, TypeError), (1.0, TypeError)):
        with pytest.raises(error, match=f"^max_attachments must be a whole number of attachments, not {value}$"):
            split_options({"max_attachments": value})
    with pytest.raises(ValueError, match="^max_attachments must be 0 or a positive number of attachments, not -1$"):
        split_options({"max_attachments": -1})


@pytest.mark.parametrize("name", THRESHOLDS)
def test_thresholds_are_switches_or_sizes(name: str) -> None:
    for value in (True, False, 1, 1_000_000):
        assert value_of(**{name: value}) is value
    for value in (0, -1):
        with pytest.raises(
            ValueError, match=f"^{name} must be True, False or a positive number of bytes, not {value}$"
        ):
            split_options({name: value})
    for wrong in ("1024", None, 1.5, [1]):
        with pytest.raises(TypeError, match=f"^{name} must be True, False or a whole number of bytes, not "):
            split_options({name: wrong})


@pytest.mark.parametrize("name", SWITCHES)
@pytest.mark.parametrize("value", [0, 1, "yes", None])
def test_switches_are_true_or_false(name: str, value: object) -> None:
    assert value_of(**{name: False}) is False
    with pytest.raises(TypeError, match=f"^{name} must be True or False, not {value!r}$"):
        split_options({name: value})


@pytest.mark.parametrize(
    ("given", "path"),
    [("/socket.io", "/socket.io"), ("socket.io", "/socket.io"), ("/socket.io/", "/socket.io"), ("/a/b/", "/a/b")],
)
def test_paths(given: str, path: str) -> None:
    assert value_of(req_path=given) == path


@pytest.mark.parametrize("path", ["", "/", "//", "/a?b", "/a#b"])
def test_what_is_no_path(path: str) -> None:
    with pytest.raises(ValueError, match="^req_path must be a path like '/socket.io', not "):
        split_options({"req_path": path})


@pytest.mark.parametrize("path", [None, 5, b"/socket.io"])
def test_a_path_is_a_str(path: object) -> None:
    with pytest.raises(TypeError, match="^req_path must be a str like '/socket.io', not "):
        split_options({"req_path": path})


@pytest.mark.parametrize(
    ("given", "transports"),
    [
        (["websocket"], ("websocket",)),
        (("polling",), ("polling",)),
        (["websocket", "polling"], ("websocket", "polling")),
        ({"polling"}, ("polling",)),
    ],
)
def test_transports(given: Any, transports: tuple[str, ...]) -> None:
    assert value_of(transports=given) == transports


@pytest.mark.parametrize(
    ("transports", "error"),
    [
        ([], ValueError),
        (["polling", "polling"], ValueError),
        (["webtransport"], ValueError),
        (["Polling"], ValueError),
        ([None], ValueError),
        ("polling", TypeError),
        (None, TypeError),
        (5, TypeError),
    ],
)
def test_what_are_no_transports(transports: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="^transports must "):
        split_options({"transports": transports})


def allow_all(origin: str) -> bool:
    return True


@pytest.mark.parametrize(
    "rule",
    [
        None,
        "*",
        "https://example.org",
        re.compile("https://.*"),
        ["https://a.example", re.compile("b")],
        (),
        {"*"},
        allow_all,
    ],
    ids=label,
)
def test_origins(rule: Any) -> None:
    assert value_of(cors_allowed_origins=rule) is rule


@pytest.mark.parametrize("rule", [5, True, [None], ["*", 5], [allow_all], b"*", {"a": 1}.items()], ids=label)
def test_what_are_no_origins(rule: Any) -> None:
    with pytest.raises(TypeError, match="^cors_allowed_origins must be None, "):
        split_options({"cors_allowed_origins": rule})


def test_the_folder_of_the_bundles() -> None:
    assert value_of(client_dir="somewhere") == "somewhere"
    for value in (5, True, b"x", ["x"]):
        with pytest.raises(TypeError, match="^client_dir must be a folder's path, not "):
            split_options({"client_dir": value})


def test_states() -> None:
    values = [1, "two", [3]]
    assert value_of(state=values) == (1, "two", [3])
    assert value_of(state=()) == ()


@pytest.mark.parametrize("state", [5, None, "abc", {"a": 1}, {1, 2}, object()], ids=label)
def test_states_are_a_list(state: object) -> None:
    with pytest.raises(TypeError, match="^state must be a list of values, one of each type, not "):
        split_options({"state": state})


@pytest.mark.parametrize("state", [[1, 2], ["a", 1, "a"]])
def test_there_is_one_state_of_each_type(state: list[object]) -> None:
    with pytest.raises(ValueError, match="^state must have one value of each type, and has a second (int|str)$"):
        split_options({"state": state})


def test_a_state_s_type_is_exactly_its_own() -> None:
    assert value_of(state=[True, 1]) == (True, 1)

"""What clients do with a server, one step after the other, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

import gevent

from geventsio.doctor.findings import Report
from geventsio.doctor.probe import PATIENCE, Answer, Opened, ProbeError, Target, WebSocket, ask, open_polling, read_open

__all__ = ["examine_connections"]

TOPIC = "connection"

#: Requests of one session, each on a connection of its own.
REQUESTS = 8

POLL = "EIO=4&transport=polling&sid={}"
UPGRADE = "EIO=4&transport=websocket&sid={}"

#: A pong that nobody has asked for changes nothing.
NOTHING = b"3"
GOODBYE = b"1"

NGINX_UPGRADE = (
    "let the proxy pass the upgrade on: with nginx `proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; "
    'proxy_set_header Connection "upgrade";`'
)
STICKY = (
    "have the proxy send each client to one process: with nginx `ip_hash` over servers that have one worker each; or "
    "serve websockets alone"
)

#: What the HTTP status of a refusal means as a rule.
REMEDIES = {
    0: "see that the server runs, and that no firewall is in between",
    200: "see that this path leads to the server, and not to pages or another application; another path is given with "
    "--path",
    301: "give the address that it redirects to",
    302: "give the address that it redirects to, and let requests to this path through without a login",
    308: "give the address that it redirects to",
    401: "let requests to this path through without a login, or add the header that it asks for (--header)",
    403: "see the server's log: it names the Origin or the allow_request that refused, and the option to change",
    404: "wrap the application with io.layer, and pass this path on to it; another path is given with --path",
    413: "raise the proxy's limit of a request's size to max_payload: with nginx client_max_body_size",
    429: "raise the limit of connections or of the rate for one address, and set trusted_proxies behind a proxy",
    500: "see the server's log",
    502: "start the server behind the proxy, and have the proxy speak HTTP/1.1 to it",
    503: "wait until the server has started; or raise max_connections",
    504: "raise the proxy's timeout above ping_interval: with nginx proxy_read_timeout",
}
BAD_REQUEST = "see that nothing in between changes the query, and that the transport is one of the option `transports`"


def examine_connections(target: Target, report: Report, transports: tuple[str, ...] = ("polling", "websocket")) -> None:
    """Connect in each way that clients do. Switches greenlets.

    Args:
        target: the server.
        report: where to.
        transports: those that it should have.
    """
    opened = refusal = None
    if "polling" in transports:
        try:
            opened = _try_polling(target, report)
        except ProbeError as error:
            refusal = error
            if error.status != HTTPStatus.BAD_REQUEST:
                report.error(TOPIC, f"polling failed: {error}", _fix(error))
                if error.status == 0:
                    return  # nobody answers
    has_websockets = "websocket" in transports and _attempt(
        report, "a websocket", lambda: _try_websocket(target), _websocket_fix
    )
    if refusal is not None and refusal.status == HTTPStatus.BAD_REQUEST:
        _refused(refusal, has_websockets, report)
    if opened is not None and "websocket" in transports:
        _examine_upgrade(target, opened, report)


def _try_polling(target: Target, report: Report) -> Opened:
    opened = open_polling(target)
    size = "" if opened.max_payload is None else f", at most {opened.max_payload:,} bytes a message"
    rhythm = f"a ping every {opened.ping_interval:g} s, answered within {opened.ping_timeout:g} s"
    report.ok(TOPIC, f"a handshake by polling was answered: {rhythm}{size}")
    _attempt(report, "polling", lambda: _try_session(target, opened.sid), _session_fix)
    return opened


def _refused(refusal: ProbeError, has_websockets: bool, report: Report) -> None:
    if has_websockets:
        report.hint(
            TOPIC,
            f"{refusal}, as it is where transports are websockets alone",
            "clients need transports: ['websocket']",
        )
    else:
        report.error(TOPIC, f"polling failed: {refusal}", _fix(refusal))


def _examine_upgrade(target: Target, opened: Opened, report: Report) -> None:
    if "websocket" in opened.upgrades:
        _attempt(report, "an upgrade from polling", lambda: _try_upgrade(target), _websocket_fix)
    else:
        report.hint(
            TOPIC,
            "the server offers no upgrade, so clients that begin with polling stay with it",
            "see allow_upgrades and the server's log",
        )


def _try_session(target: Target, sid: str) -> str:
    """Send and poll over a session, and close it."""
    answers = [ask(target, POLL.format(sid), NOTHING) for _ in range(REQUESTS)]
    failed = [answer for answer in answers if answer.status != 200]
    if failed:
        raise failed[0].refusal(f"{len(failed)} of {REQUESTS} requests of one session failed: the first")
    poll = gevent.spawn(_outcome, lambda: ask(target, POLL.format(sid), seconds=2 * PATIENCE))
    ask(target, POLL.format(sid), GOODBYE)
    answer = poll.get()
    if isinstance(answer, ProbeError):
        raise ProbeError(f"the poll was not answered when it should have been: {answer}")
    # The client's goodbye may have been faster than its poll.
    if answer.status not in (HTTPStatus.OK, HTTPStatus.BAD_REQUEST):
        raise answer.refusal("the poll")
    return f"{REQUESTS + 2} requests of one session, each on a connection of its own, reached it"


def _try_websocket(target: Target) -> str:
    websocket = WebSocket(target, "EIO=4&transport=websocket")
    try:
        read_open(websocket.receive().encode())
    finally:
        websocket.close()
    return "a websocket was opened"


def _try_upgrade(target: Target) -> str:
    sid = open_polling(target).sid
    websocket = WebSocket(target, UPGRADE.format(sid))
    try:
        websocket.send("2probe")
        answer = websocket.receive()
        if answer != "3probe":
            raise ProbeError(f"the probe was answered {answer[:80]!r}")
        websocket.send("5")
        websocket.send("1")
    finally:
        websocket.close()
    return "a session that began with polling was upgraded to a websocket"


def _attempt(report: Report, what: str, trial: Callable[[], str], fix: Callable[[ProbeError], str]) -> bool:
    try:
        report.ok(TOPIC, trial())
    except ProbeError as error:
        report.error(TOPIC, f"{what} failed: {error}", fix(error))
        return False
    return True


def _outcome(request: Callable[[], Answer]) -> Answer | ProbeError:
    try:
        return request()
    except ProbeError as error:
        return error


def _fix(error: ProbeError) -> str:
    """What to change when a request was refused."""
    return REMEDIES.get(error.status, BAD_REQUEST)


def _websocket_fix(error: ProbeError) -> str:
    return NGINX_UPGRADE if error.status in (0, 200, 400, 426, 501) else _fix(error)


def _session_fix(error: ProbeError) -> str:
    return STICKY if error.status in (0, 400) else _fix(error)

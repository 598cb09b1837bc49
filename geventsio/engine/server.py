"""The Engine.IO server: its sessions, its WSGI entry, and its end."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from time import monotonic
from typing import Any

from geventsio.config import EngineOptions, engine_options, size_threshold
from geventsio.engine.accept import Acceptor, refuse
from geventsio.engine.admission import Admission
from geventsio.engine.complaints import Complaints
from geventsio.engine.compression import compress
from geventsio.engine.cookies import cookie_headers
from geventsio.engine.counts import EngineCounts
from geventsio.engine.drain import Drainable, WaitGroup, close_sessions, drain_at_exit
from geventsio.engine.eio3 import Session3
from geventsio.engine.handshake import Handshake, new_sid
from geventsio.engine.heartbeat import ClientHeartbeat, Heartbeat
from geventsio.engine.origins import OriginPolicy
from geventsio.engine.outbox import Bounds
from geventsio.engine.proxies import ProxyPolicy
from geventsio.engine.requests import EngineRequest, is_multiplexed, is_upgrade, parse_request, wants_close
from geventsio.engine.responses import DONE, ErrorCode, RequestError, Response
from geventsio.engine.runtime import Runtime
from geventsio.engine.session import Session, SessionState
from geventsio.engine.takeover import StartResponse, answer_without_delay, end_connection, is_upgraded
from geventsio.engine.timeouts import Timeouts
from geventsio.engine.upgrade import Upgrade
from geventsio.engine.watchdog import DescribeJob, describe
from geventsio.engine.websocket import Limits, WebSocketConnection
from geventsio.protocol.packet_group import PacketGroup
from geventsio.protocol.websocket import CloseCode
from geventsio.types import DisconnectReason

__all__ = ["EngineServer"]

Environ = dict[str, Any]
OnConnect = Callable[[Session], object]
OnMessage = Callable[[Session, "str | bytes"], object]
OnClose = Callable[[Session, DisconnectReason], object]

#: By version of Engine.IO.
_SESSIONS: dict[int, type[Session]] = {3: Session3, 4: Session}


class EngineServer:
    """An Engine.IO server, usable alone. It is a WSGI application for its path, and answers 404 elsewhere.

    The callbacks run in worker greenlets, in order for each session; they may block. With `inline`, they
    run where the packet was read, mostly in the hub, and must never switch greenlets.

    Args:
        on_connect: called with the session when a client has connected.
        on_message: called with the session and a str or bytes.
        on_close: called once with the session and the reason.
        inline: see above; meant for protocols on top of Engine.IO, whose `on_message` may raise ProtocolError.
        options: see `geventsio.config.EngineOptions`; durations in seconds, sizes in bytes.

    Raises:
        TypeError: an option does not exist or has the wrong type.
        ValueError: an option is out of range.
    """

    def __init__(
        self,
        on_connect: OnConnect | None = None,
        on_message: OnMessage | None = None,
        on_close: OnClose | None = None,
        *,
        inline: bool = False,
        **options: Any,
    ) -> None:
        self.options: EngineOptions = engine_options(options)
        self._on_connect: OnConnect = on_connect or _ignore
        self._on_message: OnMessage = on_message or _ignore
        self._on_close: OnClose = on_close or _ignore
        self._inline = inline
        self._origins = OriginPolicy(self.options.cors_allowed_origins, self.options.cors_credentials)
        cookie_headers(self.options.cookie, "", {})  # raises now what it would raise in a request
        self._proxies = ProxyPolicy(self.options.trusted_proxies)
        self.describe_job: DescribeJob = _describe_job
        #: What is drained in this server's place when the process stops: a server on top of it.
        self.drained_with: Drainable | None = None
        #: What is counted, if anything is; to be set before the first request.
        self.counts: EngineCounts | None = None
        self._compress_from = size_threshold("http_compression", self.options.http_compression)
        self.bounds = Bounds(self.options.max_buffer_size, self.options.max_buffer_bytes)
        self.sessions: dict[str, Session] = {}
        self._complaints = Complaints(self.options)
        self._admission = Admission(self.options, self.sessions, lambda: self.runtime.clock)
        self.rates = self._admission.rates
        self._deliver: OnMessage = self._on_message if inline else self._submit_message
        self.deliver: OnMessage = self._deliver_counted if self.rates.are_limited else self._deliver

    # Made when the first request arrives: see Runtime.

    @cached_property
    def runtime(self) -> Runtime:
        """The hub's part of the server."""
        drain_at_exit(self if self.drained_with is None else self.drained_with)
        return Runtime(self.options.blocked_threshold, self.describe_job)

    @cached_property
    def heartbeat(self) -> Heartbeat:
        """The heartbeat of all sessions, but for those of Engine.IO v3."""
        return Heartbeat(self.runtime, self.options.ping_interval, self.options.ping_timeout)

    @cached_property
    def client_heartbeat(self) -> ClientHeartbeat:
        """The heartbeat of the sessions of Engine.IO v3."""
        return ClientHeartbeat(self.runtime, self.options.ping_interval, self.options.ping_timeout)

    @cached_property
    def upgrading(self) -> Timeouts[Upgrade]:
        """Websockets that probe a session, with the time they have for it."""
        return Timeouts(self.runtime.clock, self.options.upgrade_timeout, Upgrade.fail)

    @cached_property
    def acceptor(self) -> Acceptor:
        """Makes websocket connections."""
        options = self.options
        threshold = size_threshold("per_message_deflate", options.per_message_deflate)
        limits = Limits(self.bounds, options.max_payload)
        traffic = None if self.counts is None else self.counts.websocket
        return Acceptor(self.runtime, limits, options.close_timeout, threshold, traffic)

    @cached_property
    def _last_polls(self) -> Timeouts[Session]:
        return Timeouts(self.runtime.clock, self.options.close_timeout, Session.forget)

    @cached_property
    def callbacks(self) -> WaitGroup:
        """Callbacks about the end of sessions that have not returned yet."""
        return WaitGroup()

    # WSGI

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve a request (PEP 3333). May switch greenlets."""
        if environ.get("PATH_INFO", "").rstrip("/") != self.options.req_path:
            start_response("404 Not Found", [("Content-Length", "0")])
            return []
        return self.handle(environ, start_response)

    def handle(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve a request whose path has been checked. May switch greenlets."""
        environ = self._proxies.resolve(environ)
        is_allowed = self._origins.allows(environ)
        ends = False
        try:
            response = self._respond(environ, start_response, is_allowed)
        except RequestError as error:
            self._refused(error, environ)
            if is_upgraded(environ):
                self.acceptor.refuse_upgraded(environ, start_response, error)
                return []
            response = Response.error(error)
            ends = error.ends_connection or is_upgrade(environ)
        if response is None:
            return []
        if self._compress_from is not None and len(response.body) >= self._compress_from:
            response = compress(response, environ.get("HTTP_ACCEPT_ENCODING", ""))
        more = []
        if is_allowed:
            is_preflight = environ.get("REQUEST_METHOD") == "OPTIONS"
            more = self._origins.preflight_headers(environ) if is_preflight else self._origins.headers(environ)
        answer_without_delay(environ)
        ends = ends and not is_multiplexed(environ)
        if ends or wants_close(environ):
            more.append(("Connection", "close"))
        if ends:
            end_connection(environ, start_response)
        if self.counts is not None:
            self.counts.polling.sent += len(response.body)
        start_response(response.status_line, response.wsgi_headers(more))
        return [] if environ.get("REQUEST_METHOD") == "HEAD" else [response.body]

    def close(self, timeout: float | None = None) -> bool:
        """Close all sessions with "server shutting down" and refuse new ones. May switch greenlets.

        Args:
            timeout: seconds to wait for the callbacks; None waits for ever, 0 does not wait. Inside of a callback it
                must be 0, or the callback would wait for the end of its own session.

        Returns:
            Whether all `on_close` callbacks have returned.
        """
        self._admission.is_closing = True
        if not self.has_started:
            return True
        close_sessions(self.sessions.values(), 0)
        return self.callbacks.wait(timeout)

    def drain(self, limit: float | None = None) -> bool:
        """Do what `close` does, at the pace that `drain_timeout` asks for. Switches greenlets.

        Parked polls are answered at once; websockets are closed a few at a time, so that their clients don't all come
        back at the same moment. Meanwhile those that are left are served.

        Args:
            limit: seconds that all of it may take.

        Returns:
            Whether all `on_close` callbacks have returned.
        """
        self._admission.is_closing = True
        if not self.has_started:
            return True
        end = None if limit is None else monotonic() + limit
        options = self.options
        spread = options.drain_timeout if limit is None else min(options.drain_timeout, limit / 2)
        close_sessions(self.sessions.values(), spread)
        rest = options.close_timeout if end is None else min(options.close_timeout, end - monotonic())
        done = self.callbacks.wait(max(0.0, rest))
        self.acceptor.finish()
        return done

    # What sessions and protocols above use

    @property
    def has_started(self) -> bool:
        """Whether a request has arrived; before, nobody is connected, and no hub is taken."""
        return "runtime" in self.__dict__

    def call(self, function: Callable[..., object], *args: Any) -> None:
        """Call a function that does not block: here, or in the hub's thread when this is another."""
        if self.has_started:
            self.runtime.call(function, *args)
        else:
            function(*args)

    def ended(self, session: Session, reason: DisconnectReason) -> None:
        """Tell the application about a session's end."""
        session.heartbeat.stop(session)
        self.rates.forget(session)
        self._complaints.ended(session, reason)
        if self.counts is not None:
            self.counts.end(reason)
        if self._inline:
            self._on_close(session, reason)
        else:
            self.callbacks.add()
            session.jobs.submit(self._run_on_close, session, reason)

    def await_last_poll(self, session: Session) -> None:
        """Keep a session that has ended until its client has fetched what waits, for `close_timeout` seconds."""
        self._last_polls.start(session)

    def forget(self, session: Session) -> None:
        """Take a session out of the table."""
        self.sessions.pop(session.sid, None)
        self._admission.capacity.remove(session.sid)
        self._last_polls.cancel(session)

    # Requests

    def _respond(self, environ: Environ, start_response: StartResponse, is_allowed: bool) -> Response | None:
        """Serve a request; None when the answer has been given already."""
        if environ.get("REQUEST_METHOD") == "OPTIONS":
            return Response.empty()
        request = parse_request(environ, self.options)
        session = self._find_session(request)
        if not is_allowed:
            self._origins.report(environ)
            raise RequestError(ErrorCode.FORBIDDEN, "Origin not allowed")
        if request.is_websocket:
            self._open_websocket(environ, start_response, session, request)
            return None
        if session is None:
            return self._open_polling(environ, request)
        return self._serve_polling(environ, session)

    def _find_session(self, request: EngineRequest) -> Session | None:
        if request.sid is None:
            if self._admission.is_closing:
                raise RequestError(ErrorCode.SHUTTING_DOWN)
            return None
        session = self.sessions.get(request.sid)
        if session is None:
            raise RequestError(ErrorCode.UNKNOWN_SID)
        if session.protocol != request.protocol:
            raise RequestError(ErrorCode.BAD_REQUEST, "not the version of Engine.IO that the session was opened with")
        return session

    def _open_polling(self, environ: Environ, request: EngineRequest) -> Response:
        self._admission.check_polling(environ)
        self._admission.ask(environ)
        session = _SESSIONS[request.protocol](self, new_sid(), Handshake(environ))
        polling = session.start_polling(request.base64)
        self._opened(session, environ)
        cookie = cookie_headers(self.options.cookie, session.sid, environ)
        return polling.answer(session.open_packet(self._upgrades(environ)), cookie)

    def _serve_polling(self, environ: Environ, session: Session) -> Response:
        polling = session.polling
        if polling is None:
            raise RequestError(ErrorCode.BAD_REQUEST, "polling on a session that has been upgraded")
        method = environ.get("REQUEST_METHOD")
        if method == "GET":
            return polling.get(environ)
        if method != "POST":
            raise RequestError(ErrorCode.BAD_REQUEST, f"{method} on a session")
        if session.state is SessionState.CLOSING:
            return DONE
        return polling.post(environ)

    def _open_websocket(
        self, environ: Environ, start_response: StartResponse, session: Session | None, request: EngineRequest
    ) -> None:
        if session is not None and not self.options.allow_upgrades:
            raise RequestError(ErrorCode.BAD_REQUEST, "upgrades are not enabled")
        self.acceptor.check(environ)
        sid = new_sid()
        headers = []
        if session is None:
            self._admission.ask(environ)
            headers = cookie_headers(self.options.cookie, sid, environ)
        accepted = self.acceptor.accept(environ, start_response, headers)
        connection = accepted.connection
        # Answering the handshake may have switched greenlets: only now is it time to look at the session.
        if session is None:
            self._connect_websocket(environ, connection, _SESSIONS[request.protocol], sid)
        elif session.can_upgrade:
            self._probe(session, connection)
        else:
            connection.close(CloseCode.POLICY_VIOLATION, "the session has a websocket, or has ended")
        accepted.serve()

    def _connect_websocket(
        self, environ: Environ, connection: WebSocketConnection, kind: type[Session], sid: str
    ) -> None:
        try:
            self._admission.check(environ)
        except RequestError as error:
            self._refused(error, environ)
            refuse(connection, error)
            return
        session = kind(self, sid, Handshake(environ))
        connection.receiver = session
        session.start_websocket(connection)
        connection.outbox.send(PacketGroup(session.open_packet()))
        self._opened(session, environ)

    def _probe(self, session: Session, connection: WebSocketConnection) -> None:
        upgrade = Upgrade(session, connection)
        connection.receiver = upgrade
        session.begin_upgrade(upgrade)
        self.upgrading.start(upgrade)

    def _upgrades(self, environ: Environ) -> tuple[str, ...]:
        if not self.options.allow_upgrades or "websocket" not in self.options.transports:
            return ()
        return ("websocket",) if self.acceptor.can_accept(environ) else ()

    def _opened(self, session: Session, environ: Environ) -> None:
        self.sessions[session.sid] = session
        self._admission.capacity.add(session.sid, environ)
        self.rates.add(session, environ)
        if self.runtime.watchdog is not None:
            self.runtime.watchdog.watch(self.sessions)
        session.heartbeat.start(session)
        if self.counts is not None:
            self.counts.open(session)
        if self._inline:
            self._on_connect(session)
        else:
            session.jobs.submit(self._on_connect, session)

    def _refused(self, error: RequestError, environ: dict[str, Any]) -> None:
        self._complaints.refused(error, environ)
        if self.counts is not None:
            self.counts.refuse(error)

    def _deliver_counted(self, session: Session, data: str | bytes) -> None:
        self._deliver(session, data)
        self.rates.count(session)

    def _submit_message(self, session: Session, data: str | bytes) -> None:
        session.submit(self._on_message, data)

    def _run_on_close(self, session: Session, reason: DisconnectReason) -> None:
        try:
            self._on_close(session, reason)
        finally:
            self.callbacks.done()


def _describe_job(job: Any, args: tuple[Any, ...]) -> str:
    # No method: the greenlets of the pool, which are never collected, would keep the server.
    server = getattr(job, "__self__", None)
    return describe(server._on_close if isinstance(server, EngineServer) else job, args)


def _ignore(*args: object) -> None:
    """The callback that was not given."""

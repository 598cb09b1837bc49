"""The site, served by its own command, and browsers that visit it."""

from __future__ import annotations

__all__ = ["Browser", "Site"]

from urllib.parse import urlsplit

from tests.integrations.django.command import Command, eventually
from tests.integrations.django.databases import Database
from tests.socketio.peer import WebSocketPeer, http_request


class Browser:
    """Sends requests, and keeps the cookies of the answers."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address
        self._peers: list[WebSocketPeer] = []
        self.cookies: dict[str, str] = {}

    def get(self, path: str) -> str:
        """Request a page, and return it."""
        reply = http_request(self._address, "GET", path, headers={"Cookie": self._cookie()})
        assert reply.status == 200, reply
        for header in reply.headers.get_all("Set-Cookie", []):
            name, _, value = header.partition(";")[0].partition("=")
            self.cookies[name] = value
        return reply.body.decode()

    def websocket(self) -> WebSocketPeer:
        """Open a websocket with the cookies, in no namespace yet."""
        peer = WebSocketPeer(self._address, cookie=self._cookie())
        self._peers.append(peer)
        return peer

    def connect(self, namespace: str = "/") -> WebSocketPeer:
        """Open a websocket, and connect."""
        peer = self.websocket()
        peer.connect(namespace)
        return peer

    def close(self) -> None:
        """Close what is open."""
        for peer in self._peers:
            peer.close()

    def _cookie(self) -> str:
        return "; ".join(f"{name}={value}" for name, value in self.cookies.items())


class Site:
    """The site in a process of its own.

    Args:
        database: one with its tables.
        environ: variables of its environment.
    """

    def __init__(self, database: Database, **environ: str) -> None:
        self._database = database
        self._browsers: list[Browser] = []
        arguments = ["-m", "django", "runsocketio", "--noreload", "0"]
        self.command = Command({**database.environ, **environ}, *arguments)
        parts = urlsplit(self.command.listening())
        assert parts.hostname is not None and parts.port is not None
        self.address = (parts.hostname, parts.port)

    def browser(self, *cookies: str) -> Browser:
        """A new browser, with cookies such as "name=value"."""
        browser = Browser(self.address)
        browser.cookies |= dict(cookie.split("=") for cookie in cookies)
        self._browsers.append(browser)
        return browser

    def connections(self) -> int:
        """How many connections to the database it has."""
        return self._database.connections(self.command.pid)

    def comes_to_rest(self) -> None:
        """Wait until it has no connection to the database."""
        eventually(lambda: self.connections() == 0, "there is no connection")

    def close(self) -> None:
        """Stop it."""
        for browser in self._browsers:
            browser.close()
        assert self.command.stop() == 0, self.command.output()
        self.command.close()

"""Starts nginx, HAProxy and Apache with the very files that users copy from examples/deploy."""

from __future__ import annotations

__all__ = ["PROXIES", "Change", "Proxy", "apache", "haproxy", "nginx"]

import os
import shutil
import signal
import socket
import ssl
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

from tests import tools
from tests.integrations.command import eventually
from tests.live.harness import DEADLINE, ROOT

#: Seconds that a connection may be silent: more than between two pings, and than a busy machine needs.
TIMEOUT = 60.0

_DEPLOY = ROOT / "examples" / "deploy"

Change = tuple[str, str]

# What Debian's own nginx.conf says of compression, and more: all types, proxied or not, from one byte on.
_NGINX = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/log notice;
{user}
worker_processes 1;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    gzip on;
    gzip_types *;
    gzip_proxied any;
    gzip_min_length 1;
    {more}
    include {folder}/site.conf;
}}
"""

_APACHE_MODULES = (
    "mpm_event authn_core authz_core socache_shmcb ssl headers proxy proxy_http setenvif reqtimeout".split()
)
_APACHE = """
ServerRoot {folder}
ServerName localhost
PidFile {folder}/apache.pid
ErrorLog {folder}/log
DefaultRuntimeDir {folder}
{modules}
Listen 127.0.0.1:{port}
Include {folder}/site.conf
"""


class Proxy:
    """A proxy in a process of its own, that accepts connections when the constructor returns.

    Args:
        command: its command line.
        address: where it speaks TLS.
        certificate: the file of its certificate, by which clients know it.
        log: the file that it writes to.
        plain: where it sends plain requests away to TLS.
        options: of `Popen`.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        address: tuple[str, int],
        certificate: str,
        log: Path,
        plain: tuple[str, int] | None = None,
        **options: object,
    ) -> None:
        self.address = address
        self.plain = plain
        self.certificate = certificate
        self._log = log
        with log.open("ab") as errors:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors, **options)  # type: ignore[call-overload]
        try:
            eventually(self._answers, f"{command[0]} listens on {address}")
        except BaseException:
            self.kill()
            raise

    @property
    def url(self) -> str:
        """Its `https://HOST:PORT`."""
        return "https://{}:{}".format(*self.address)

    @property
    def log(self) -> str:
        """What it has written to its log."""
        return self._log.read_text()

    @property
    def trust(self) -> ssl.SSLContext:
        """What makes Python trust it."""
        return ssl.create_default_context(cafile=self.certificate)

    def connect(self, source: str = "127.0.0.1") -> ssl.SSLSocket:
        """Open a connection with TLS, from this address of the machine."""
        plain = socket.create_connection(self.address, timeout=TIMEOUT, source_address=(source, 0))
        return self.trust.wrap_socket(plain, server_hostname=self.address[0])

    def client_command(self, *command: str | Path) -> list[str | Path]:
        """A client's command line, with the environment in which it trusts the proxy."""
        # Node.js reads the first variable, requests the second, websocket-client the third.
        names = ("NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "WEBSOCKET_CLIENT_CA_BUNDLE")
        return ["env", *(f"{name}={self.certificate}" for name in names), *command]

    def reload(self) -> None:
        """Have it read its configuration again."""
        self._process.send_signal(signal.SIGHUP)

    def kill(self) -> None:
        """End it at once."""
        if self._process.poll() is None:
            # Not SIGKILL: its own processes would outlive it.
            self._process.terminate()
        self._process.wait(DEADLINE)

    def __enter__(self) -> Proxy:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.kill()

    def _answers(self) -> bool:
        if self._process.poll() is not None:
            raise RuntimeError(f"the proxy did not start: {self.log}")
        try:
            self.connect().close()
        except OSError:
            return False
        return True


def nginx(folder: Path, servers: Sequence[str], changes: Sequence[Change] = (), more: str = "") -> Proxy:
    """Start nginx with examples/deploy/nginx.conf.

    Args:
        folder: for its files.
        servers: `HOST:PORT` of the application's processes.
        changes: more texts to replace in the file, each of which it must hold once.
        more: directives for its `http` block.
    """
    program = _find("nginx", "nginx-light")
    certificate, key = tools.certificate(folder)
    plain, address = _free_address(), _free_address()
    site = _configure(
        "nginx.conf",
        ("listen 80;", "listen {}:{};".format(*plain)),
        ("listen 443 ", "listen {}:{} ".format(*address)),
        ("/etc/ssl/example.com/fullchain.pem", certificate),
        ("/etc/ssl/example.com/key.pem", key),
        (_lines("    server 127.0.0.1:{};\n", 8000, 8001), "".join(f"    server {server};\n" for server in servers)),
        *changes,
    )
    (folder / "site.conf").write_text(site)
    # As root it would let its workers be somebody who may not enter the folder.
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(_NGINX.format(folder=folder, user=user, more=more))
    command: list[str | Path] = [program, "-c", folder / "nginx.conf", "-e", folder / "log"]
    return Proxy(command, address, certificate, folder / "log", plain)


def haproxy(folder: Path, servers: Sequence[str], changes: Sequence[Change] = (), more: str = "") -> Proxy:
    """Start HAProxy with examples/deploy/haproxy.cfg; see `nginx`, but `more` goes to its section `global`."""
    program = _find("haproxy", "haproxy")
    certificate, key = tools.certificate(folder)
    both = folder / "both.pem"
    both.write_text(Path(certificate).read_text() + Path(key).read_text())
    plain, address = _free_address(), _free_address()
    named = zip(("one", "two"), servers, strict=False)
    site = _configure(
        "haproxy.cfg",
        ("    maxconn 20000\n", f"    maxconn 1000\n    {more}\n"),
        ("bind :80\n", "bind {}:{}\n".format(*plain)),
        ("bind :443 ", "bind {}:{} ".format(*address)),
        ("/etc/ssl/example.com/fullchain-and-key.pem", str(both)),
        (
            "    server one 127.0.0.1:8000 cookie one check\n    server two 127.0.0.1:8001 cookie two check\n",
            "".join(f"    server {name} {server} cookie {name} check\n" for name, server in named),
        ),
        *changes,
    )
    (folder / "haproxy.cfg").write_text(site)
    return Proxy([program, "-db", "-f", folder / "haproxy.cfg"], address, certificate, folder / "log", plain)


def apache(folder: Path, servers: Sequence[str], changes: Sequence[Change] = (), more: str = "") -> Proxy:
    """Start Apache with examples/deploy/apache.conf; see `nginx`. It has one server; `more` goes beside the site."""
    program = _find("apache2", "apache2-bin")
    certificate, key = tools.certificate(folder)
    address = _free_address()
    [server] = servers
    site = _configure(
        "apache.conf",
        ("*:443", "{}:{}".format(*address)),
        ("/etc/ssl/example.com/fullchain.pem", certificate),
        ("/etc/ssl/example.com/key.pem", key),
        ("http://127.0.0.1:8000/", f"http://{server}/"),
        *changes,
    )
    (folder / "site.conf").write_text(site + more)
    modules = "\n".join(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so" for name in _APACHE_MODULES)
    (folder / "apache.conf").write_text(_APACHE.format(folder=folder, modules=modules, port=address[1]))
    command: list[str | Path] = [program, "-DFOREGROUND", "-f", folder / "apache.conf"]
    return Proxy(command, address, certificate, folder / "log")


#: All of them, by name.
PROXIES: dict[str, Callable[..., Proxy]] = {"nginx": nginx, "haproxy": haproxy, "apache": apache}


def _find(name: str, package: str) -> Path:
    """Where a server is: Debian keeps them out of users' PATH."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    return tools.require(Path(found) if found else None, f"{name} is missing (Debian: apt-get install {package})")


def _configure(name: str, *changes: Change) -> str:
    """The text of a file that users copy, with a test's own addresses and paths."""
    text = (_DEPLOY / name).read_text(encoding="utf-8")
    for old, new in changes:
        assert text.count(old) == 1, f"{name} must hold {old!r} once"
        text = text.replace(old, new)
    return text


def _lines(pattern: str, *values: object) -> str:
    return "".join(pattern.format(value) for value in values)


def _free_address() -> tuple[str, int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return "127.0.0.1", int(probe.getsockname()[1])

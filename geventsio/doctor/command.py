"""The command line of the doctor."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import NoReturn

from geventsio.doctor.findings import Report
from geventsio.doctor.inside import examine_app

__all__ = ["main"]

_EXAMPLES = """
examples:
  python -m geventsio doctor module:app              the application, as `python -m geventsio module:app` serves it
  python -m geventsio doctor gunicorn -w 4 module:app    as this command of gunicorn would serve it
  python -m geventsio doctor --url https://chat.example  a server that runs, from outside, through its proxy
"""


def main(arguments: Sequence[str]) -> NoReturn:
    """Run the command, and exit: with 1 if something can't work, with 2 if the command line is wrong.

    Switches greenlets.

    Args:
        arguments: of the command line, without `doctor`.
    """
    parser = _parser()
    options = _parse(parser, arguments)
    if (options.url is None) == (not options.command):
        parser.error("name a module:app, a command of gunicorn, or a --url")
    subject = options.url or " ".join(options.command)
    report = Report(subject)
    with redirect_stdout(sys.stderr):  # what the application prints is no part of the report
        if options.url is None:
            examine_app(options.command, options.chdir, options.path, report)
        else:
            _examine_url(options, parser, report)
    print(report.as_json() if options.json else report.as_text(), flush=True)
    # Threads and greenlets of the application may have no end.
    os._exit(int(report.has_errors))


def _parse(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> argparse.Namespace:
    options = parser.parse_args(arguments)
    if options.command and options.command[0] != "gunicorn":
        # Options may stand behind the application; what is behind gunicorn is gunicorn's.
        [name, *more] = options.command
        options = parser.parse_args(more, options)
        if options.command:
            parser.error(f"unrecognized arguments: {' '.join(options.command)}")
        options.command = [name]
    return options


def _examine_url(options: argparse.Namespace, parser: argparse.ArgumentParser, report: Report) -> None:
    # Here, because it imports ssl, which an application may want to patch first.
    from geventsio.doctor.outside import examine_url

    headers = {}
    for line in options.header:
        name, colon, value = line.partition(":")
        if not colon:
            parser.error(f"--header {line!r} is not 'Name: value'")
        headers[name.strip()] = value.strip()
    try:
        examine_url(
            options.url,
            options.path,
            report,
            origin=options.origin,
            headers=headers,
            wait=options.wait,
            is_trusting=options.insecure,
        )
    except ValueError as error:
        parser.error(str(error))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m geventsio doctor",
        usage="%(prog)s [options] (module:app | gunicorn ... | --url URL)",
        description="Says what is wrong with a setup, and what to change. It serves the app to itself for a moment.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    parser.add_argument("--path", help="where Socket.IO is, if not at its req_path (/socket.io)")
    parser.add_argument("--chdir", default=".", metavar="FOLDER", help="the folder that the server is started in")
    parser.add_argument("--url", help="examine a server that runs, at http://host:port or https://host")
    parser.add_argument("--origin", help="with --url: try it as a page of this origin would, as in https://app.example")
    parser.add_argument("--header", action="append", default=[], metavar="LINE", help="with --url: send it, too")
    parser.add_argument(
        "--wait", type=float, default=0, metavar="SECONDS", help="with --url: hold an idle websocket for so long"
    )
    parser.add_argument("--insecure", action="store_true", help="with --url: take any certificate")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="module:app, or a command that starts gunicorn")
    return parser

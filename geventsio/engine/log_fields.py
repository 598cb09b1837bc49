"""The fields of log records: the same thing has the same name in all of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["fields", "shortened"]

#: Characters that the log shows of a name that a client may have chosen.
MAX_NAME = 100


def fields(environ: Mapping[str, Any], **more: object) -> dict[str, object]:
    """What is passed to a logger as `extra`.

    Never among them: an Engine.IO session id, by which anybody could read and send as its client, headers, the query,
    and what clients send.

    Args:
        environ: of a request of the client that it is about.
        more: `reason`, `namespace`, `event`, `socket_id`, as far as they are known.
    """
    return {"remote_addr": environ.get("REMOTE_ADDR", ""), **more}


def shortened(name: str) -> str:
    """The beginning of a name, with a mark where something is left out."""
    return name if len(name) <= MAX_NAME else name[:MAX_NAME] + "..."

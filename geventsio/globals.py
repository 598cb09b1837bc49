"""Proxies for the current socket, event, namespace and server, as Flask has them for its request.

They stand for the attributes of `geventsio.context.current`, which gives the objects themselves: use that one where
identity or the exact type counts, and where what is passed on shall outlive the handler.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from werkzeug.local import LocalProxy

from geventsio.context import OUTSIDE, current_call

if TYPE_CHECKING:
    from geventsio.namespaces.namespace import Namespace
    from geventsio.server import SocketIO
    from geventsio.socket import Socket

__all__ = ["args", "environ", "event", "io", "namespace", "socket"]


def _proxy(attribute: str) -> Any:
    return LocalProxy(current_call, attribute, unbound_message=f"{OUTSIDE}.")


socket = cast("Socket", _proxy("socket"))
event = cast(str, _proxy("event"))
args = cast("list[Any]", _proxy("args"))
namespace = cast("Namespace", _proxy("socket.namespace"))
io = cast("SocketIO", _proxy("socket.namespace.io"))
environ = cast("dict[str, Any]", _proxy("socket.environ"))

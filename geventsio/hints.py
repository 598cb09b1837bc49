"""What whoever comes from Flask-SocketIO or python-socketio is told where a name of theirs is not here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__all__ = ["Hints"]

_HANDLERS = "handlers belong to a namespace, such as io.ns('/').on('event')"
_ROOMS = "sockets enter and leave rooms: socket.join(room), socket.leave(room)"

_INSTEAD = {
    "close_room": "io.to(room).leave(room) has everybody leave it",
    "enter_room": _ROOMS,
    "event": _HANDLERS,
    "init_app": "app.wsgi_app = io.layer(app.wsgi_app) wraps an application; for Flask's contexts see FlaskIntegration",
    "leave_room": _ROOMS,
    "on": _HANDLERS,
    "on_error": "io.ns('/').on_error(handler)",
    "on_error_default": "on_error of each namespace",
    "on_event": _HANDLERS,
    "on_namespace": "io.register(ClassNamespace('/path'))",
    "register_namespace": "io.register(ClassNamespace('/path'))",
    "send": "io.emit('message', data)",
    "sleep": "gevent.sleep, or time.sleep where the standard library is patched",
    "start_background_task": "io.spawn(function)",
    "test_client": "geventsio.testing.TestClient(io)",
}


class Hints:
    """Has missing names end in errors that tell what is here. Type checkers don't see it: they know what is there."""

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            instead = _INSTEAD.get(name)
            hint = "" if instead is None else f"; {instead}"
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}{hint}", name=name, obj=self)

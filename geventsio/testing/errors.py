"""What test clients raise."""

from __future__ import annotations

from geventsio.errors import GeventsioError

__all__ = ["ConnectError", "NotReceived"]


class ConnectError(GeventsioError):
    """The server refused a connection; the browser's client would emit `connect_error`.

    Attributes:
        message: of the refusal.
        data: of the refusal; None if it had none.
        status: the HTTP status if the request was refused, and not the namespace; else None.
    """

    def __init__(self, message: str, data: object = None, status: int | None = None) -> None:
        super().__init__(message if status is None else f"{message} (HTTP {status})")
        self.message = message
        self.data = data
        self.status = status


class NotReceived(AssertionError, TimeoutError):
    """What a test waits for did not arrive; the message says what did."""

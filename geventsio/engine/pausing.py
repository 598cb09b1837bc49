"""Reading nothing from a client for a while: there may be several reasons at a time."""

from __future__ import annotations

__all__ = ["Pausable"]


class Pausable:
    """What a session that may be paused has."""

    #: Who may pause a session; it is read again when none of them pauses it any more.
    PAUSED_BY_APPLICATION = 1
    PAUSED_BY_RATE = 2
    PAUSED_BY_ADDRESS = 4
    PAUSED_BY_QUEUE = 8

    __slots__ = ("_pauses",)

    def __init__(self) -> None:
        self._pauses = 0

    @property
    def is_paused(self) -> bool:
        """Whether nothing is read from this client."""
        return self._pauses != 0

    def pause(self, by: int = PAUSED_BY_APPLICATION) -> None:
        """Read nothing more from this client, and expect no pongs, until `resume` by the same who asked."""
        if self._pauses or self._stop_reading():
            self._pauses |= by

    def resume(self, by: int = PAUSED_BY_APPLICATION) -> None:
        """Read again, unless the session is paused by somebody else as well."""
        if self._pauses & by:
            self._pauses &= ~by
            if not self._pauses:
                self._read_again()

    def _stop_reading(self) -> bool:
        """Have the transport read no more; False if there is nothing more to be read."""
        raise NotImplementedError

    def _read_again(self) -> None:
        """Have the transport read again."""
        raise NotImplementedError

"""The folder of the uploads: names that nobody can choose, and limits. It knows nothing of sockets."""

from __future__ import annotations

import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from werkzeug.utils import secure_filename

__all__ = ["MAX_FILES", "MAX_SIZE", "MAX_UPLOADS", "Store", "Upload", "UploadError", "Uploaded"]

MAX_SIZE = 20 * 1024 * 1024  # bytes of a file
MAX_FILES = 20  # the oldest ones make way
MAX_UPLOADS = 50  # at a time, of all clients


class UploadError(Exception):
    """A file can't be taken; the message is for the user's eyes."""


@dataclass(frozen=True, slots=True)
class Uploaded:
    """A file that has come in whole; on the disk it is called `id`."""

    id: str
    name: str
    size: int


class Upload:
    """A file on its way; made by `Store.begin`."""

    def __init__(self, folder: Path, name: str, size: int) -> None:
        # "../../etc/passwd" becomes "etc_passwd".
        self.file = Uploaded(secrets.token_hex(16), secure_filename(name) or "unnamed", size)
        self.path = folder / f"{self.file.id}.part"
        self.output = self.path.open("xb")

    def write(self, chunk: bytes) -> int:
        """Add a chunk; return how many bytes there are now.

        Raises:
            UploadError: it is more than was announced, or can't be written.
        """
        if self.output.tell() + len(chunk) > self.file.size:
            raise UploadError("This is more than was announced.")
        try:
            self.output.write(chunk)
        except OSError as error:  # the disk is full
            raise UploadError("The file can't be kept.") from error
        return self.output.tell()


class Store:
    """All files, and those on their way.

    Args:
        folder: made if it is missing; not below the app's own: what users send must never be served, or run, as part
            of the site.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()  # Flask takes others to be in the app's own
        self.folder.mkdir(parents=True, exist_ok=True)
        self.files: dict[str, Uploaded] = {}
        self._uploads: set[Upload] = set()

    def begin(self, name: str, size: int) -> Upload:
        """Begin an upload; end it with `keep` or `drop`.

        Raises:
            UploadError: it is too large, or there are too many.
        """
        if size > MAX_SIZE:
            raise UploadError(f"Files have at most {MAX_SIZE // 1024 // 1024} MB.")
        if len(self._uploads) >= MAX_UPLOADS:
            raise UploadError("Too many files are being sent. Try it again later.")
        upload = Upload(self.folder, name, size)
        self._uploads.add(upload)
        return upload

    def keep(self, upload: Upload) -> None:
        """Offer a file that is whole.

        Raises:
            UploadError: it can't be written.
        """
        try:
            self._end(upload)
        except OSError as error:
            raise UploadError("The file can't be kept.") from error
        upload.path.rename(self.folder / upload.file.id)
        self.files[upload.file.id] = upload.file
        while len(self.files) > MAX_FILES:
            oldest = self.files.pop(next(iter(self.files)))
            (self.folder / oldest.id).unlink(missing_ok=True)

    def drop(self, upload: Upload) -> None:
        """Delete what there is of a file."""
        with suppress(OSError):  # what has not been written yet has no room on a full disk
            self._end(upload)
        upload.path.unlink(missing_ok=True)

    def _end(self, upload: Upload) -> None:
        self._uploads.discard(upload)
        upload.output.close()

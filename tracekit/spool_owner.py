"""Who a folder of the spool belongs to: one process, as long as it holds the lock in it.

The kernel frees the lock of a process that has ended, however it ended. A fork's child has its parent's descriptor and
closes it, which leaves the lock with the parent.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
import tempfile
from pathlib import Path
from typing import Final

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_LOCK: Final = "lock"


class Owner:
    """A folder that this process holds."""

    def __init__(self, folder: Path, lock: int) -> None:
        self.folder = folder
        self._lock = lock

    def release(self) -> None:
        """Leave the folder as it is to whoever comes."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def remove(self) -> None:
        """Delete the folder, which has no segments any more."""
        with contextlib.suppress(OSError):
            (self.folder / _LOCK).unlink()
            self.folder.rmdir()
        self.release()


def supported() -> bool:
    """Whether the system has locks that end with their process."""
    return fcntl is not None


def create(base: Path) -> Owner:
    """A new folder under ``base``; complete and locked before others can see it. Raises OSError."""
    name = f"{os.getpid()}-{secrets.token_hex(8)}"
    hidden = base / f".{name}"
    hidden.mkdir(mode=0o700)
    lock = _locked(hidden / _LOCK)
    if lock is None:
        raise OSError("the file system has no locks")
    folder = base / name
    hidden.rename(folder)
    return Owner(folder, lock)


def take(folder: Path) -> Owner | None:
    """The folder of a process that has ended, now this one's; None while it lives, or another was quicker."""
    try:
        lock = _locked(folder / _LOCK, create=False)
    except OSError:
        return None
    if lock is None:
        return None
    if folder.is_dir():
        return Owner(folder, lock)
    os.close(lock)
    return None


def base_folder(wanted: Path, name: str) -> Path:
    """``name`` under the folder that is wanted, for this user's eyes only. Raises OSError."""
    wanted.mkdir(mode=0o700, parents=True, exist_ok=True)
    base = wanted / name
    base.mkdir(mode=0o700, exist_ok=True)
    found = base.lstat()
    user = os.geteuid() if hasattr(os, "geteuid") else found.st_uid
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != user or found.st_mode & 0o077:
        raise PermissionError(f"{base} is not this user's own")
    return base


def default_folders() -> list[Path]:
    """Where spools are kept where no setting says so: the user's folder for state, else one beside other temporary
    files (functions in the cloud may write nowhere else)."""
    user = os.geteuid() if hasattr(os, "geteuid") else 0
    found = [Path(tempfile.gettempdir()) / f"tracekit-{user}"]
    state = os.environ.get("XDG_STATE_HOME")
    with contextlib.suppress(RuntimeError):
        home = Path(state) if state else Path.home() / ".local" / "state"
        found.insert(0, home / "tracekit" / "spool")
    return found


def _locked(path: Path, create: bool = True) -> int | None:
    descriptor = os.open(path, os.O_RDWR | (os.O_CREAT if create else 0), 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor

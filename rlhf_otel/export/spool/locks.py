"""Whose a file is: a lock that goes with the process which holds it, however that ends."""

from __future__ import annotations

import sys

if sys.platform == "win32":  # pragma: no cover
    import msvcrt
    import os

    _FAR = 2**40
    """A byte that no segment reaches: locks of this system keep others from reading what is locked."""

    def take(descriptor: int) -> bool:
        """Whether the file is this process's now; False where it is another's.

        Raises:
            OSError: the file system has no locks.
        """
        os.lseek(descriptor, _FAR, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        return True

else:
    import fcntl

    def take(descriptor: int) -> bool:
        """Whether the file is this process's now; False where it is another's.

        Raises:
            OSError: the file system has no locks.
        """
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

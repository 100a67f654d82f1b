"""The file of a store: where it may be, and that only its owner can read it."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from rlhf_otel.store.errors import StoreError


def prepare_file(path: str | Path) -> Path:
    """`path` in full, with its folder (0700) and an empty file (0600) made where they are missing.

    Raises:
        StoreError: a folder lies where the file should be, or something that is no folder on the way to it, or it may
            not be made.
    """
    full = _checked(path)
    try:
        make_folders(full.parent)
        # Only ever a new file: closing a descriptor of one that is open elsewhere in this process drops its locks.
        with contextlib.suppress(FileExistsError):
            os.close(os.open(full, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except (FileExistsError, NotADirectoryError) as error:
        raise StoreError(f"{full}: something on the way to it is not a folder; name another place ({error})") from error
    except OSError as error:
        raise StoreError(f"{full}: it cannot be made here; choose a folder that you may write to ({error})") from error
    return full


def existing_file(path: str | Path) -> Path:
    """`path` in full.

    Raises:
        StoreError: there is no file there.
    """
    full = _checked(path)
    if not full.exists():
        raise StoreError(f"{full}: there is no store here; record something first, or name another with --store")
    return full


def _checked(path: str | Path) -> Path:
    try:
        full = Path(path).expanduser().absolute()
        if full.is_dir():
            raise StoreError(f"{full}: a folder; name a file in it, such as {full / 'store.db'}")
    except (OSError, ValueError, RuntimeError) as error:
        raise StoreError(f"{path}: no path that a file can have; name another ({error})") from error
    return full


def in_full(path: str | Path) -> Path:
    """`path` in full; as it is where that cannot be told, as nothing can be written there either."""
    try:
        return Path(path).expanduser().absolute()
    except (OSError, RuntimeError):  # the current folder has been deleted; nobody has a home
        return Path(path)


def make_folders(folder: Path) -> None:
    """Makes `folder` and every missing folder above it, each for its owner alone (`mkdir(parents=True)` would not)."""
    if folder.is_dir():
        return
    make_folders(folder.parent)
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    if not folder.is_dir():
        raise NotADirectoryError(str(folder))

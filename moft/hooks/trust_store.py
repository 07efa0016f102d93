"""The contents that the user trusts to be run: an empty file for each, named by its SHA-256, in the user's state folder."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path

from moft.errors import RunError
from moft.files.user_path import user_path


def state_folder() -> Path:
    """`$MOFT_STATE`, else `$XDG_STATE_HOME/moft`, else `~/.local/state/moft`; it need not exist.

    Raises:
        RunError: the path is relative, so that a folder of somebody else could be it.
    """
    shared = Path(os.environ.get("XDG_STATE_HOME", ""))
    usual = (shared if shared.is_absolute() else user_path("~/.local/state")) / "moft"  # XDG has relative paths ignored
    folder = user_path(os.environ.get("MOFT_STATE") or usual)
    if not folder.is_absolute():
        raise RunError(f"{folder}: is not an absolute path; set MOFT_STATE to one, the folder where moft keeps what you trust.")
    return folder


def is_trusted(content: bytes) -> bool:
    """Whether the user trusts a content.

    Raises:
        RunError: see `state_folder`.
    """
    try:
        return _place(content).is_file()
    except OSError:  # a folder that cannot be read holds nothing
        return False


def trust(content: bytes) -> None:
    """Remembers a content as trusted.

    Raises:
        RunError: the folder cannot be written.
    """
    place = _place(content)
    if is_trusted(content):
        return
    try:
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        place.touch()
    except OSError as error:
        raise RunError(
            f"{place.parent}: cannot be written ({error.strerror}), so no plugin file can be remembered as trusted; set "
            "MOFT_STATE to a folder that can."
        ) from error


def _place(content: bytes) -> Path:
    return state_folder() / "trusted" / sha256(content).hexdigest()

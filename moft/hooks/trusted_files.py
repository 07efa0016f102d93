"""Decides which plugin files are run: those that the user names, and those whose content the user trusts."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from moft.errors import PluginError, RunError
from moft.hooks.trust_store import is_trusted, trust
from moft.suggestions import listed


def plugin_content(path: Path) -> bytes:
    """The content of a plugin file; what is checked and then run are these bytes, and not the file.

    Raises:
        PluginError: it does not exist, or cannot be read.
    """
    if not path.is_file():
        raise PluginError(f"plugin file {str(path)!r} does not exist.")
    try:
        return path.read_bytes()
    except OSError as error:
        raise PluginError(f"plugin file {str(path)!r} cannot be read ({error.strerror}).") from error


def check_trusted(contents: Mapping[Path, bytes], *, is_trust_given: bool) -> None:
    """Refuses plugin files whose content the user has not trusted.

    Args:
        contents: of the files that would be run.
        is_trust_given: the user trusts them now, which is remembered.

    Raises:
        PluginError: some are not trusted; the message names all of them.
        RunError: they cannot be remembered.
    """
    unknown = [path for path, content in contents.items() if not is_trusted(content)]
    if not is_trust_given and unknown:
        files = listed(repr(str(path)) for path in unknown)
        which, it, its, are = ("file", "it", "its content", "is")
        if len(unknown) > 1:
            which, it, its, are = ("files", "them", "their contents", "are")
        raise PluginError(
            f"plugin {which} {files} would be run, and {its} {are} not trusted: read {it}, then add "
            f"--trust (in Python: trust=True), which runs {it} and remembers {its}."
        )
    for path in unknown:
        trust(contents[path])


def remember_named(content: bytes) -> None:
    """Remembers the content of a file that the user named to be run; where that cannot be done, a note says so."""
    if os.environ.get("RANK", "0") != "0":  # of several processes, the first one writes
        return
    try:
        trust(content)
    except RunError as error:
        print(f"moft: note: {error}", file=sys.stderr)

"""Bearer tokens: read from a file or from a variable of the environment, never from the command line."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from collections.abc import Sequence
from pathlib import Path

from moft import ConfigError

VARIABLE = "MOFT_SERVE_TOKEN"
_TOKEN = re.compile(r"[\x21-\x7e]{8,1000}")


class Tokens:
    """The tokens that a server accepts; without one, it accepts every request.

    Args:
        tokens: as clients send them.
    """

    def __init__(self, tokens: Sequence[str] = ()) -> None:
        self._digests = [_digest(token) for token in tokens]

    def __bool__(self) -> bool:
        return bool(self._digests)

    def accept(self, header: str | None) -> bool:
        """Whether the header `Authorization` has one of them; takes as long for a wrong token as for a right one."""
        scheme, _, token = (header or "").partition(" ")
        found = _digest(token.strip())
        same = [hmac.compare_digest(found, digest) for digest in self._digests]
        return scheme.lower() == "bearer" and any(same)


def read_tokens(file: Path | None) -> Tokens:
    """The tokens of a file, one on each line, or that of the environment variable `MOFT_SERVE_TOKEN`.

    Args:
        file: None reads the variable, if it is set.

    Raises:
        ConfigError: the file cannot be read, has no token, or one that no header can hold.
    """
    if file is None and not os.environ.get(VARIABLE):
        return Tokens()
    where = VARIABLE if file is None else str(file)
    try:
        text = os.environ[VARIABLE] if file is None else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--token-file {file}: cannot be read ({getattr(error, 'strerror', None) or error}).") from error
    tokens = [line.strip() for line in text.splitlines() if line.strip()]
    if not tokens:
        raise ConfigError(f"{where}: has no token; write one on each line.")
    for number, token in enumerate(tokens, start=1):
        if not _TOKEN.fullmatch(token):
            raise ConfigError(f"{where}: line {number} is no token, which has 8 to 1,000 ASCII characters without spaces.")
    return Tokens(tokens)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="replace")).digest()

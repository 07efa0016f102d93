"""Logs on stderr: one line for each request and event, as JSON or as text; never a body, a query or a token."""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Any

from moft.api import printable, redacted

LOGGER = logging.getLogger("moft.serve")


class JsonLines(logging.Formatter):
    """Each record as a line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        content: dict[str, Any] = {
            "time": f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            content["traceback"] = redacted(self.formatException(record.exc_info))
        return json.dumps(content, ensure_ascii=False, default=str)


class TextLines(logging.Formatter):
    """Each record as text: time, event, and fields as `name=value`."""

    def format(self, record: logging.LogRecord) -> str:
        """The line; a traceback follows on lines of its own."""
        fields = " ".join(f"{name}={value}" for name, value in getattr(record, "fields", {}).items() if value is not None)
        line = printable(f"{time.strftime('%H:%M:%S', time.localtime(record.created))} {record.getMessage()} {fields}".rstrip())
        return f"{line}\n{redacted(self.formatException(record.exc_info))}" if record.exc_info else line


def set_up_logs(form: str) -> None:
    """Sends the records of the server, and warnings of uvicorn, to stderr; `form` is `json` or `text`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else TextLines())
    for logger, level in ((LOGGER, logging.INFO), (logging.getLogger("uvicorn.error"), logging.WARNING)):
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level)


def log(event: str, level: int = logging.INFO, *, error: BaseException | None = None, **fields: Any) -> None:
    """Writes a line.

    Args:
        event: what happened.
        level: of `logging`.
        error: whose traceback is written, too.
        fields: of the line.
    """
    LOGGER.log(level, event, exc_info=error, extra={"fields": fields})

"""Renders chats in a process of its own, because a chat template is a program of the model's author that may never end."""

from __future__ import annotations

import json
import os
import resource
import signal
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Any, Literal, NoReturn

SECONDS = 4.0
"""For one chat."""

MEMORY = 1 << 30
"""Bytes beyond those that the process of the run has."""

CHARACTERS = 10_000_000
"""Of a rendered chat."""


@dataclass(frozen=True)
class Chat:
    """What a chat template reads.

    Args:
        messages: as in JSON.
        tools: as in JSON, or None.
        opens_answer: ends where the answer of the assistant begins.
    """

    messages: Sequence[Mapping[str, Any]]
    tools: Sequence[Any] | None = None
    opens_answer: bool = True


@dataclass(frozen=True)
class ChatFault:
    """Why a chat was not rendered.

    Args:
        kind: `syntax` where the template cannot be read, `rejected` where its code raises an error, `endless` where it needs too
            much time, memory or text.
        reason: in words, on one line.
    """

    kind: Literal["syntax", "rejected", "endless"]
    reason: str

    def in_words(self, what: str = "chat") -> str:
        """What the chat template does wrong, after its name in a sentence.

        Args:
            what: it was to render.
        """
        if self.kind == "syntax":
            return f"cannot be read ({self.reason})"
        return f"rejects the {what} ({self.reason})" if self.kind == "rejected" else self.reason


def render_chats(tokenizer: Any, chats: Sequence[Chat], now: datetime | None = None) -> list[str | ChatFault]:
    """The text of each chat, or why there is none; what follows an endless one is not rendered.

    Args:
        tokenizer: with a chat template.
        chats: any number.
        now: what a template that asks for the time is told; None is the time of the call.
    """
    if not chats:
        return []
    receiver, sender = Pipe(duplex=False)
    with warnings.catch_warnings():  # Python warns of threads; the child takes no lock of theirs
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        _render_and_exit(tokenizer, chats, now, sender)
    sender.close()
    found: list[str | ChatFault] = []
    try:
        with receiver, suppress(EOFError, OSError):
            while len(found) < len(chats):
                record = json.loads(receiver.recv_bytes())
                found.append(record["text"] if "text" in record else ChatFault(**record))
    except BaseException:
        os.kill(child, signal.SIGKILL)
        raise
    finally:
        _, status = os.waitpid(child, 0)
    if len(found) < len(chats) and not (found and isinstance(found[-1], ChatFault) and found[-1].kind == "endless"):
        is_late = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGALRM
        found.append(ChatFault("endless", f"does not end within {SECONDS:g} s" if is_late else "ends its process"))
    return [*found, *[found[-1]] * (len(chats) - len(found))]


def _render_and_exit(tokenizer: Any, chats: Sequence[Chat], now: datetime | None, sender: Connection) -> NoReturn:
    """The work of the child; the alarm ends it even if nobody waits for it any more."""
    try:
        for number in (signal.SIGALRM, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        _limit_memory()
        if now is not None:
            _stop_clock(now)
        for chat in chats:
            signal.setitimer(signal.ITIMER_REAL, SECONDS)
            record = _record(tokenizer, chat)
            sender.send_bytes(json.dumps(record).encode())
            if record.get("kind") == "endless":
                break
    finally:
        os._exit(0)


def _record(tokenizer: Any, chat: Chat) -> dict[str, str]:
    from jinja2 import TemplateSyntaxError

    try:
        text = tokenizer.apply_chat_template(
            list(chat.messages), tools=chat.tools, tokenize=False, add_generation_prompt=chat.opens_answer
        )
    except TemplateSyntaxError as error:
        return {"kind": "syntax", "reason": f"line {error.lineno}: {_short(error.message or '')}"}
    except (MemoryError, OverflowError):
        return {"kind": "endless", "reason": f"needs more than {MEMORY >> 30} GiB of memory"}
    except Exception as error:  # the code of a template may raise anything
        return {"kind": "rejected", "reason": _short(str(error)) or type(error).__name__}
    if len(text) > CHARACTERS:
        return {"kind": "endless", "reason": f"writes more than {CHARACTERS:,} characters"}
    return {"text": text}


def _stop_clock(now: datetime) -> None:
    """Fixes the time that transformers tells templates in this process; it passes no function of ours on to them."""
    from transformers.utils import chat_template_utils

    vars(chat_template_utils)["datetime"] = type("Stopped", (datetime,), {"now": lambda *_: now})


def _limit_memory() -> None:
    """Limits the memory of this process, where the system tells how much it has."""
    with suppress(OSError, ValueError):
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        limit = pages * resource.getpagesize() + MEMORY
        _, most = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (limit if most == resource.RLIM_INFINITY else min(limit, most), most))


def _short(text: str) -> str:
    """A text on one line, short enough for a message."""
    return " ".join(text[:1000].split())[:200]

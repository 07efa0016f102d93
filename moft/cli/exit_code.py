"""Exit codes of the command line, and one line on stderr for each error that a user can cause."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress

import typer

from moft.errors import MoftError
from moft.interrupts import NOTHING, Interrupted, heeding_signals, interruption
from moft.renames import new_name
from moft.secret_values import redacted
from moft.suggestions import printable

MISTAKE = 2
INTERRUPTED = 130
TRACE = "MOFT_TRACE"
LONGEST = 2000
"""Characters of a message; only what a user gave, such as a name without end, makes a longer one."""

_OWN = ("train", "sweep", "profile", "choose", "compare", "score")


def exit_code(call: Callable[[], object], words: Sequence[str] = ()) -> int:
    """The exit code of a call, which may return one itself; an error that a user can cause is printed in one line.

    A mistake, also of the file system, gives 2. Ctrl-C, SIGTERM and SIGHUP give 128 and the number of the signal, such as 130.
    Any other error is a bug and is raised, or printed if it shows a secret. `MOFT_TRACE=1` prints the traceback of a mistake.

    Args:
        call: the call.
        words: of the command, to say how to go on with it.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # it was closed before the start
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - open to the end
    with heeding_signals() as received:
        try:
            return _exit_code(call)
        except Interrupted as interrupted:
            return _interrupted(received, interrupted.kept, [*words, *(word for word in interrupted.more if word not in words)])
        except KeyboardInterrupt:
            is_own = bool(words) and words[0] in _OWN  # of which nothing is written outside of its main part
            return _interrupted(received, NOTHING if is_own else "", words)


def _interrupted(received: Sequence[int], kept: str, words: Sequence[str]) -> int:
    """The exit code of an interrupt, which is told by one of the processes that share a run; arguments as of `interruption`."""
    text, code = interruption(received, kept, words)
    return _printed(text, code) if os.environ.get("RANK", "0") == "0" else code


def _exit_code(call: Callable[[], object]) -> int:
    """The same; an interrupt is raised."""
    try:
        code = call()
        sys.stdout.flush()  # so that a closed pipe is noticed here
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else the interpreter prints an error at exit
        return 1
    except typer.Abort:
        return _printed("aborted.", 1)
    except typer.TyperException as error:
        if error.format_message().startswith("Usage:"):  # a group without a command shows its help
            print(error.format_message(), file=sys.stderr)
            return error.exit_code
        return _printed(f"error: {_usage_message(error)}", error.exit_code)
    except MoftError as error:
        _trace(error)
        for line in (str(error) or type(error).__name__).rstrip("\n").split("\n"):
            _printed(f"error: {line}", MISTAKE)
        return MISTAKE
    except OSError as error:
        _trace(error)
        return _printed(f"error: {_file_message(error)}", MISTAKE)
    except Exception as error:
        text = "".join(traceback.format_exception(error))
        if text == redacted(text):
            raise
        print(redacted(text), end="", file=sys.stderr)
        return 1
    if code == INTERRUPTED:  # typer turns an interrupt into this code
        raise KeyboardInterrupt
    return code if isinstance(code, int) else 0


def _usage_message(error: typer.TyperException) -> str:
    """What is wrong with the words of a command, and how to get its help."""
    text = " ".join(error.format_message().split())
    context: typer.Context | None = getattr(error, "ctx", None)
    option = getattr(error, "option_name", None)  # of an option that the command does not have
    if context is not None and (new := new_name("option", f"{context.command_path} {option}")):
        text = f"{option} is now {new}"
    text = text if text.endswith((".", "?", "!")) else f"{text}."
    return f"{text} Try '{context.command_path} --help'." if context is not None else text


def _file_message(error: OSError) -> str:
    """What the operating system refused, with the files."""
    names = [name for name in (error.filename, error.filename2) if isinstance(name, str | bytes | os.PathLike)]
    files = " and ".join(os.fsdecode(name) for name in names)
    reason = " ".join((error.strerror or str(error) or type(error).__name__).split()).rstrip(".")
    return f"{files}: {reason}." if files else f"{reason}."


def _trace(error: Exception) -> None:
    """Prints the traceback if `MOFT_TRACE` asks for it."""
    if os.environ.get(TRACE, "") not in ("", "0"):
        print(printable(redacted("".join(traceback.format_exception(error))), kept="\n"), end="", file=sys.stderr)


def _printed(text: str, code: int) -> int:
    """The code, after the text was printed on stderr."""
    text = printable(redacted(text))
    shown = text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} ... {text[-LONGEST // 2 :]}"
    with suppress(OSError):  # nobody reads it any more
        print(f"moft: {shown}", file=sys.stderr, flush=True)
    return code

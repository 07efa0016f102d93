"""`moft chat`: a conversation on the terminal, or with lines from a pipe, in which weights change between turns."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

import moft
from moft import ConfigError, MoftError
from moft_llm.text_options import MOST, with_decoding


@with_decoding(leave_out=["batch", "max_new_tokens"])
def chat(
    context: typer.Context,
    run: Annotated[Path, typer.Argument(help="Run folder of a language model.")],
    weights: Annotated[
        str | None,
        typer.Option("--weights", help="Objective weights to begin with: 0.2,0.8, helpful=0.2,harmless=0.8, or a choice."),
    ] = None,
    dial: Annotated[str | None, typer.Option("--dial", help="Factor on the trained betas to begin with; default 1.")] = None,
    system: Annotated[str | None, typer.Option("--system", help="Message of the system before the conversation.")] = None,
    max_new_tokens: Annotated[
        int | None,
        typer.Option(
            "--max-new-tokens",
            min=1,
            max=MOST,
            help="Maximum length of an answer; default what fits, at most 1024.",
        ),
    ] = None,
    decoding: Any = None,
    seed: Annotated[
        int, typer.Option("--seed", min=0, max=2**62, help="Random seed of the first answer; each next one has the next.")
    ] = 0,
    threads: Annotated[
        int | None,
        typer.Option("--threads", min=1, max=1024, help="Threads of the CPU; default as for moft generate."),
    ] = None,
    trust: Annotated[
        bool, typer.Option("--trust", help="Run plugin files whose content you have not trusted yet, and remember it as trusted.")
    ] = False,
) -> None:
    """Talk to a language model, and change weights and dial between turns."""
    checked = decoding(max_new_tokens=max_new_tokens or MOST)
    from moft_llm.chat.conversation import Conversation
    from moft_llm.generation.opened_llm_run import LLMRun

    opened = moft.open_run(run, trust=trust, plugins=context.obj)
    llm_run = LLMRun(run, "moft chat", threads, opened=opened)
    keeps_turns = llm_run.task.prompt_template().text == "chat"
    if system is not None and not keeps_turns:
        raise ConfigError("--system: the template of this run takes one message, and none of the system. Leave it out.")
    settings = {**checked.changed, "max_new_tokens": max_new_tokens, "threads": threads}
    talk = Conversation(opened, settings, weights, dial, system, seed, keeps_turns)
    talk.check(weights, dial)
    is_terminal = sys.stdin is not None and sys.stdin.isatty()
    with suppress(AttributeError):  # what replaces the input may have no encoding
        sys.stdin.reconfigure(errors="surrogateescape")  # type: ignore[union-attr] # a message that is no text is told
    if is_terminal:
        with suppress(ImportError):  # lines are edited without it where it is missing
            import readline  # noqa: F401
        typer.echo(f"Objectives: {', '.join(opened.names)}. /help shows the commands.")
        if not keeps_turns:
            typer.echo("The template of this run takes one message, so each message is answered by itself.")
    while not talk.is_over and (line := _read(is_terminal)) is not None:
        if line.strip():
            _respond(talk, line)


def _respond(talk: Any, line: str) -> None:
    """Prints what a line gives; a mistake is one line, and a stopped answer keeps what was said."""
    try:
        is_command = line.startswith("/") and not line.startswith("//")
        said = talk.command(line.strip()) if is_command else talk.answer(line[1:] if line.startswith("//") else line)
        if not isinstance(said, str):
            _print(said)
        elif said:
            typer.echo(said)
        for note in talk.new_notes():
            typer.echo(f"moft: note: {note}", err=True)
    except MoftError as error:
        typer.echo(f"moft: error: {error}", err=True)
    except KeyboardInterrupt:
        if _is_signalled():
            raise


def _print(pieces: Iterator[str]) -> None:
    """Prints an answer as it is generated, and the end of its line in any case."""
    try:
        for piece in pieces:
            print(piece, end="", flush=True)
    finally:
        print(flush=True)


def _is_signalled() -> bool:
    """Whether a signal other than that of Ctrl-C came, which ends the command."""
    from moft.api import heeding_signals

    with heeding_signals() as received:
        return bool(received)


def _read(is_terminal: bool) -> str | None:
    """The next line, without its end; None at the end of the input."""
    while True:
        try:
            return input("> ") if is_terminal else _line()
        except EOFError:
            if is_terminal:
                print()
            return None
        except KeyboardInterrupt:
            if _is_signalled() or not is_terminal:
                raise
            print()  # Ctrl-C clears a line


def _line() -> str:
    line = sys.stdin.readline() if sys.stdin is not None else ""
    if not line:
        raise EOFError
    return line.rstrip("\n")

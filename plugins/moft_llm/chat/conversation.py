"""A conversation with a policy whose weights change between turns: its messages, and the commands that change what comes next."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from moft import ConfigError, DataError

if TYPE_CHECKING:
    from moft import OpenedRun
    from moft.api import TextPiece

HELP = """\
/weights W     weights of the objectives: brevity=0.8,positive=0.2, or 0.8,0.2
/dial C        factor on the trained betas: 1 as trained, larger is closer to the base model
/choice NAME   weights and dial of a choice of the run
/system TEXT   message of the system, from the next answer on; without TEXT none
/retry         answer the last message again, at the weights and the dial of now
/reset         forget the conversation
/show          print objectives, choices, weights, dial and the conversation so far
/help          print this
/quit          end; Ctrl-D does too. Ctrl-C stops an answer
//...          a message that begins with /"""


@dataclass
class Conversation:
    """A conversation.

    Args:
        run: of a language model.
        settings: of each answer, as `run.generate` takes them.
        weights: as text, or the name of a choice; None until they are set.
        dial: as text; None for 1, or for that of a choice.
        system: message of the system, or None.
        seed: of the first answer; each next one has the next.
        keeps_turns: earlier turns are part of a prompt; else each message is answered by itself.
    """

    run: OpenedRun
    settings: Mapping[str, Any]
    weights: str | None
    dial: str | None
    system: str | None
    seed: int
    keeps_turns: bool
    messages: list[dict[str, str]] = field(default_factory=list)
    notes: dict[str, None] = field(default_factory=dict)
    """Sentences for the reader that were not shown yet; those that were are in `shown`."""
    shown: set[str] = field(default_factory=set)
    is_over: bool = False

    def check(self, weights: str | None, dial: str | None) -> None:
        """Checks weights and a dial as text.

        Raises:
            ConfigError: they are wrong, or the policy does not support them.
        """
        given = ",".join(["1", *["0"] * (len(self.run.names) - 1)]) if weights is None else weights
        tradeoff = self.run.tradeoff(given, dial)
        self.run.policy.magnitude(tradeoff.to(next(self.run.policy.parameters()).device))

    def new_notes(self) -> list[str]:
        """Sentences for the reader that were not shown before."""
        new = [note for note in self.notes if note not in self.shown]
        self.shown.update(new)
        return new

    def answer(self, text: str) -> Iterator[str]:
        """The answer to a message in pieces. What was generated is kept, also where it is stopped early.

        Raises:
            ConfigError: no weights are set.
            DataError: the conversation does not fit into the context.
        """
        if self.weights is None:
            raise ConfigError(f"set the weights of the objectives first: /weights {self._example()}.")
        history = [*self.messages, {"role": "user", "content": text}]
        asked = {"dial": self.dial, "system": self.system, "seed": self.seed, **self.settings}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is warned of is a note of the text, too
            try:
                pieces = self.run.generate.stream(history if self.keeps_turns else history[-1:], self.weights, **asked)
            except DataError as error:
                told = str(error).replace("prompt 1: ", "").replace("Shorten the prompt", "Begin anew with /reset")
                raise DataError(told) from error
        self.messages, self.seed = history, self.seed + 1
        return self._kept(pieces)

    def command(self, line: str) -> Iterator[str] | str:
        """What a line such as `/dial 2` gives: an answer in pieces, or a text.

        Raises:
            ConfigError: there is no such command, or its argument is wrong.
        """
        word, _, argument = line.partition(" ")
        argument = argument.strip()
        commands: dict[str, Callable[[str], Iterator[str] | str]] = {
            "/weights": self._set_weights,
            "/dial": self._set_dial,
            "/choice": self._set_choice,
            "/system": self._set_system,
            "/retry": self._retry,
            "/reset": self._reset,
            "/show": self._show,
            "/help": lambda _: HELP,
            "/quit": self._quit,
        }
        if word not in commands:
            raise ConfigError(f"{word[:40]!r} is no command; there are {', '.join(commands)}.")
        if word in ("/weights", "/dial", "/choice") and not argument:
            raise ConfigError(f"{word} needs a value, such as {word} {self._value(word)}.")
        if word in ("/retry", "/reset", "/show", "/help", "/quit") and argument:
            raise ConfigError(f"{word} takes no value; {argument[:40]!r} was given.")
        try:
            return commands[word](argument)
        except (ConfigError, DataError) as error:
            raise ConfigError(str(error).replace("--weights", "/weights").replace("--dial", "/dial")) from error

    def _kept(self, pieces: Iterator[TextPiece]) -> Iterator[str]:
        self.messages.append({"role": "assistant", "content": ""})
        message = self.messages[-1]
        for piece in pieces:
            message["content"] += piece.text
            self.notes |= dict.fromkeys(() if piece.whole is None else piece.whole.notes)
            yield piece.text

    def _set_weights(self, text: str) -> str:
        dial = None if self.run.choice_of(text) is not None else self.dial
        self.check(text, dial)
        self.weights, self.dial = text, dial
        return self._steering()

    def _set_dial(self, text: str) -> str:
        if self.weights is not None and (choice := self.run.choice_of(self.weights)) is not None:
            raise ConfigError(
                f"/dial {text}: the choice {self.weights!r} has a dial of its own, {choice.dial:.4g}; set /weights first."
            )
        self.check(self.weights, text)
        self.dial = text
        return self._steering()

    def _set_choice(self, name: str) -> str:
        self.run.choice(name, "/choice")
        self.weights, self.dial = name, None
        return self._steering()

    def _set_system(self, text: str) -> str:
        if text and not self.keeps_turns:
            raise ConfigError("/system: the template of this run takes one message, and none of the system.")
        self.system = text or None
        return "system message set." if text else "no system message."

    def _retry(self, _: str) -> Iterator[str]:
        last = next((place for place, one in reversed(list(enumerate(self.messages))) if one["role"] == "user"), None)
        if last is None:
            raise ConfigError("/retry: there is no message to answer yet.")
        before = list(self.messages)
        text, self.messages = self.messages[last]["content"], self.messages[:last]
        try:
            return self.answer(text)
        except BaseException:
            self.messages = before
            raise

    def _reset(self, _: str) -> str:
        self.messages = []
        return "the conversation is forgotten."

    def _show(self, _: str) -> str:
        lines = [f"objectives: {', '.join(self.run.names)}", f"choices: {', '.join(self.run.choice_names()) or 'none'}"]
        lines += [self._steering(), *([f"system: {self.system}"] if self.system else [])]
        return "\n".join([*lines, *(f"{one['role']}: {one['content']}" for one in self.messages)])

    def _quit(self, _: str) -> str:
        self.is_over = True
        return ""

    def _steering(self) -> str:
        if self.weights is None:
            return f"weights: not set, dial: {self.dial or '1'}"
        choice = self.run.choice_of(self.weights)
        dial = f"{choice.dial:.4g}" if choice is not None else self.dial or "1"
        return f"weights: {self.weights}, dial: {dial}"

    def _example(self) -> str:
        first, *others = self.run.names
        return ",".join([f"{first}={1 if not others else 0.5:g}", *(f"{name}=0.5" for name in others[:1])])

    def _value(self, word: str) -> str:
        names = self.run.choice_names() or ["NAME"]
        return {"/weights": self._example(), "/dial": "2", "/choice": names[0]}[word]

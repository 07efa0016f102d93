"""The options of commands that generate text: how its tokens are chosen, and what ends it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from moft import ConfigError

if TYPE_CHECKING:
    from moft_llm.generation.decoding import Decoding

MOST = 2**31 - 1

OPTIONS: dict[str, tuple[Any, Any]] = {
    "max_new_tokens": (
        Annotated[int, typer.Option("--max-new-tokens", min=1, max=MOST, help="Maximum length of a response.")],
        64,
    ),
    "greedy": (
        Annotated[bool, typer.Option("--greedy", help="Always takes the most likely token instead of sampling.")],
        False,
    ),
    "sampling_temperature": (
        Annotated[float, typer.Option("--sampling-temperature", help="Temperature of token sampling; not the dial of a policy.")],
        1.0,
    ),
    "top_p": (
        Annotated[
            float, typer.Option("--top-p", help="Samples from the most likely tokens that together have this probability.")
        ],
        1.0,
    ),
    "top_k": (
        Annotated[int, typer.Option("--top-k", min=0, max=MOST, help="Samples from this many most likely tokens; 0 for all.")],
        0,
    ),
    "stop": (
        Annotated[
            list[str] | None, typer.Option("--stop", help="A text that ends the response, and is no part of it; repeatable.")
        ],
        None,
    ),
    "repetition_penalty": (
        Annotated[
            float,
            typer.Option(
                "--repetition-penalty", min=0.01, max=10, help="Above 1, tokens of prompt and response become less likely."
            ),
        ],
        1.0,
    ),
    "presence_penalty": (
        Annotated[
            float,
            typer.Option("--presence-penalty", min=-2, max=2, help="Taken from the logits of tokens of the response."),
        ],
        0.0,
    ),
    "frequency_penalty": (
        Annotated[
            float,
            typer.Option("--frequency-penalty", min=-2, max=2, help="The same, as often as the response has the token."),
        ],
        0.0,
    ),
    "no_repeat_ngram": (
        Annotated[
            int,
            typer.Option("--no-repeat-ngram", min=0, max=MOST, help="No run of so many tokens comes twice; 0 for any."),
        ],
        0,
    ),
    "min_new_tokens": (
        Annotated[
            int, typer.Option("--min-new-tokens", min=0, max=MOST, help="No token ends the response before it has as many.")
        ],
        0,
    ),
    "min_p": (
        Annotated[
            float,
            typer.Option("--min-p", min=0, max=1, help="Samples from tokens at least this share as likely as the likeliest."),
        ],
        0.0,
    ),
    "typical_p": (
        Annotated[float, typer.Option("--typical-p", help="Samples from the tokens closest to the expected surprise.")],
        1.0,
    ),
    "epsilon_cutoff": (
        Annotated[float, typer.Option("--epsilon-cutoff", help="Samples from tokens with at least this probability.")],
        0.0,
    ),
    "eta_cutoff": (
        Annotated[float, typer.Option("--eta-cutoff", help="The same with a bound that is lower where many tokens are likely.")],
        0.0,
    ),
    "batch": (
        Annotated[
            int, typer.Option("--batch", min=1, max=MOST, help="Responses at a time; more are faster and take more memory.")
        ],
        32,
    ),
}
"""The annotation and the default of each, by the name of the setting."""


def with_decoding(
    *, leave_out: Sequence[str] = (), defaults: dict[str, Any] | None = None
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Gives a command these options in place of its parameter `decoding`, which receives what makes a checked `Decoding`.

    Args:
        leave_out: options that the command does not have.
        defaults: of the command.
    """
    names = [name for name in OPTIONS if name not in leave_out]

    def changed(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def called(context: typer.Context, **given: Any) -> None:
            settings = {name: given.pop(name) for name in names}
            command(context=context, decoding=lambda **more: _decoding(context, settings | more), **given)

        parameters: list[inspect.Parameter] = []
        for parameter in inspect.signature(command, eval_str=True).parameters.values():
            if parameter.name != "decoding":
                parameters.append(parameter)
                continue
            for name in names:
                annotation, default = OPTIONS[name]
                default = (defaults or {}).get(name, default)
                kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
                parameters.append(inspect.Parameter(name, kind, default=default, annotation=annotation))
        called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        return called

    return changed


def given_option(context: typer.Context, *names: str) -> str | None:
    """The first of some options that the user gave, whatever its value."""
    sources = ((name, context.get_parameter_source(name)) for name in names)
    return next((f"--{name.replace('_', '-')}" for name, source in sources if source and source.name != "DEFAULT"), None)


def _decoding(context: typer.Context, settings: dict[str, Any]) -> Decoding:
    """How tokens are chosen, from options.

    Raises:
        ConfigError: one of them is wrong, or has no effect.
    """
    from moft_llm.generation.decoding import Decoding

    if settings.get("greedy") and (unused := given_option(context, *Decoding.OF_SAMPLING)):
        raise ConfigError(f"{unused} has no effect with --greedy, which takes the most likely token. Leave one of the two out.")
    if not 0 < settings["sampling_temperature"] < float("inf"):
        text = f"--sampling-temperature {settings['sampling_temperature']:g} must be above 0."
        raise ConfigError(f"{text} For the most likely token, use --greedy." if "greedy" in settings else text)
    for name in ("top_p", "typical_p"):
        if not 0 < settings[name] <= 1:
            raise ConfigError(f"--{name.replace('_', '-')} {settings[name]:g} must be above 0 and at most 1.")
    for name in ("epsilon_cutoff", "eta_cutoff"):
        if not 0 <= settings[name] < 1:
            raise ConfigError(f"--{name.replace('_', '-')} {settings[name]:g} must be at least 0 and below 1.")
    stop = tuple(settings["stop"] or ())
    if len(stop) > 16:
        raise ConfigError(f"--stop is given {len(stop)} times; 16 texts can end a response.")
    for text in stop:
        if not 0 < len(text) <= 200:
            raise ConfigError(f"--stop {text[:40]!r} has {len(text)} characters; a text that ends a response has 1 to 200.")
    return Decoding(**settings | {"stop": stop})

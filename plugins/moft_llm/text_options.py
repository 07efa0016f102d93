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

_WHOLE: dict[str, Any] = {"min": 0, "max": MOST}

_TOLD: dict[str, tuple[Any, Any, str, dict[str, Any]]] = {
    "max_new_tokens": (int, 64, "Maximum length of a response.", {"min": 1, "max": MOST}),
    "greedy": (bool, False, "Always takes the most likely token instead of sampling.", {}),
    "sampling_temperature": (float, 1.0, "Temperature of token sampling; not the dial of a policy.", {}),
    "top_p": (float, 1.0, "Samples from the most likely tokens that together have this probability.", {}),
    "top_k": (int, 0, "Samples from this many most likely tokens; 0 for all.", _WHOLE),
    "stop": (list[str] | None, None, "A text that ends the response, and is no part of it; repeatable.", {}),
    "repetition_penalty": (float, 1.0, "Above 1, tokens of prompt and response become less likely.", {"min": 0.01, "max": 10}),
    "presence_penalty": (float, 0.0, "Taken from the logits of tokens of the response.", {"min": -2, "max": 2}),
    "frequency_penalty": (float, 0.0, "The same, as often as the response has the token.", {"min": -2, "max": 2}),
    "no_repeat_ngram": (int, 0, "No run of so many tokens comes twice; 0 for any.", _WHOLE),
    "min_new_tokens": (int, 0, "No token ends the response before it has as many.", _WHOLE),
    "min_p": (float, 0.0, "Samples from tokens at least this share as likely as the likeliest.", {"min": 0, "max": 1}),
    "typical_p": (float, 1.0, "Samples from the tokens closest to the expected surprise.", {}),
    "epsilon_cutoff": (float, 0.0, "Samples from tokens with at least this probability.", {}),
    "eta_cutoff": (float, 0.0, "The same with a bound that is lower where many tokens are likely.", {}),
    "batch": (int, 32, "Responses at a time; more are faster and take more memory.", {"min": 1, "max": MOST}),
}
"""Type, default, help and bounds of each option, by the name of the setting; those of `Decoding`, which imports torch."""

OPTIONS: dict[str, tuple[Any, Any]] = {
    name: (Annotated[kind, typer.Option(f"--{name.replace('_', '-')}", help=told, **bounds)], default)
    for name, (kind, default, told, bounds) in _TOLD.items()
}
"""The annotation and the default of each."""


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

"""From the arguments of a call to one row of arguments for each prompt, or to one sentence on what is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from moft.config.signature import fields_of
from moft.config.value_validation import validated
from moft.errors import ConfigError, DataError
from moft.interfaces import TextPrompt, TextSettings
from moft.setting_types import MOST
from moft.suggestions import nearest

LENGTH = "max_new_tokens"


def prompts_of(prompts: TextPrompt | Iterable[TextPrompt]) -> list[TextPrompt]:
    """The prompts of a call, which gives one or several.

    Raises:
        DataError: there is none, or one is neither text nor messages.
    """
    if isinstance(prompts, str | bytes) or not isinstance(prompts, Iterable):
        found: list[Any] = [prompts]
    else:
        found = list(prompts)
        if isinstance(prompts, Mapping) or (found and all(isinstance(one, Mapping) for one in found)):
            found = [prompts if isinstance(prompts, Mapping) else found]
    if not found:
        raise DataError("there are no prompts; give a text, a list of messages, or a list of these.")
    for number, one in enumerate(found, start=1):
        is_chat = isinstance(one, list | tuple) and len(one) > 0 and all(isinstance(turn, Mapping) for turn in one)
        if not (isinstance(one, str) or is_chat):
            raise DataError(
                f"prompt {number}: {repr(one)[:60]} is no prompt; give a text, or a list of messages with role and content."
            )
    return found


def messages_of(prompt: TextPrompt, system: str | None, where: str) -> list[Mapping[str, Any]]:
    """A prompt as a chat, which begins with the system prompt if there is one.

    Raises:
        ConfigError: the chat has a system prompt of its own.
    """
    messages: list[Mapping[str, Any]] = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else list(prompt)
    if system is None:
        return messages
    if messages[0].get("role") == "system":
        raise ConfigError(f"{where}: the chat begins with a message of the system already; leave `system` out.")
    return [{"role": "system", "content": system}, *messages]


def rows_of(name: str, value: Any, count: int, annotation: Any, *, is_list: bool = False) -> list[Any]:
    """The checked value of an argument for each prompt: one for all, or a list with one for each.

    Args:
        name: of the argument.
        value: as it was given.
        count: of prompts.
        annotation: type and range of one value.
        is_list: one value is itself a list, of texts; a text stands for a list of one.

    Raises:
        ConfigError: a value is wrong, or there are not as many as prompts.
    """
    given = value.tolist() if hasattr(value, "tolist") else value
    if is_list:
        given = [given] if isinstance(given, str) else () if given is None else given
        is_many = isinstance(given, list | tuple) and any(isinstance(one, list | tuple) for one in given)
        given = [() if one is None else one for one in given] if is_many else given
    else:
        is_many = isinstance(given, list | tuple)
    values = list(given) if is_many else [given]
    if is_many and len(values) != count:
        raise ConfigError(f"{name}: {len(values)} values for {_prompts(count)}; give one for all, or one for each.")
    found = []
    for number, one in enumerate(values, start=1):
        checked, _, mistakes = validated(annotation, one, f"{name} of prompt {number}" if is_many else name)
        if mistakes:
            raise ConfigError(mistakes[0])
        found.append(checked)
    return found if is_many else found * count


def settings_rows(given: Mapping[str, Any], count: int) -> list[TextSettings]:
    """The settings of each prompt; the most tokens are `MOST` where they are what the context leaves.

    Raises:
        ConfigError: one is unknown or wrong, has no effect, or there are not as many values as prompts.
    """
    known = {parameter.name: parameter for parameter in fields_of(TextSettings)}
    for name in given:
        if name not in known:
            raise ConfigError(f"{name!r} is no setting of a text.{nearest(name, list(known))} Settings: {', '.join(known)}.")
    columns = {
        name: rows_of(name, value, count, known[name].annotation, is_list=name == "stop")
        for name, value in given.items()
        if name != LENGTH
    }
    if LENGTH in given:
        column = rows_of(LENGTH, given[LENGTH], count, known[LENGTH].annotation | None)
        columns[LENGTH] = [MOST if most is None else most for most in column]
    rows = [TextSettings(**{name: column[row] for name, column in columns.items()}) for row in range(count)]
    unused = next((name for name in TextSettings.OF_SAMPLING if name in given), None)
    if unused is not None and all(row.greedy for row in rows):
        raise ConfigError(f"{unused} has no effect with greedy, which takes the most likely token; leave one of the two out.")
    return rows


def weights_rows(weights: Any, count: int, names: Sequence[str]) -> list[Any]:
    """The weights of each prompt, as they were given: one for all, or one for each.

    Raises:
        ConfigError: there are none, or not as many as prompts.
    """
    given = plain(weights)
    if given is None:
        raise ConfigError(f"weights: give the weights of {', '.join(names)}, the name of a choice, or a wish.")
    if not isinstance(given, list) or not given or all(isinstance(one, int | float) for one in given):
        return [given] * count
    if len(given) != count:
        raise ConfigError(f"weights: {len(given)} for {_prompts(count)}; give one for all, or one for each.")
    return given


def plain(value: Any) -> Any:
    """Weights with the types of JSON: arrays and tuples are lists, numbers of arrays are numbers."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, Mapping):
        return {name: plain(one) for name, one in value.items()}
    return [plain(one) for one in value] if isinstance(value, Sequence) and not isinstance(value, str) else value


def _prompts(count: int) -> str:
    return f"{count} prompt{'s' if count > 1 else ''}"

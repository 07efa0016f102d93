"""Values for the variables of a chat template, such as `enable_thinking`, written into the template itself."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping
from typing import Any

from moft import ConfigError

TemplateOptions = dict[str, str | bool | int | float | None]

OWN = ("messages", "tools", "documents", "add_generation_prompt", "bos_token", "eos_token")
"""Variables that moft or the tokenizer gives."""


def with_options(tokenizer: Any, options: Mapping[str, Any]) -> Any:
    """A tokenizer whose chat template begins with the values, unless they are passed to it; so exports keep them.

    Args:
        tokenizer: not changed.
        options: by variable; the tokenizer itself is returned where there are none.

    Raises:
        ConfigError: the tokenizer has no chat template, or the template does not read a variable.
    """
    template = getattr(tokenizer, "chat_template", None)
    if not options or not template:
        return tokenizer
    texts = template if isinstance(template, Mapping) else {"default": template}
    for name in options:
        if name in OWN or not re.fullmatch(r"[A-Za-z_]\w*", name):
            raise ConfigError(f"[task.chat_template_kwargs] {name!r} is no variable that can be set. {_known(texts)}")
        if not any(re.search(rf"\b{name}\b", text) for text in texts.values()):
            raise ConfigError(f"[task.chat_template_kwargs] the chat template does not read {name!r}. {_known(texts)}")
    lines = [f"{{% set {name} = {name} if {name} is defined else {_literal(value)} %}}\n" for name, value in options.items()]
    changed = {key: "".join(lines) + text for key, text in texts.items()}  # a line break after a block is not written
    other = copy.copy(tokenizer)
    other.chat_template = changed if isinstance(template, Mapping) else changed["default"]
    return other


def _literal(value: Any) -> str:
    return "none" if value is None else json.dumps(value)


def _known(texts: Mapping[str, str]) -> str:
    """Which variables the templates ask for, in a sentence."""
    from jinja2 import Environment, TemplateError, meta
    from jinja2.ext import loopcontrols

    names: set[str] = set()
    for text in texts.values():
        try:
            names |= meta.find_undeclared_variables(Environment(extensions=[loopcontrols], autoescape=True).parse(text))
        except TemplateError:  # of a template with tags of its own
            continue
    names -= {*OWN, "raise_exception", "strftime_now", "namespace", "range", "dict", "loop", "pad_token", "unk_token"}
    return f"It reads {', '.join(sorted(names))}." if names else "It reads no variables of its own."

"""Scorers from the command line: `--scorer NAME=KIND`."""

from __future__ import annotations

from collections.abc import Sequence

from moft import ConfigError
from moft.api import Plugins, Scorer, component, read_value


def scorers_of(texts: Sequence[str], plugins: Plugins) -> dict[str, Scorer]:
    """Scorers by the name of their objective, from texts of the form NAME=KIND.

    Raises:
        ConfigError: a text has another form, a name is repeated, or a scorer or its settings are wrong.
    """
    if not texts:
        raise ConfigError("moft data sample needs --scorer NAME=KIND, such as --scorer positive=vader; it may be repeated.")
    scorers: dict[str, Scorer] = {}
    for text in texts:
        name, equals, kind = (part.strip() for part in text.partition("="))
        if not equals or not name or not kind:
            raise ConfigError(f"--scorer {text!r} is not of the form NAME=KIND, such as positive=vader.")
        if name in scorers:
            raise ConfigError(f"--scorer {name!r} is given twice.")
        path = f"--scorer {name}"
        scorers[name] = component(Scorer, read_value(kind, path), plugins, path)
    return scorers

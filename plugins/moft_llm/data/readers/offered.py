"""The readers as configs build them: from settings by name."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from typing import Any

from moft_llm.data.readers.any_reader import ListReader
from moft_llm.data.readers.joined_reader import Joined
from moft_llm.data.readers.list_readers import Lists, PkuSafeRLHF, Rated
from moft_llm.data.readers.mapping.column_reader import Columns
from moft_llm.data.readers.pair_readers import HH, Pairs


def _settings_only(record: Callable[..., ListReader]) -> Callable[..., ListReader]:
    """A function that builds a reader from its fields as keywords, but for the name, which selects it."""

    def built(**settings: Any) -> ListReader:
        return record(**settings)

    hints = typing.get_type_hints(record, include_extras=True)
    found = inspect.signature(record).parameters.values()
    settings = [p.replace(kind=p.KEYWORD_ONLY, annotation=hints[p.name]) for p in found if p.name != "name"]
    built.__signature__ = inspect.Signature(settings)  # type: ignore[attr-defined] # of functions
    built.__doc__ = record.__doc__
    return built


READERS = (Lists, PkuSafeRLHF, Rated, Pairs, HH, Columns, Joined)

lists, pku_saferlhf, rated, pairs, hh, columns, joined = map(_settings_only, READERS)

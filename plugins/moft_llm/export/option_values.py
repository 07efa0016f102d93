"""Options of `moft export` that can be given several times, as the one text that the hook `moft_export` gets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

_BETWEEN = "; "


def join_values(values: Sequence[str] | None) -> str | None:
    """The values as one text; None for none."""
    return _BETWEEN.join(values) if values else None


def split_values(options: Mapping[str, str], name: str) -> list[str]:
    """The values of an option; none where it was not given."""
    return options[name].split(_BETWEEN) if name in options else []

"""Short, unique labels of the runs in a comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations, takewhile
from typing import Any

from moft.run.report.read_front import MeasuredRun

_MAX_SETTINGS = 3  # in one label
_MAX_LENGTH = 60  # characters of a label made of settings
_ENDS = " -_.,="


def folder_names(runs: Sequence[MeasuredRun]) -> list[str]:
    """The name of each run; where two have the same name, as much of each path as makes them unique."""
    names = [run.name for run in runs]
    return names if len(set(names)) == len(names) else _shortest_ends([run.path.resolve().parts for run in runs])


def entry_names(groups: Sequence[Sequence[MeasuredRun]], left_out: Sequence[str]) -> list[str]:
    """For each group of runs, the settings in which it differs from the others, or the common beginning of its folders' names.

    Args:
        groups: runs that differ only in the settings `left_out`.
        left_out: paths of settings.
    """
    beginnings = [_beginning(group) for group in groups]
    if len(groups) == 1:
        return beginnings
    flat = [{path: value for path, value in _flat(group[0].config).items() if not _is_below(path, left_out)} for group in groups]
    paths = {path: None for settings in flat for path in settings}
    differ = [path for path in paths if len({repr(settings.get(path)) for settings in flat}) > 1]
    differ.sort(key=lambda path: (path != "method.name", path.count("."), len(path)))
    for count in range(1, _MAX_SETTINGS + 1):
        for chosen in combinations(differ, count):
            names = [", ".join(f"{path}={_value(settings.get(path))}" for path in chosen) for settings in flat]
            if len(set(names)) == len(names) and max(map(len, names)) <= _MAX_LENGTH:
                return names
    return beginnings if len(set(beginnings)) == len(groups) else folder_names([group[0] for group in groups])


def _beginning(group: Sequence[MeasuredRun]) -> str:
    """The common beginning of the folders' names of a group."""
    columns = zip(*folder_names(group), strict=False)
    common = "".join(letters[0] for letters in takewhile(lambda letters: len(set(letters)) == 1, columns))
    common = common.rstrip(_ENDS).removesuffix("seed").rstrip(_ENDS)
    method = group[0].config.get("method")
    return common or (str(method.get("name")) if isinstance(method, Mapping) else str(method))


def _shortest_ends(paths: Sequence[tuple[str, ...]]) -> list[str]:
    """For each path, the fewest last parts that no other path ends in."""
    names = []
    for index, path in enumerate(paths):
        others = [other for at, other in enumerate(paths) if at != index]
        length = next((n for n in range(1, len(path)) if all(other[-n:] != path[-n:] for other in others)), len(path))
        names.append("/".join(path[-length:]))
    return names


def _flat(content: Any, path: str = "") -> dict[str, Any]:
    """Every setting by its full path."""
    if not isinstance(content, Mapping) or not content:
        return {path: content}
    return {
        key: value for name, part in content.items() for key, value in _flat(part, f"{path}.{name}" if path else name).items()
    }


def _is_below(path: str, tops: Sequence[str]) -> bool:
    return any(path == top or path.startswith(f"{top}.") for top in tops)


def _value(value: Any) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)

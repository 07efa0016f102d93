"""What a model card says of the base model's licence and of the training data, in the words of the hub."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from moft.api import user_path
from moft_llm.data.readers.dataset_files import HUB
from moft_llm.data.readers.file_formats import SUFFIXES

_FIELDS = ("license", "license_name", "license_link")


def base_license(base: str) -> dict[str, str]:
    """The licence that the model card of a base model states; nothing where it has no card, or none that says it.

    Args:
        base: folder, or name on the hub, whose cached card is read.
    """
    from huggingface_hub import metadata_load, try_to_load_from_cache

    folder = user_path(base)
    try:
        card = folder / "README.md" if folder.is_dir() else try_to_load_from_cache(base, "README.md")
        stated: Any = metadata_load(card) if isinstance(card, str | Path) and Path(card).is_file() else None
    except Exception:  # a card of any content, or no name of the hub; the licence is then unknown
        return {}
    return {field: stated[field] for field in _FIELDS if isinstance(stated, Mapping) and isinstance(stated.get(field), str)}


def data_names(config: Mapping[str, Any]) -> list[str]:
    """The names of a run's training data: those on the hub, and the names of files and folders without their place.

    Args:
        config: of the run, complete.
    """
    task = config.get("task")
    data = task.get("data") if isinstance(task, Mapping) else None
    names = (_name_of(place) for place in _places(data))
    return list(dict.fromkeys(names))


def _places(data: Any) -> Iterator[str]:
    """The values of `path` and `paths` of a reader."""
    for key, value in data.items() if isinstance(data, Mapping) else ():
        if key == "path" and isinstance(value, str):
            yield value
        elif key == "paths" and isinstance(value, Mapping):
            yield from (one for one in value.values() if isinstance(one, str))


def _name_of(place: str) -> str:
    path = user_path(place)
    is_local = path.exists() or not HUB.fullmatch(place) or path.suffix in SUFFIXES
    return path.name if is_local else place.partition(":")[0]

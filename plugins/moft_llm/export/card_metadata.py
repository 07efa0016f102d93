"""What a model card says of the base model's licence and of the training data, in the words of the hub."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from moft import ConfigError
from moft.api import redacted, user_path
from moft_llm.data.files.dataset_files import HUB
from moft_llm.data.files.file_formats import form_of
from moft_llm.loading.model_path import public_name

_FIELDS = ("license", "license_name", "license_link")
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_DATA_NAME = re.compile(r"([A-Za-z0-9][\w.-]*/)?[A-Za-z0-9][\w.-]*")
_LICENSE = re.compile(r"[a-z0-9][a-z0-9.+-]*")


@dataclass(frozen=True)
class Provenance:
    """What an export is made from, as the user states it where the run does not know it.

    Args:
        base: name of the base model on the hub, such as `owner/model`; None for what the run says.
        license: identifier of a licence, such as `apache-2.0`; None for that of the base model's own card.
        datasets: names of the training data; none for what the run says.
    """

    base: str | None = None
    license: str | None = None
    datasets: Sequence[str] = ()

    def __post_init__(self) -> None:
        for option, form, example, values in (
            ("--base-id", _HUB_NAME, "owner/model", (self.base,)),
            ("--license", _LICENSE, "apache-2.0", (self.license,)),
            ("--dataset", _DATA_NAME, "owner/dataset", self.datasets),
        ):
            for value in values:
                if value is not None and not form.fullmatch(value):
                    raise ConfigError(f"{option} {value!r}: must be a name as on the Hugging Face hub, such as {example}.")

    def base_name(self, base: str) -> str:
        """What others may call the base model; see `public_name`.

        Args:
            base: its path or its name on the hub.
        """
        return self.base or public_name(redacted(base))

    def fields(self, base: str, config: Mapping[str, Any]) -> dict[str, Any]:
        """`base_model`, `license` and `datasets` of a model card, as far as they are known.

        Args:
            base: path of the base model, or its name on the hub.
            config: of the run, complete.
        """
        stated = {"license": self.license} if self.license else base_license(base)
        return {"base_model": self.base_name(base), **stated, "datasets": list(self.datasets) or data_names(config)}


def front_matter(fields: Mapping[str, Any]) -> str:
    """The head of a model card that the hub reads; empty fields are left out."""
    lines = [f"{name}:" + _yaml(value) for name, value in fields.items() if value]
    return "\n".join(["---", *lines, "---", ""])


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
    """The values of `path` and `paths` of a reader, and of those that it joins."""
    for key, value in data.items() if isinstance(data, Mapping) else ():
        if key == "path" and isinstance(value, str):
            yield value
        elif key == "paths" and isinstance(value, Mapping):
            yield from (one for one in value.values() if isinstance(one, str))
        elif key == "readers" and isinstance(value, list):
            yield from chain.from_iterable(map(_places, value))


def _name_of(place: str) -> str:
    path = user_path(place)
    is_local = path.exists() or not HUB.fullmatch(place) or bool(form_of(path))
    return path.name if is_local else place.partition(":")[0]


def _yaml(value: str | list[str]) -> str:
    """What follows a key in YAML; a text that YAML could read as something else is quoted as in JSON."""
    if isinstance(value, list):
        return "".join(f"\n-{_yaml(one)}" for one in value)
    is_plain = re.fullmatch(r"[A-Za-z][\w./-]*", value) and value.lower() not in (
        "true",
        "false",
        "yes",
        "no",
        "on",
        "off",
        "null",
    )
    return f" {value if is_plain else json.dumps(value)}"

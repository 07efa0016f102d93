"""The example configs that come with moft, in a checkout and in an installed package."""

from __future__ import annotations

import re
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
FOLDERS = ("ltr", "llm", "paper")
"""Of the examples; what else a checkout has there is for the tests."""

_NAMED_FILE = re.compile(r"\bconfigs/([\w./-]+\.\w+)")


def examples_folder() -> Path:
    """The folder of the examples: within the package where it was installed, beside it in a checkout."""
    installed = PACKAGE / "configs"
    return installed if installed.is_dir() else PACKAGE.parent / "configs"


def example_names() -> list[str]:
    """Every example by its path without the ending, such as `ltr/mslr-sample`."""
    root = examples_folder()
    paths = sorted(path for folder in FOLDERS for path in (root / folder).rglob("*.yaml"))
    return [path.relative_to(root).with_suffix("").as_posix() for path in paths]


def example_text(name: str) -> str:
    """The text of an example."""
    return (examples_folder() / f"{name}.yaml").read_text(encoding="utf-8")


def example_files(name: str) -> list[str]:
    """The files of an example, relative to the folder of the examples: the config, then what it names there."""
    named = [path for path in _NAMED_FILE.findall(example_text(name)) if (examples_folder() / path).is_file()]
    return list(dict.fromkeys([f"{name}.yaml", *named]))

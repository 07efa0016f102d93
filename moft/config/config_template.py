"""Configs from templates: text with comments into which values are put as YAML."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from moft.config.yaml12 import inline_yaml
from moft.types.objective import RESERVED


def rendered_config(template: Path, values: Mapping[str, object]) -> str:
    """The text of a config.

    Args:
        template: a Jinja file. Its filter `inline` writes a value as YAML on one line, as in `column: {{ column | inline }}`.
        values: by their names in the template.
    """
    import jinja2

    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined, keep_trailing_newline=True, trim_blocks=True, autoescape=False
    )
    environment.filters["inline"] = inline_yaml
    return environment.from_string(template.read_text(encoding="utf-8")).render(values)


def objective_name(label: str) -> str:
    """A label's name as that of an objective: with what no objective may be called replaced."""
    name = "".join(letter if letter.isprintable() and letter not in ",=" else "-" for letter in label).strip() or "label"
    return f"label-{name}" if name in RESERVED else name

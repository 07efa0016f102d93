"""The steering page as HTML: one file with everything in it, or a page whose parts a server has at addresses of their own."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from moft.errors import ConfigError
from moft.run.report.steering_page.joined_modules import SCRIPTS, joined_modules

if TYPE_CHECKING:
    from jinja2 import Template

HERE = Path(__file__).parent
_ENDS_SCRIPT = re.compile(r"<(?=/script)", re.IGNORECASE)


def steering_file(record: Mapping[str, Any]) -> str:
    """The page as one HTML file, which loads nothing else.

    Args:
        record: the content of `steering_record`.

    Raises:
        ConfigError: the library that draws is not installed.
    """
    return _template().render(
        title=record["name"],
        style=style_sheet(),
        plotly=plotly_script(),
        script=joined_modules(SCRIPTS / "file_page.js"),
        data=embedded_json(record),
        at=None,
    )


def steering_shell(at: Mapping[str, str]) -> str:
    """The page without data and scripts, which a server has at the addresses `style`, `plotly` and `script`."""
    return _template().render(title="Steering page", style=None, plotly=None, script=None, data=None, at=at)


def style_sheet() -> str:
    """The styles of the page."""
    return (HERE / "page.css").read_text(encoding="utf-8")


@functools.cache
def plotly_script() -> str:
    """plotly.js, as the package plotly brings it.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        from plotly.offline import get_plotlyjs
    except ImportError as error:
        raise ConfigError("the steering page is drawn by plotly, which is not installed: pip install 'moft[page]'.") from error
    script: str = get_plotlyjs()
    return _ENDS_SCRIPT.sub(r"<\\", script)


def embedded_json(content: Any) -> str:
    """JSON that cannot end the script element that it stands in, whatever its texts are.

    Raises:
        ValueError: a number is not finite.
    """
    return json.dumps(content, allow_nan=False, ensure_ascii=False).replace("<", "\\u003c")


@functools.cache
def _template() -> Template:
    """The template, read once per process."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("page.html.j2")

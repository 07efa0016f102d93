"""Parts of pages that are made from the code when the documentation is built, so that they cannot drift from it.

A line `<!-- generated: NAME ARGUMENT -->` of a page is replaced by the Markdown that the part called NAME gives for ARGUMENT.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from moft_docs.api import api_reference, without_inherited_signature
from moft_docs.hooks import hook_reference
from moft_docs.results import benchmark_results, other_results, paper_table
from moft_docs.settings import component_reference, record_reference

PARTS: Mapping[str, Callable[[str], str]] = {
    "record": record_reference,
    "components": component_reference,
    "hooks": hook_reference,
    "api": api_reference,
    "benchmark": benchmark_results,
    "other-benchmarks": other_results,
    "paper-table": paper_table,
}
MARKER = re.compile(r"^<!-- generated: (\S+)(?: (\S+))? -->$", re.MULTILINE)


def expanded(text: str) -> str:
    """The text of a page with every generated part in its place.

    Raises:
        KeyError: a marker names no part.
    """
    return MARKER.sub(lambda marker: PARTS[marker[1]](marker[2] or ""), text)


def setup(app: Any) -> dict[str, Any]:
    """Makes Sphinx expand pages as it reads them."""

    def read(_app: Any, _page: str, source: list[str]) -> None:
        source[0] = expanded(source[0])

    app.connect("source-read", read)
    app.connect("autodoc-process-signature", without_inherited_signature)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

"""Writes what is generated in every page anew, from the code and from `benchmarks/results/`: `make reference`.

A block begins with a line `<!-- generated: PART ARGUMENT -->` and ends with `<!-- /generated -->`. A beginning without an end
is filled and closed. A link without a text gets the title of its page. A test fails where a page differs from what this writes.
"""

from __future__ import annotations

from pathlib import Path

from moft_docs.blocks import filled
from moft_docs.links import titled
from moft_docs.pages import ROOT, pages


def made(text: str, page: Path) -> str:
    """The text of a page as it has to be.

    Raises:
        KeyError: a block names no part.
        ValueError: a block ends without a beginning.
        LookupError: a link leads nowhere.
    """
    return titled(filled(text), page)


def main() -> None:
    """Writes the pages that differ, once all of them are made, and prints their names."""
    texts = {page: page.read_text(encoding="utf-8") for page in pages()}
    for page, new in {page: made(text, page) for page, text in texts.items()}.items():
        if new != texts[page]:
            page.write_text(new, encoding="utf-8")
            print(page.relative_to(ROOT))


if __name__ == "__main__":
    main()

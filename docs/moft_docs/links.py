"""Links without a text: MyST shows the title of the page there, and a code host nothing at all."""

from __future__ import annotations

import re
from pathlib import Path

from moft_docs.markdown import anchor

EMPTY = re.compile(r"(?<!`)\[\]\((?P<page>[^)#\s]*)(?:#(?P<heading>[^)\s]+))?\)")
HEADING = re.compile(r"^#+ (.+?)\s*$", re.MULTILINE)


def titled(text: str, page: Path) -> str:
    """The text of a page with the title of what they lead to in every link that has no text.

    Raises:
        LookupError: a link leads to no page, or to no heading of it.
    """

    def with_title(link: re.Match[str]) -> str:
        target = (page.parent / link["page"]).resolve() if link["page"] else page
        headings = HEADING.findall(text if target == page else target.read_text(encoding="utf-8") if target.is_file() else "")
        title = next((one for one in headings if link["heading"] in (None, anchor(one))), None)
        if title is None:
            raise LookupError(f"{page}: {link[0]} leads nowhere")
        return f"[{title}]{link[0][2:]}"

    return EMPTY.sub(with_title, text)

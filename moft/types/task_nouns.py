"""What a task calls its lists and items."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Nouns:
    """The words that messages, tables, reports and pictures use for lists and items.

    Args:
        list: one list, such as `query`; its plural takes an s, or `ies` for a `y`.
        item: one item, such as `document`.
    """

    list: str = "list"
    item: str = "item"

    @property
    def lists(self) -> str:
        """The plural of `list`."""
        return _plural(self.list)

    @property
    def items(self) -> str:
        """The plural of `item`."""
        return _plural(self.item)

    def count_lists(self, count: int) -> str:
        """A number of lists in words: `1 query`, `1,200 queries`."""
        return f"{count:,} {self.list if count == 1 else self.lists}"


def _plural(word: str) -> str:
    return f"{word[:-1]}ies" if word.endswith("y") and word[-2:-1] not in "aeiou" else f"{word}s"

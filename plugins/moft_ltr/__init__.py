"""Learning to rank for moft; `write_data` and `table` make data from frames and arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from moft_ltr.data.write_data import table, write_data

__all__ = ["table", "write_data"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from moft_ltr.data import write_data as public  # which imports torch, while plugins are listed without it

    return getattr(public, name)

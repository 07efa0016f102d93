"""The style of all pictures, and their conversion to PNG."""

from __future__ import annotations

import functools
import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, MUTED, GRID, ELSEWHERE, ACCENT = "#1f2933", "#66717e", "#e8ebef", "#c9ced5", "#0072b2"
CYCLE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#8c6d31")  # Okabe and Ito's, and brown
STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 11,
    "text.color": INK,
    "text.parse_math": False,  # names come from the user and may contain a dollar sign
    "text.usetex": False,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "axes.facecolor": "white",
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.formatter.useoffset": False,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.titlepad": 8,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
    "legend.frameon": False,
    "legend.fontsize": 10.5,
}
WIDTH = 14.0  # inches
PAIRED = 7
"""The most objectives whose pairs have a panel each; more are drawn on parallel axes, in one panel."""
DOTS = 150  # per inch
FALLBACKS = (
    *("Noto Sans CJK SC", "Noto Sans CJK JP", "Source Han Sans SC", "WenQuanYi Zen Hei", "WenQuanYi Micro Hei", "IPAGothic"),
    *("Droid Sans Fallback", "PingFang SC", "Hiragino Sans", "Apple SD Gothic Neo", "Arial Unicode MS"),
    *("Microsoft YaHei", "Yu Gothic", "Malgun Gothic", "Noto Sans Devanagari", "Noto Sans Thai", "Noto Sans Symbols2"),
)


@contextmanager
def styled() -> Iterator[None]:
    """Draws everything inside in moft's style, whatever matplotlib's settings on this machine are."""
    import matplotlib

    with matplotlib.rc_context({**STYLE, "font.family": [STYLE["font.family"], *_fallbacks()]}):
        yield


def png(figure: Figure) -> bytes:
    """The figure as a PNG file."""
    content = io.BytesIO()
    with styled(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph .* missing from", UserWarning)  # no font here has it; a box stands for it
        figure.savefig(content, format="png", metadata={"Software": None})
    return content.getvalue()


@functools.cache
def _fallbacks() -> tuple[str, ...]:
    """The installed ones of some fonts with letters that the first font lacks, such as Chinese, Japanese and Korean ones."""
    from matplotlib.font_manager import fontManager

    return tuple(name for name in FALLBACKS if name in set(fontManager.get_font_names()))


def shortened(text: str, length: int) -> str:
    """The text on one line, without its middle if it is longer than `length` characters."""
    line = " ".join(text.split())
    return line if len(line) <= length else f"{line[: length - length // 2 - 1]}…{line[-(length // 2) :]}"

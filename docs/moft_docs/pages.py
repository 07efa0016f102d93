"""The pages of the documentation, and the folders they are made from."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
BENCHMARKS = ROOT / "benchmarks"
APART = {"changes", "_build", "moft-hinge"}
"""Folders whose Markdown is no page."""


def pages() -> list[Path]:
    """The README and every page below `docs/`, in one order."""
    return [ROOT / "README.md", *sorted(path for path in DOCS.rglob("*.md") if not APART & set(path.relative_to(DOCS).parts))]

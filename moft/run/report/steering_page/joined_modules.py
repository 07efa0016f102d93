"""Joins JavaScript modules into one script, so that a page loads without a server and users need no build step."""

from __future__ import annotations

import re
from pathlib import Path

SCRIPTS = Path(__file__).parent / "scripts"
_IMPORT = re.compile(r'^import \{[^}]*\} from "\./(?P<file>[\w.]+)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const)\b)", re.MULTILINE)


def joined_modules(entry: Path) -> str:
    """A module and all that it imports, each once and after what it imports, as one module without imports.

    Modules are imported by name from the folder of `entry` or that of the steering page, so the names at their top level have
    to differ.

    Args:
        entry: the module that starts the page.
    """
    texts: dict[str, str] = {}
    _add(entry, texts)
    return "\n".join(texts.values())


def _add(path: Path, texts: dict[str, str]) -> None:
    source = path.read_text(encoding="utf-8")
    for found in _IMPORT.finditer(source):
        if (name := found["file"]) not in texts:
            beside = path.parent / name
            _add(beside if beside.exists() else SCRIPTS / name, texts)
    texts[path.name] = _EXPORT.sub("", _IMPORT.sub("", source))

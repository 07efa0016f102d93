"""Joins JavaScript modules into one script, so that a page loads without a server and users need no build step."""

from __future__ import annotations

import re
from pathlib import Path

SCRIPTS = Path(__file__).parent / "scripts"
_IMPORT = re.compile(r'^import \{[^}]*\} from "(?P<file>\.{1,2}/[\w./]+)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const)\b)", re.MULTILINE)


def joined_modules(entry: Path) -> str:
    """A module and all that it imports, each once and after what it imports, as one module without imports.

    Modules are imported by their path from the importing one, or from the scripts of the steering page. The names at their top
    level have to differ.

    Args:
        entry: the module that starts the page.
    """
    texts: dict[Path, str] = {}
    _add(entry.resolve(), texts)
    return "\n".join(texts.values())


def _add(path: Path, texts: dict[Path, str]) -> None:
    source = path.read_text(encoding="utf-8")
    for found in _IMPORT.finditer(source):
        beside = (path.parent / found["file"]).resolve()
        imported = beside if beside.exists() else (SCRIPTS / found["file"]).resolve()
        if imported not in texts:
            _add(imported, texts)
    texts[path] = _EXPORT.sub("", _IMPORT.sub("", source))

"""Modules are joined once each, after what they import, without imports."""

from __future__ import annotations

import re

from moft.run.report.steering_page.joined_modules import SCRIPTS, joined_modules


def test_each_module_stands_once_and_after_what_it_imports(tmp_path):
    (tmp_path / "first.js").write_text(
        'import { b } from "./second.js";\nimport { c } from "./third.js";\n\nexport const a = b + c;\n'
    )
    (tmp_path / "second.js").write_text('import { c } from "./third.js";\nexport const b = c;\n')
    (tmp_path / "third.js").write_text(
        "/** Says export. */\nexport const c = 1;\nexport async function d() {}\nexport class E {}\n"
    )
    joined = joined_modules(tmp_path / "first.js")
    assert [line for line in joined.splitlines() if line] == [
        "/** Says export. */", "const c = 1;", "async function d() {}", "class E {}", "const b = c;", "const a = b + c;",
    ]  # fmt: skip


def test_the_page_has_all_its_modules_and_none_of_their_names_twice():
    joined = joined_modules(SCRIPTS / "file_page.js")
    assert not re.search(r"^(import|export) ", joined, re.MULTILINE)
    names = re.findall(r"^(?:async )?(?:function\*?|class|const|let) (\w+)", joined, re.MULTILINE)
    assert len(names) == len(set(names))
    for path in SCRIPTS.glob("*.js"):
        lines = path.read_text(encoding="utf-8").splitlines()
        assert lines[0].startswith("/** "), f"{path.name} does not say what it is"
        assert lines[0] in joined, f"{path.name} is not in the page"
        assert len(lines) <= 200, f"{path.name} is long"

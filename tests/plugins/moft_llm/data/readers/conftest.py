"""Files of the readers' tests."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def file_of(tmp_path):
    """Writes rows as JSON lines; gives the path as text."""

    def made(*values, name="data.jsonl"):
        (tmp_path / name).write_text("".join(json.dumps(value) + "\n" for value in values))
        return str(tmp_path / name)

    return made

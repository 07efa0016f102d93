"""The page as a file: it loads nothing, and no name or text ends its script or becomes markup."""

from __future__ import annotations

import builtins
import json
import re

import pytest

from moft.errors import ConfigError
from moft.run.report.steering_page import steering_html
from moft.run.report.steering_page.steering_html import embedded_json, plotly_script, steering_file, steering_shell

HOSTILE = "</script><script>alert(1)</script><!-- <img src=x onerror=alert(2)> {{ 7 * 7 }} '\"` \u2028"


@pytest.fixture
def small_library(monkeypatch):
    monkeypatch.setattr(steering_html, "plotly_script", lambda: "window.Plotly = {}")


def test_hostile_names_stay_texts_in_the_data(made_data, small_library):
    data = made_data(2, names=[HOSTILE, "plain"], place=HOSTILE) | {"name": HOSTILE, "metric": HOSTILE}
    page = steering_file(data)
    assert page.count("<script") == page.count("</script>") == 3
    assert "<img" not in page
    found = re.search(r'<script type="application/json" id="data">(.*)</script>', page)
    assert json.loads(found[1]) == json.loads(json.dumps(data))


def test_the_file_loads_nothing(made_data, small_library):
    page = steering_file(made_data(3))
    assert not re.search(r"""\b(src|href)\s*=\s*["'](?!#|data:,")|@import|url\(""", page)
    assert "https:" not in page
    assert "http:" not in page.replace("http://127.0.0.1:8000", "")


def test_a_served_page_has_no_data_and_names_its_parts():
    page = steering_shell({"style": "page/a.css", "plotly": "page/b.js", "script": "page/c.js"})
    assert [page.count(f'"page/{name}"') for name in ("a.css", "b.js", "c.js")] == [1, 1, 1]
    assert "application/json" not in page
    assert not re.search(r"<script>|<style>", page)


def test_a_number_that_is_not_finite_is_refused():
    with pytest.raises(ValueError, match="not JSON compliant"):
        embedded_json([float("nan")])


def test_without_the_library_one_line_says_what_to_install(monkeypatch):
    plain = builtins.__import__

    def without(name, *rest):
        if name.startswith("plotly"):
            raise ImportError(name)
        return plain(name, *rest)

    plotly_script.cache_clear()
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError, match=r"pip install 'moft\[page\]'"):
        plotly_script()

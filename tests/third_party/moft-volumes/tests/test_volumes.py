"""The command `moft volumes`."""

import json

import pytest
import typer
from moft_volumes import plugin
from typer.testing import CliRunner

from moft import RunError
from moft.testing import check_plugin


@pytest.fixture
def app():
    app = typer.Typer()
    plugin.moft_commands(app)
    return app


def test_contract():
    check_plugin(plugin)


def test_it_tells_the_hypervolume(app, tmp_path):
    (tmp_path / "front.json").write_text(json.dumps({"hypervolume": {"value": 0.5}}))
    assert CliRunner().invoke(app, [str(tmp_path)]).output == f"{tmp_path.name} 0.5\n"


def test_a_folder_without_a_front_is_refused(app, tmp_path):
    assert isinstance(CliRunner().invoke(app, [str(tmp_path)]).exception, RunError)

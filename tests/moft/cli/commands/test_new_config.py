"""`moft new config`: the part that is the same for every task."""

from __future__ import annotations

import pytest
import typer

from moft import Component, ConfigError, hookimpl
from moft.api import ConfigRequest
from moft.cli.app import application
from moft.hooks.plugin_manager import Plugins


class Writing:
    """A task that repeats what it is asked for."""

    @classmethod
    def starting_config(cls, request: ConfigRequest) -> str:
        return f"# {request.data} {dict(request.labels)} {request.model}\ntask: writing\n"


class Silent:
    """A task that writes no config."""


class Offers:
    @hookimpl
    def moft_tasks(self):
        yield Component("writing", Writing)
        yield Component("silent", Silent)
        yield Component("needy", Writing, packages=("a_library_that_nobody_has",))


@pytest.fixture
def new_config(capsys):
    """What `moft new config ARGS` prints with these tasks."""
    plugins = Plugins()
    plugins.register(Offers(), "toys")

    def run(*argv: str) -> str:
        typer.main.get_command(application(plugins)).main(args=["new", "config", *argv], standalone_mode=False)
        return capsys.readouterr().out

    return run


def test_the_task_writes_the_text_from_what_the_user_gave(new_config):
    said = new_config("writing", "--data", "here", "--label", "a.b=3", "--model", "m")
    assert said == "# here {'a.b': '3'} m\ntask: writing\n"


def test_a_file_is_written_and_never_written_over(new_config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert new_config("writing", "--data", "here", "--out", "a.yaml").splitlines()[0] == "Wrote a.yaml. Next:"
    before = (tmp_path / "a.yaml").read_bytes()
    with pytest.raises(ConfigError, match=r"^a\.yaml: already exists; choose another --out or remove it\.$"):
        new_config("writing", "--data", "there", "--out", "a.yaml")
    assert (tmp_path / "a.yaml").read_bytes() == before


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["writing"], r"moft new config needs --data, such as moft new config writing --data PATH"),
        (["silent", "--data", "x"], r"task 'silent' writes no starting config; `moft plugins task silent` lists its settings"),
        (["needy", "--data", "x"], r"task 'needy' needs the package a_library_that_nobody_has: pip install"),
        (["writing", "--data", "x", "--label", "a"], r"--label 'a' is not of the form NAME=COLUMN"),
        (["writing", "--data", "x", "--label", "a=1", "--label", "a=2"], r"--label 'a' is given twice"),
        (
            ["writing", "--data", "x", "--out", "away/a.yaml"],
            r"away/a\.yaml: cannot be written, because the folder away does not",
        ),
    ],
)
def test_mistakes_are_told(words, told, new_config):
    with pytest.raises(ConfigError, match=told):
        new_config(*words)


def test_a_task_that_is_not_there_is_told_with_the_nearest_one(moft):
    said = moft("new", "config", "lltr", "--data", "x")
    assert said.code == 2
    assert said.mistakes[0].startswith("moft: error: unknown task 'lltr'. Did you mean 'ltr'?")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--label", "main=5"), r"^an objective cannot be called 'main'"),
        (("--label", "a=b=5"), r"^an objective cannot be called 'a=b'"),
        (("--label", "a\nb=5"), r"^an objective cannot be called 'a\\nb'"),
        (("--data", "${HOME}x"), r"^--data '\$\{HOME\}x': a config reads"),
    ],
)
def test_what_a_config_could_not_say_is_refused(words, told, new_config):
    with pytest.raises(ConfigError, match=told):
        new_config("writing", "--data", "here", *words)


def test_the_next_commands_can_be_pasted_into_a_shell(new_config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "  moft train 'a b.yaml' --plan" in new_config("writing", "--data", "here", "--out", "a b.yaml").splitlines()

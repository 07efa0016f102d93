"""Plugin files are run only where the user named them or trusts their content."""

from __future__ import annotations

import json
import py_compile
import shutil
from hashlib import sha256
from importlib.util import cache_from_source

import pytest

import moft as library
from moft.errors import RunError
from moft.hooks.plugin_manager import Plugins
from moft.hooks.trust_store import is_trusted, trust

PLUGIN = """
from pathlib import Path
from moft import Component, hookimpl

Path({ran!r}).write_text({what!r})

class Mine:
    name, meaning = "mine", "nothing"

    def __call__(self, points, weights):
        return 0.0

@hookimpl
def moft_indicators():
    yield Component("mine", Mine, "mine")
"""


@pytest.fixture(autouse=True)
def _own_store(tmp_path, monkeypatch):
    monkeypatch.setenv("MOFT_STATE", str(tmp_path / "state"))


@pytest.fixture
def ran(tmp_path):
    """A file that exists once a plugin was run."""
    return tmp_path / "ran.txt"


@pytest.fixture
def file(tmp_path, ran):
    path = tmp_path / "mine.py"
    path.write_text(PLUGIN.format(ran=str(ran), what="mine"))
    return path


@pytest.fixture
def foreign(finished, tmp_path, file):
    """A finished run that somebody else trained with a plugin file."""
    run = shutil.copytree(finished, tmp_path / "run")
    (run / "plugins").mkdir()
    shutil.move(file, run / "plugins" / "mine.py")
    config = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(config.replace("plugins: []", "plugins: [/somewhere/mine.py]"))
    record(run)
    return run


def record(run):
    versions = json.loads((run / "versions.json").read_text())
    versions["plugin_files"] = {
        copy.name: sha256(copy.read_bytes()).hexdigest() for copy in (run / "plugins").iterdir() if copy.is_file()
    }
    (run / "versions.json").write_text(json.dumps(versions))


def refused(path):
    return (
        f"plugin file {str(path)!r} would be run, and its content is not trusted: read it, then add --trust (in Python: "
        "trust=True), which runs it and remembers its content."
    )


def test_checks_and_plans_run_no_plugin_file_that_is_not_trusted(config, moft, file, ran):
    config.write_text(f"plugins: [{file}]\n" + config.read_text().replace("ndcg,", "ndcg, indicators: [mine],"))
    at_the_file = f"{config}:1: "
    for words, where in (
        (("config", "check", config), at_the_file),
        (("train", config, "--plan"), ""),
        (("sweep", config, "--seeds", 2, "--plan"), ""),
    ):
        said = moft(*words)
        assert (said.code, said.out, said.mistakes) == (2, "", [f"moft: error: {where}{refused(file)}"])
        assert not ran.exists()
    assert moft("config", "check", "--trust", config).code == 0
    assert ran.exists()
    assert moft("train", config, "--plan").code == moft("sweep", config, "--seeds", 2, "--plan").code == 0
    file.write_text(file.read_text() + "# edited\n")
    assert moft("train", config, "--plan").code == 2
    assert moft("train", config, "--plan", "--trust").code == 0


def test_a_run_of_somebody_else_runs_nothing_until_it_is_trusted(foreign, moft, lists, ran, tmp_path):
    copy = foreign / "plugins" / "mine.py"
    opening = (
        ("score", foreign, lists / "test.txt", "--weights", "0.5,0.5"),
        ("profile", foreign, "--out", tmp_path / "profile"),
        ("generate", foreign, "hello", "--weights", "0.5,0.5"),
        ("export", foreign, tmp_path / "exported", "--weights", "0.5,0.5"),
    )
    for words in opening:
        said = moft(*words)
        assert (said.code, said.out, said.mistakes) == (2, "", [f"moft: error: {foreign}: cannot be opened: {refused(copy)}"])
    with pytest.raises(RunError, match="is not trusted"):
        library.open_run(foreign, device="cpu")
    assert not ran.exists()
    assert not is_trusted(copy.read_bytes())
    assert moft(*opening[0], "--trust").code == 0
    ran.unlink()
    assert moft(*opening[0]).code == 0  # remembered
    assert ran.exists()


def test_from_python_trust_is_an_argument(foreign, ran):
    library.open_run(foreign, device="cpu", trust=True)
    assert ran.exists()
    assert is_trusted((foreign / "plugins" / "mine.py").read_bytes())


@pytest.mark.parametrize("words", [(), ("--trust",)])
def test_a_copy_that_the_run_does_not_record_is_never_run(words, foreign, moft, lists, ran):
    copy = foreign / "plugins" / "mine.py"
    there = sha256(copy.read_bytes()).hexdigest()[:12]
    copy.write_text(copy.read_text() + "# another\n")
    trust(copy.read_bytes())
    here = sha256(copy.read_bytes()).hexdigest()[:12]
    for recorded, what in ((True, there), (False, "none for it")):
        if not recorded:
            (foreign / "versions.json").unlink()
        said = moft("score", foreign, lists / "test.txt", "--weights", "0.5,0.5", *words)
        assert said.mistakes == [
            f"moft: error: {foreign}: cannot be opened: plugin file {str(copy)!r} is not the one that the run was trained with: "
            f"its SHA-256 is {here}, and {foreign / 'versions.json'} has {what}; restore it."
        ]
    assert not ran.exists()


def test_neither_other_files_of_a_run_nor_what_its_config_points_to_is_run(foreign, moft, lists, ran, tmp_path):
    """What runs is the copy: no file elsewhere, none beside it, and no compiled one."""
    copy = foreign / "plugins" / "mine.py"
    outside = tmp_path / "outside" / "mine.py"
    outside.parent.mkdir()
    for path in (outside, foreign / "plugins" / "more.py"):
        path.write_text(PLUGIN.format(ran=str(ran), what="another"))
    (foreign / "config.yaml").write_text((foreign / "config.yaml").read_text().replace("/somewhere/mine.py", str(outside)))
    compiled = cache_from_source(str(copy))
    py_compile.compile(str(outside), compiled, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    assert moft("score", foreign, lists / "test.txt", "--weights", "0.5,0.5", "--trust").code == 0
    assert ran.read_text() == "mine"


def test_the_config_of_somebody_elses_run_is_not_gone_on_with_until_it_is_trusted(foreign, moft, ran):
    copy = foreign / "plugins" / "mine.py"
    (foreign / "config.yaml").write_text((foreign / "config.yaml").read_text().replace("/somewhere/mine.py", str(copy)))
    for plan in ((), ("--plan",)):
        said = moft("train", foreign / "config.yaml", "--out", foreign, "--resume", *plan)
        assert said.mistakes == [f"moft: error: {refused(copy)}"]
        assert not ran.exists()
    moft("train", foreign / "config.yaml", "--out", foreign, "--resume", "--trust")
    assert ran.exists()


def test_a_run_of_ones_own_opens_as_ever_and_its_config_is_checked(config, moft, file, ran, lists, tmp_path):
    config.write_text(f"plugins: [{file}]\n{config.read_text()}")
    assert moft("train", config, "--out", tmp_path / "run").code == 0
    assert moft("score", tmp_path / "run", lists / "test.txt", "--weights", "0.5,0.5").code == 0
    assert moft("config", "check", config).code == moft("train", config, "--plan").code == 0
    assert moft("train", tmp_path / "run" / "config.yaml", "--out", tmp_path / "run", "--resume").code == 0


def test_what_an_option_names_is_run_and_trusted(moft, file, ran):
    assert moft("config", "schema", "--plugin", file).code == 0
    assert ran.exists()
    assert is_trusted(file.read_bytes())


def test_a_store_that_cannot_be_written_stops_trust_and_not_training(config, moft, file, ran, tmp_path):
    (tmp_path / "state").write_text("a file")
    config.write_text(f"plugins: [{file}]\n{config.read_text()}")
    said = moft("config", "check", config, "--trust")
    assert (said.code, len(said.mistakes)) == (2, 1)
    assert "state/trusted: cannot be written" in said.mistakes[0]
    assert not ran.exists()
    said = moft("train", config, "--out", tmp_path / "run")
    assert said.code == 0
    assert [line for line in said.mistakes if "state/trusted: cannot be written" in line] == [said.mistakes[0]]
    assert said.mistakes[0].startswith("moft: note: ")


def test_of_several_processes_the_first_one_writes(file, ran, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    Plugins().register_file(file)
    assert ran.exists()
    assert not is_trusted(file.read_bytes())


def test_all_files_that_are_not_trusted_are_named(config, moft, file, tmp_path):
    shutil.copy(file, tmp_path / "more.py")
    (tmp_path / "more.py").write_text("# another\n" + file.read_text())
    config.write_text(f"plugins: [{file}, {tmp_path / 'more.py'}]\n{config.read_text()}")
    (line,) = moft("config", "check", config).mistakes
    assert f"plugin files {str(file)!r}, {str(tmp_path / 'more.py')!r} would be run, and their contents are not trusted" in line


@pytest.mark.parametrize("name", ["mine.so", "mine.pyc", "mine"])
def test_only_python_source_is_a_plugin_file(name, config, moft, file, tmp_path):
    py_compile.compile(str(file), str(tmp_path / name))
    said = moft("train", config, "--plan", "--trust", "--set", f"plugins=[{tmp_path / name}]")
    assert (said.code, len(said.mistakes)) == (2, 1)
    assert "is not a Python file: its name must end in '.py'" in said.mistakes[0]

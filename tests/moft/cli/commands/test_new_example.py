"""`moft new example`: the shipped configs, listed and copied to where their own comments name them."""

from __future__ import annotations

from pathlib import Path

import pytest

from moft.files.example_configs import example_files, example_names, examples_folder

ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_every_config_that_is_for_users_is_listed_with_what_it_shows(moft):
    lines = moft("new", "example").out.splitlines()
    shipped = [path.relative_to(ROOT / "configs").with_suffix("").as_posix() for path in (ROOT / "configs").rglob("*.yaml")]
    assert sorted(line.split()[0] for line in lines[1:]) == sorted(name for name in shipped if not name.startswith("smoke/"))
    assert next(line for line in lines if line.startswith("ltr/mslr-sample")).split(maxsplit=1)[1].startswith("Weight-COS-DPO on")


@pytest.mark.parametrize("name", ["ltr/mslr-sample", "mslr-sample", "configs/ltr/mslr-sample.yaml"])
def test_an_example_is_copied_to_the_path_that_pages_name(name, moft, tmp_path):
    assert moft("new", "example", name).out.splitlines() == [
        "Wrote configs/ltr/mslr-sample.yaml.",
        "Run it:  moft data get mslr-sample && moft train configs/ltr/mslr-sample.yaml",
    ]
    copy = tmp_path / "configs" / "ltr" / "mslr-sample.yaml"
    assert copy.read_bytes() == (ROOT / "configs" / "ltr" / "mslr-sample.yaml").read_bytes()


def test_files_that_an_example_names_come_with_it(moft, tmp_path):
    assert example_files("llm/demo") == ["llm/demo.yaml", "llm/demo-prompts.txt"]
    assert moft("new", "example", "demo").code == 0
    assert (tmp_path / "configs" / "llm" / "demo-prompts.txt").is_file()


def test_a_folder_of_examples_is_copied_whole(moft, tmp_path):
    assert moft("new", "example", "paper/ltr", "--out", "there").code == 0
    assert len(list((tmp_path / "there" / "paper" / "ltr").iterdir())) == len(
        [n for n in example_names() if n.startswith("paper/ltr/")]
    )


def test_another_folder_is_named_in_the_command_too(moft):
    assert moft("new", "example", "synthetic", "--out", "there").out.endswith("moft train there/ltr/synthetic.yaml\n")


def test_a_file_that_differs_is_left_alone_and_one_that_does_not_is_fine(moft, tmp_path):
    path = tmp_path / "configs" / "ltr" / "mslr.yaml"
    assert moft("new", "example", "mslr").code == 0
    assert moft("new", "example", "mslr").out.startswith("configs/ltr/mslr.yaml: already exists, and is the example.")
    path.write_text("mine", encoding="utf-8")
    said = moft("new", "example", "mslr")
    assert (said.code, path.read_text(encoding="utf-8")) == (2, "mine")
    assert said.mistakes == [
        "moft: error: configs/ltr/mslr.yaml: already exists and differs from the example; choose another --out or remove it."
    ]


def test_an_example_that_is_not_there_is_told_with_the_nearest_one(moft):
    said = moft("new", "example", "mslr-sampel")
    assert said.code == 2
    assert said.mistakes[0].startswith(
        "moft: error: no example is called 'mslr-sampel'. Did you mean 'mslr-sample'? Examples: llm/demo"
    )


def test_a_checkout_has_its_examples_beside_the_package():
    assert examples_folder() == ROOT / "configs"


def test_every_path_of_the_commands_is_that_of_the_copy(moft):
    lines = moft("new", "example", "llm/demo", "--out", "with space").out.splitlines()
    assert not any("configs/" in line for line in lines)
    assert any("'with space/llm/demo-prompts.txt'" in line for line in lines)
    assert lines[-1].endswith("moft train 'with space/llm/demo.yaml'")

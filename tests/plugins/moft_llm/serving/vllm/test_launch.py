"""What cannot be started is told in one line."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

import moft
from moft import ConfigError
from moft.api import TextEngineSettings
from moft_llm.generation.opened_llm_run import LLMRun
from moft_llm.serving.vllm import launch
from moft_llm.serving.vllm.launch import prepare


def settings(**more):
    return TextEngineSettings(engine="vllm", **more)


def test_an_interpreter_without_vllm_is_told(fake, monkeypatch):
    monkeypatch.setattr(launch, "find_spec", lambda name: None)
    advice = "install vLLM in an environment of its own"
    with pytest.raises(ConfigError, match=f"--engine vllm: the interpreter of moft has no vLLM; {advice}"):
        prepare(SimpleNamespace(), settings())
    with pytest.raises(ConfigError, match=f"--vllm-python /nowhere: is no program; {advice}"):
        prepare(SimpleNamespace(), settings(python="/nowhere"))
    (fake.place / "lacks").touch()
    try:
        with pytest.raises(ConfigError, match=f"python: is no interpreter with vLLM; {advice}"):
            prepare(SimpleNamespace(), settings(python=fake.python))
    finally:
        (fake.place / "lacks").unlink()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--port", "1"), "--vllm-options: --port is not for you to give"),
        (("--host=0.0.0.0",), "--vllm-options: --host=0.0.0.0 is not for you to give"),
        (("--steps", "many"), "--vllm-options: argument --steps: invalid int value: 'many'"),
        (("--steps", "-1"), "--vllm-options: --steps -1 must be at least 0"),
    ],
)
def test_options_that_are_wrong_are_told(fake, options, told):
    with pytest.raises(ConfigError, match=told):
        prepare(SimpleNamespace(), settings(python=fake.python, options=options))


@pytest.mark.slow
def test_a_run_is_exported_with_the_options_of_the_user(tuned, fake):
    run = tuned("{name: cos-dpo, conditioner: hyper-lora}")
    opened = LLMRun(run, "tests", opened=moft.open_run(run, device="cpu"))
    found = prepare(opened, settings(python=fake.python, rows=5, options=("--steps", "10", "--slots", "3")))
    try:
        assert (found.folder / "start.sh").exists()
        assert found.steps == 10
        words = list(found.options)
        assert words[-4:] == ["--slots", "3", "--steps", "10"]
        assert words[words.index("--max-num-seqs") + 1] == "5"
        assert Path(words[words.index("--base") + 1]).is_dir()
    finally:
        found.remove()
    assert not found.folder.parent.exists()


@pytest.mark.slow
def test_a_run_that_is_not_exported_so_is_told_and_leaves_nothing(tuned, fake, tmp_path, monkeypatch):
    monkeypatch.setattr(launch.tempfile, "mkdtemp", lambda **_: str(tmp_path))
    opened = LLMRun(tuned("dpo-soup"), "tests", opened=moft.open_run(tuned("dpo-soup"), device="cpu"))
    with pytest.raises(ConfigError, match="which is not this run: dpo-soup has no conditioner"):
        prepare(opened, settings(python=fake.python))
    assert not tmp_path.exists()

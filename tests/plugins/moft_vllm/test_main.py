"""The command that starts vLLM: its options follow from the policy."""

from __future__ import annotations

import pytest

from moft_vllm.__main__ import command, main
from tests.plugins.moft_vllm.conftest import record_of


def words_of(tmp_path, given=None, slots=16, **changes):
    words, variables = command(record_of(**changes), tmp_path, given, slots, 4 * slots)
    return " ".join(words).replace(str(tmp_path), "HERE"), variables


def test_a_prefix_takes_embeddings_and_one_adapter(tmp_path):
    words, variables = words_of(tmp_path)
    assert words.startswith("-m vllm.entrypoints.openai.api_server --model owner/base --served-model-name owner/base")
    assert "--enable-prompt-embeds --enable-lora --max-lora-rank 8 --max-loras 2 --lora-target-modules q_proj" in words
    assert words.endswith("--lora-modules moft=HERE/adapter")
    assert "VLLM_ALLOW_RUNTIME_LORA_UPDATING" not in variables
    assert variables["MOFT_VLLM_FOLDER"] == str(tmp_path)


def test_gates_take_a_slot_for_each_weighting_and_one_more(tmp_path):
    words, variables = words_of(tmp_path, slots=3, has_gates=True, prefix=0, lora={"rank": 64, "targets": ["q_proj", "v_proj"]})
    assert "--max-lora-rank 64 --max-loras 4 --lora-target-modules q_proj v_proj --max-cpu-loras 13" in words
    assert "--enable-prompt-embeds" not in words
    assert "--lora-modules" not in words
    assert variables["VLLM_ALLOW_RUNTIME_LORA_UPDATING"] == "1"
    assert variables["MOFT_VLLM_KEPT"] == "12"


def test_the_base_model_is_that_of_the_user_of_the_folder_or_of_the_export(tmp_path):
    assert "--model HERE --served" in words_of(tmp_path, given=str(tmp_path))[0]
    (tmp_path / "base").mkdir()
    assert "--model HERE/base --served" in words_of(tmp_path, is_base_inside=True, base="base")[0]
    assert "--enable-lora" not in words_of(tmp_path, lora=None)[0]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["{}/none"], "none/moft_vllm.json: no such file; give a folder that `moft export RUN FOLDER --for vllm` wrote."),
        (
            ["{}", "--base", "/none", "--print"],
            "/none: no such folder with the base model owner/base; give its place with --base.",
        ),
        (["{}"], "has no vLLM: install it by `pip install vllm`, or name its Python in PYTHON."),
        (["{}", "--slots", "0"], "--slots must be at least 1"),
        (["{}", "--api-server-count", "2"], "--api-server-count is not available"),
    ],
)
def test_a_mistake_is_told_in_one_line(words, told, exported, tmp_path, capsys):
    folder = exported()
    try:
        code = main([word.replace("{}", str(folder)) for word in words])
    except SystemExit as ended:
        code = ended.code
    assert code == 2
    assert told in capsys.readouterr().err.splitlines()[-1]


def test_the_command_can_be_looked_at(exported, capsys):
    assert main([str(exported()), "--steps", "100", "--print", "--port", "9"]) == 0
    printed = capsys.readouterr().out
    assert "MOFT_VLLM_STEPS=100" in printed
    assert printed.endswith("--port 9\n")

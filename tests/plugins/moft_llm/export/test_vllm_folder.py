"""`moft export --for vllm`: a folder that computes what moft does, and that names no place of this machine."""

from __future__ import annotations

import ast
import importlib.metadata
import json
import subprocess
import sys
from pathlib import Path
from tempfile import gettempdir

import pytest
import torch
from huggingface_hub import metadata_load
from torch.testing import assert_close

import moft
from moft import ConfigError
from moft.cli.app import main
from moft_vllm.policy import RECORD, Policy
from moft_vllm.served import open_served

pytestmark = pytest.mark.slow  # a run is trained

CASES = {
    "hpt": ({}, 8, False),
    "gates": ({"method": "{name: cos-dpo, conditioner: hyper-lora}"}, 0, True),
    "both": ({"method": "{name: cos-dpo, conditioner: [hpt, hyper-lora]}", "model": "gpt2"}, 8, True),
    "hpt without lora": ({"lora": "null"}, 8, False),
}


@pytest.fixture(scope="module")
def exported(tuned, tmp_path_factory):
    made = {}

    def folder(case="both"):
        if case not in made:
            made[case] = tmp_path_factory.mktemp("vllm") / "out"
            assert (
                main(["export", str(tuned(**CASES[case][0])), str(made[case]), "--for", "vllm", "--base-id", "owner/small"]) == 0
            )
        return made[case]

    return folder


@pytest.mark.parametrize("case", CASES)
def test_the_folder_computes_what_moft_does(case, tuned, exported):
    policy, (settings, tokens, has_gates) = Policy.read(exported(case)), CASES[case]
    assert (policy.prefix_length, policy.has_gates) == (tokens, has_gates)
    assert (policy.record["lora"] is None) == (case == "hpt without lora")
    opened = moft.open_run(tuned(**settings), device="cpu")
    for weights in ([0.2, 0.8], [1.0, 0.0], [0.41, 0.59]):
        with torch.no_grad():
            (assignment,) = opened.policy.assignments(opened.tradeoff(",".join(map(str, weights))))
        prefix, gates = assignment.injection.prefix, assignment.injection.gates
        assert (policy.prefix(weights) is None) == (prefix is None)
        if prefix is not None:
            assert_close(policy.prefix(weights), prefix[0], atol=1e-6, rtol=1e-6)
            table = assignment.model.network.get_input_embeddings().weight
            assert_close(policy.embedded(weights, [5, 6])[tokens:], table[[5, 6]])
        assert set(policy.gates(weights)) == set(gates)
        for layer, gate in policy.gates(weights).items():
            assert_close(gate, gates[layer][0], atol=1e-6, rtol=1e-6)


def test_the_adapter_of_a_weighting_is_that_of_an_export_as_peft(tuned, exported, tmp_path):
    from safetensors.torch import load_file

    run = tuned(**CASES["gates"][0])
    Policy.read(exported("gates")).write_adapter([0.25, 0.75], tmp_path / "one")
    assert main(["export", str(run), str(tmp_path / "peft"), "--weights", "0.25,0.75", "--base-id", "owner/small"]) == 0
    found, expected = (load_file(tmp_path / name / "adapter_model.safetensors") for name in ("one", "peft"))
    assert set(found) == set(expected)
    for name, value in expected.items():
        assert_close(found[name], value, atol=1e-6, rtol=1e-6)
    configs = [json.loads((tmp_path / name / "adapter_config.json").read_text()) for name in ("one", "peft")]
    assert configs[0] == configs[1]


def test_no_file_names_a_place_and_the_card_has_what_is_known(exported):
    out = exported()
    for file in out.rglob("*"):
        assert not file.is_file() or gettempdir().encode() not in file.read_bytes(), file
    head = metadata_load(out / "README.md")
    assert head["base_model"] == "owner/small"
    assert head["datasets"] == ["lists.jsonl"]
    assert json.loads((out / RECORD).read_text())["base"] == "owner/small"
    assert json.loads((out / "adapter" / "adapter_config.json").read_text())["base_model_name_or_path"] == "owner/small"


def test_the_page_says_what_does_not_work_elsewhere(exported):
    text = (exported() / "README.md").read_text(encoding="utf-8")
    for told in (
        "**The dial is 1.**",
        "No other server and no converter knows them",
        "multiples of 1/64",
        "`moft:brief=0.5,calm=0.5`"[1:-1],
    ):
        assert told in text
    assert "**Weights are exact**" in (exported("hpt") / "README.md").read_text(encoding="utf-8")


def test_the_package_in_the_folder_needs_no_moft_and_is_found_by_vllm(exported):
    out = exported("hpt")
    allowed = {*sys.stdlib_module_names, "torch", "safetensors", "vllm", "transformers", "moft_vllm"}
    for file in (out / "moft_vllm").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
            assert {name.partition(".")[0] for name in names} <= allowed, file
    (found,) = importlib.metadata.distributions(path=[str(out)])
    (entry,) = found.entry_points
    assert (entry.group, entry.value) == ("vllm.general_plugins", "moft_vllm.vllm_plugin:register")
    assert not list(out.rglob("__pycache__"))


def test_the_script_starts_vllm_from_anywhere(exported, tmp_path):
    out, python = exported("gates"), tmp_path / "python"
    python.write_text('#!/bin/sh\necho "$PYTHONPATH" "$@"\n')
    python.chmod(0o755)
    environment = {"PYTHON": str(python), "PATH": "/usr/bin:/bin"}
    done = subprocess.run([out / "start.sh", "--port", "9"], cwd="/", env=environment, capture_output=True, text=True)
    assert done.stdout == f"{out} -m moft_vllm {out} --port 9\n"


def test_a_base_that_only_moft_loads_is_written_into_the_folder(tuned, with_adapter, tmp_path):
    from transformers import AutoModelForCausalLM

    run = tuned(model=with_adapter)
    assert main(["export", str(run), str(tmp_path / "out"), "--for", "vllm"]) == 0
    record = json.loads((tmp_path / "out" / RECORD).read_text())
    assert (record["base"], record["is_base_inside"]) == ("base", True)
    network = AutoModelForCausalLM.from_pretrained(tmp_path / "out" / "base")
    opened = moft.open_run(run, device="cpu")
    tokens = torch.arange(5, 15).unsqueeze(0)
    with torch.no_grad(), opened.policy.model.without_adapters():
        assert_close(network(tokens).logits, opened.policy.model.network(tokens).logits)


def test_the_path_of_the_user_is_for_the_start_alone(tuned, tmp_path):
    run = tuned()
    assert main(["export", str(run), str(tmp_path / "out"), "--for", "vllm"]) == 0
    base = moft.open_run(run).task.source["model"]
    assert json.loads((tmp_path / "out" / RECORD).read_text())["base"] == base
    named = [file for file in (tmp_path / "out").rglob("*") if file.is_file() and str(base).encode() in file.read_bytes()]
    assert [file.name for file in named] == [RECORD]
    assert metadata_load(tmp_path / "out" / "README.md")["base_model"] == Path(base).name


def test_a_base_model_with_the_name_of_the_policy_is_refused(tuned, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("moft_llm.export.vllm_folder.NAME", Path(moft.open_run(tuned()).task.source["model"]).name)
    capsys.readouterr()
    assert main(["export", str(tuned()), str(tmp_path / "out"), "--for", "vllm"]) == 2
    assert "as the policy is; state its name by --base-id.\n" in capsys.readouterr().err


def test_requests_are_served_from_the_folder(exported):
    served = open_served(exported("both"))
    body = {"model": "moft:0.2,0.8", "messages": [{"role": "user", "content": "Day 3: "}]}
    new = served.requests.rewritten("/v1/chat/completions", json.dumps(body).encode())
    assert new.adapter == "moft:brief=0.203125,calm=0.796875"


@pytest.mark.parametrize(
    ("method", "told"),
    [
        ("{name: dpo-soup}", "--for vllm: dpo-soup has no conditioner; export weightings by --as peft"),
        (
            "{name: dpo-ls, points: 3}",
            "--for vllm: needs a cos-dpo run with hpt, hyper-lora or both; export weightings of this by",
        ),
        ("{name: cos-dpo, conditioner: hpt, betas: dirichlet}", "--for vllm: this policy also reads betas (method.betas)"),
    ],
)
def test_other_policies_are_refused_in_one_line(method, told, tuned, tmp_path, capsys):
    run = tuned(method, prompt_tokens=2) if "betas" in method else tuned(method)
    capsys.readouterr()
    assert main(["export", str(run), str(tmp_path / "out"), "--for", "vllm"]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"moft: error: {told}")
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("formula", ["unknown", "missing"])
def test_a_conditioner_that_cannot_be_computed_elsewhere_is_refused(formula, tuned, tmp_path, capsys, monkeypatch):
    def missing(conditioner):
        raise ConfigError("the conditioner Mine has no formula that an export could write down.")

    told = "--for vllm: the conditioner Mine has no formula"
    if formula == "unknown":
        told = "--for vllm: the policy's formula is of the kind 'mine', which this version of moft_vllm does not know."
    changed = missing if formula == "missing" else lambda conditioner: {"kind": "mine"}
    monkeypatch.setattr("moft_llm.export.vllm_folder.formula_of", changed)
    run = tuned()
    capsys.readouterr()
    assert main(["export", str(run), str(tmp_path / "out"), "--for", "vllm"]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"moft: error: {told}")
    assert error.endswith(" Export weightings of it by --as peft.\n")
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []

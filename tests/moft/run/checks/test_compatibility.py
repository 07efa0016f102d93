"""A method that does not go with the model is refused before anything is trained, by `--plan` too."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from moft.run.checks import compatibility
from moft_ltr.data.example_data.synthetic import Synthetic, make_synthetic

CONFIG = """\
task:
  name: ltr
  data: {lists}
  objectives:
    first: {{column: objective-1}}
    second: {{column: objective-2}}
  base: {{epochs: 1}}
  width: 8
  layers: 1
method: cos-dpo
trainer: {{epochs: 1, device: cpu, threads: 1}}
profile: {{evaluator: ndcg, points: 3, bootstrap_samples: 10}}
"""
ENTRIES = 8 * 8 + 24 * 8 + 8 * 8 + 16 * 8 + 8 * 16
MISFITS = {
    "hpt": "'hpt' fills the slot 'prefix', which the ranker cannot read",
    "{name: hypernetwork, layers: ['*'], limit: 9}": f"'hypernetwork' would have {3 * 32 + 33 * (ENTRIES + 8)} parameters, more",
    "{name: film, sites: [nowhere]}": "'film': unknown site 'nowhere'",
    "[film, hpt]": ".parts.1] 'hpt' fills the slot 'prefix'",
}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    make_synthetic(tmp_path / "lists", Synthetic(lists=24, items=6, features=8))
    (tmp_path / "config.yaml").write_text(CONFIG.format(lists=tmp_path / "lists"), encoding="utf-8")
    return tmp_path / "config.yaml"


@pytest.mark.parametrize("conditioner", MISFITS)
@pytest.mark.parametrize("plan", [(), ("--plan",)], ids=["run", "plan"])
def test_a_conditioner_that_does_not_fit_is_refused_with_nothing_trained_or_left(
    conditioner, plan, config, moft, tmp_path, monkeypatch
):
    monkeypatch.setattr("moft_ltr.task.LTR.prepare", None)  # would be called, and fail, if anything went on
    said = moft("train", config, *plan, "--out", tmp_path / "run", "--set", f"method.conditioner={conditioner}")
    assert (said.code, said.out, len(said.mistakes)) == (2, "", 1)
    assert "moft: error: [method.conditioner" in said.mistakes[0]
    assert MISFITS[conditioner] in said.mistakes[0]
    assert not (tmp_path / "run").exists()


UNFIT = {
    "method={name: dpo-ls, points: 1}": "a grid over 2 objectives needs at least 2 points",
    "method={name: mo-dpo, points: 1}": "a grid over 2 objectives needs at least 2 points",
    "method={name: mo-dpo, grid: {name: dirichlet, alpha: [1, 1, 1]}}": "alpha has 3 entries; give one number or 2 of them",
    "method={name: dpo-ls, scalarizer: {name: pbi, ideal: [1]}}": "[method.scalarizer.ideal] has length 1 for 2",
    "method={name: cos-dpo, scalarizer: {name: pbi, ideal: [1]}}": "[method.scalarizer.ideal] has length 1 for 2",
    "method.sampler={name: dirichlet, alpha: [1]}": "alpha has 1 entries; give one number or 2 of them",
    "profile.points=1": "a grid over 2 objectives needs at least 2 points",
    "profile.grid={name: log-uniform, low: 1, high: 2}": "[profile.grid] gives invalid weights: weights must sum to 1",
    "profile.dials=[0.5, 2, 0.5]": "[profile.dials] has 0.5 twice; give each dial once.",
    "profile={evaluator: ndcg, points: 5000, dials: [1, 2, 3]}": "5,000 points at each of 3 dials are 15,000, and a front has at "
    "most 10,000; measure fewer points, or at fewer dials.",
    "profile.reference=[0.0]": "[profile.reference] has 1 values, [0.0], for 2 objectives",
}


@pytest.mark.parametrize("setting", UNFIT)
@pytest.mark.parametrize("plan", [(), ("--plan",)], ids=["run", "plan"])
def test_what_does_not_go_with_the_objectives_is_refused_with_nothing_trained_or_left(
    setting, plan, config, moft, tmp_path, monkeypatch
):
    monkeypatch.setattr("moft_ltr.task.LTR.prepare", None)
    said = moft("train", config, *plan, "--out", tmp_path / "run", "--set", setting)
    assert (said.code, said.out, len(said.mistakes)) == (2, "", 1)
    assert UNFIT[setting] in said.mistakes[0]
    assert not (tmp_path / "run").exists()


FAULTY = """
import torch
from moft import Component, hookimpl
from moft.api import Conditioner, Injection

class Sampler:
    def __init__(self, size): ...
    def draw(self, count): ...
    def grid(self, points): raise KeyError("grid")

class Says:
    name = meaning = "none"
    def __call__(self, points, weights): raise KeyError("says")

class Injects(Conditioner):
    slots = frozenset({"modulation"})
    def __init__(self, spec): super().__init__()
    def forward(self, vector): ...

class Deaf(Conditioner):
    slots = frozenset({"modulation"})
    def __init__(self, spec):
        super().__init__()
        self.site, self.shift = spec.sites[0], torch.nn.Linear(spec.tradeoff_size, spec.hidden_size)
    def forward(self, vector): return Injection({self.site: (None, self.shift(vector).detach())})

@hookimpl
def moft_samplers(): yield Component("faulty", Sampler, "faulty")

@hookimpl
def moft_indicators(): yield Component("faulty", Says, "faulty")

@hookimpl
def moft_conditioners(): yield from (Component("faulty", Injects, "faulty"), Component("deaf", Deaf, "deaf"))
"""
FAULTS = {
    "method.sampler=faulty": "plugin '{file}' failed (sampler Sampler failed on draw(64) (TypeError: Sampler.draw() takes 2 ",
    "profile.grid=faulty": "plugin '{file}' failed (sampler Sampler failed on grid(3) (KeyError: 'grid')). MOFT_TRACE=1",
    "profile.indicators=[faulty]": "plugin '{file}' failed (indicator Says failed on 3 points (KeyError: 'says')). MOFT_TRACE=1",
    "method.conditioner=faulty": "plugin '{file}' failed (conditioner Injects returned nothing (None); it has to return an ",
    "method.conditioner=deaf": "plugin '{file}' failed (conditioner Deaf returned an Injection without a gradient; it must be",
}


@pytest.mark.parametrize("setting", FAULTS)
def test_a_component_that_fails_or_returns_what_it_should_not_is_told_by_the_plan(setting, config, moft, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(FAULTY)
    said = moft("train", config, "--plan", "--trust", "--out", tmp_path / "run", "--set", f"plugins=[{file}]", "--set", setting)
    assert (said.code, said.out, len(said.mistakes)) == (2, "", 1)
    assert said.mistakes[0].startswith(f"moft: error: {FAULTS[setting].format(file=file)}")


def test_a_plan_of_what_fits_says_nothing_of_it(config, moft, tmp_path):
    said = moft("train", config, "--plan", "--out", tmp_path / "run", "--set", "method.conditioner=[concat, hypernetwork]")
    assert (said.code, said.mistakes) == (0, [])
    assert "Not checked" not in said.out


@pytest.mark.parametrize("plan", [(), ("--plan",)], ids=["run", "plan"])
def test_data_that_are_missing_are_a_mistake(plan, config, moft, tmp_path):
    said = moft("train", config, *plan, "--out", tmp_path / "run", "--set", "task.data=nowhere")
    assert (said.code, said.out, len(said.mistakes)) == (2, "", 1)
    assert said.mistakes[0].startswith("moft: error: 'nowhere': no such file or folder")
    assert not (tmp_path / "run").exists()


def test_prefixes_longer_than_the_context_are_refused_with_the_figure(moft, tiny_models, made_up_lists, tmp_path):
    made_up_lists(tmp_path / "lists.jsonl")
    task = {"name": "llm", "model": str(tiny_models()), "data": {"name": "lists", "path": str(tmp_path / "lists.jsonl")}}
    task |= {"objectives": {"brief": {}, "calm": {}}, "lora": {"rank": 2}, "max_length": 96}  # of 512
    settings = {"task": task, "method": "cos-dpo", "profile": {"evaluator": "preference"}}
    (tmp_path / "config.yaml").write_text(json.dumps(settings), encoding="utf-8")
    prefix = "{name: hpt, tokens: 220}"
    words = ("train", tmp_path / "config.yaml", "--plan", "--out", tmp_path / "run", "--set")
    assert moft(*words, f"method.conditioner=[{prefix}, hyper-lora]").code == 0
    said = moft(*words, f"method.conditioner=[{prefix}, {prefix}]")
    assert (said.code, said.out) == (2, "")
    told = "[method.conditioner] 'mix' puts 440 tokens before the text, but LlamaForCausalLM has space for 416; set fewer tokens"
    assert told in said.mistakes[0]


class Told:
    """A method that foresees something."""

    def __init__(self):
        self.seen = []

    def policy(self, problem):
        raise AssertionError("foreseeing builds no policy")

    def train(self, policy, problem, trainer):
        raise AssertionError("foreseeing trains nothing")

    def check(self, objectives, spec_of):
        self.seen.append((objectives, spec_of(2)))


class Task:
    objectives = ("one",)

    def model_spec(self, tradeoff_size):
        return tradeoff_size


def test_a_task_or_a_method_that_foresees_nothing_is_not_asked():
    method = Told()
    compatibility.check_fit(method, Task())
    assert method.seen == [(("one",), 2)]
    compatibility.check_fit(method, object())
    compatibility.check_fit(object(), Task())
    assert len(method.seen) == 1

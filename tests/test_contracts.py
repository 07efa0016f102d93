"""Every registered component against the contract of its kind; a new component is covered without touching this file."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
import torch

from moft.config.build_component import resolve
from moft.config.json_schema import settings_of
from moft.engine.fronts.measure_front import problem_without_validation
from moft.engine.policies.conditioned_policy import ConditionedPolicy, TemperaturePolicy
from moft.engine.seed import seed_initialisation
from moft.engine.training.trainer import AccelerateTrainer
from moft.engine.training.trainer_settings import TrainerSettings
from moft.errors import ConfigError
from moft.hooks.plugin_manager import Plugins
from moft.hooks.registry import KINDS, SINGULAR, Offer
from moft.interfaces import (
    Conditioner,
    Context,
    Evaluator,
    Indicator,
    Loss,
    Method,
    ProvidesFeatures,
    Reader,
    ReadsFeatures,
    Sampler,
    Scalarizer,
    Scorer,
    Task,
    Tracker,
)
from moft.setting_types import Factory
from moft.testing import (
    check_conditioner,
    check_evaluator,
    check_indicator,
    check_loss,
    check_method,
    check_model,
    check_policy,
    check_reader,
    check_sampler,
    check_scalarizer,
    check_scorer,
    check_task,
    check_tracker,
)
from moft.testing.contracts.assertions import perturbed
from moft.types import Tradeoff
from moft_ltr.data.example_data.synthetic import Synthetic, make_synthetic

FEATURES, M = 8, 2


@dataclass(frozen=True)
class Case:
    """How a component is checked that cannot be checked as it is: the settings it needs, and what these fix."""

    settings: dict[str, Any]
    sizes: tuple[int, ...] = (1, 2, 3, 5)
    simplex: bool = True


# DATA stands for the folder of synthetic lists, MODEL and TEXTS for a small language model and its lists, CLASSIFIER and ONNX
# for small text classifiers, ROWS for a file of all readers. The base scores are a feature, so that nothing is trained.
CASES: dict[tuple[str, str], Case] = {
    ("samplers", "das-dennis"): Case({"partitions": 2}),
    ("samplers", "fixed"): Case({"value": [0.25, 0.75]}, sizes=(2,)),
    ("samplers", "log-uniform"): Case({"low": 0.1, "high": 10.0}, simplex=False),
    ("losses", "exposure"): Case({"attribute": "provider"}),
    ("losses", "diversity"): Case({"attribute": "category"}),
    ("scalarizers", "cosine"): Case({"strength": 0.5}),
    ("scorers", "classifier"): Case({"model": "CLASSIFIER", "label": "good"}),
    ("scorers", "onnx"): Case({"model": "ONNX", "label": 1}),
    ("scorers", "regex"): Case({"pattern": "no"}),
    ("readers", "lists"): Case({"path": "ROWS"}),
    ("readers", "pairs"): Case({"path": "ROWS"}),
    ("readers", "rated"): Case({"path": "ROWS"}),
    ("readers", "columns"): Case({"path": "ROWS", "response": "response", "labels": {"x": "x"}}),
    ("readers", "joined"): Case({"readers": [{"name": "lists", "path": "ROWS"}, {"name": "pairs", "path": "ROWS"}]}),
    ("readers", "hh"): Case({"paths": {"x": "ROWS"}}),
    ("readers", "pku-saferlhf"): Case({"path": "ROWS"}),
    ("conditioners", "mix"): Case({"parts": ["concat", "hyper-lora"]}),
    ("evaluators", "generation"): Case(
        {"scorers": {"brief": "brevity", "calm": "length"}, "prompts": 2, "decoding": {"max_new_tokens": 3}}
    ),
    ("tasks", "llm"): Case(
        {
            "model": "MODEL",
            "data": {"name": "lists", "path": "TEXTS"},
            "objectives": {"brief": {}, "calm": {}},
            "lora": {"rank": 2},
            "tokens_per_batch": 1024,
        }
    ),
    ("tasks", "ltr"): Case(
        {
            "data": "DATA",
            "objectives": {f"objective-{j + 1}": {"column": FEATURES + j + 1} for j in range(M)},
            "base": {"name": "scores", "column": 1},
            "width": 8,
            "items_per_batch": 64,
        }
    ),
}

ON_TASK: dict[tuple[str, str], dict[str, Any]] = {("cos-dpo", "llm"): {"conditioner": "hpt"}}
"""Settings of a method on a task whose model reads other slots than the default conditioner fills."""

UNREAD = {("hpt", "ltr"), ("concat", "llm"), ("encoded", "llm"), ("film", "llm"), ("hypernetwork", "llm"), ("mix", "llm")}
"""Conditioners whose slots a task's model does not read."""

MEASURES = {"ndcg": {"ltr"}, "generation": {"llm"}}
"""The tasks of evaluators that measure some only."""

LIBRARIES = {
    "tensorboard": ("tensorboard", "torch.utils.tensorboard"),
    "trackio": ("trackio",),
    "wandb": ("wandb",),
    "mlflow": ("mlflow", "mlflow.entities"),
}
"""What trackers import, and what nobody has to install for these tests."""

ROW = {
    **{"prompt": "q", "responses": ["a", "b"], "labels": {"x": [1, 0]}, "response": "a", "x": 1},
    **{"chosen": "\n\nHuman: q\n\nAssistant: a", "rejected": "\n\nHuman: q\n\nAssistant: b"},
    **{"response_0": "a", "response_1": "b", "better_response_id": 0, "safer_response_id": 1},
}
"""A row in the layouts of all readers."""

LOADED = Plugins()
LOADED.load()


def every(kind: str) -> pytest.MarkDecorator:
    """One test for each registered component of a kind."""
    return pytest.mark.parametrize("offer", [pytest.param(offer, id=offer.component.name) for offer in LOADED.offers(kind)])


def built(annotation: Any, kind: str, offer: Offer, more: dict[str, Any] | None = None, **known: str) -> Any:
    """The component as a config would build it.

    Args:
        annotation: its interface, or a factory of it.
        kind: of component.
        offer: which.
        more: settings beside those of its case.
        known: what stands in for words in the settings of its case.
    """
    name = offer.component.name
    needed = [setting.name for setting in settings_of(offer.component.load()) if setting.is_required]
    if needed and (kind, name) not in CASES:
        raise AssertionError(
            f"{SINGULAR[kind]} {name!r} needs settings ({', '.join(needed)}): give it a case in {Path(__file__).name}"
        )
    settings = CASES[kind, name].settings if (kind, name) in CASES else {}

    def told(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: told(item) for key, item in value.items()}
        if isinstance(value, list):
            return [told(item) for item in value]
        return known.get(value, value) if isinstance(value, str) else value

    return resolve(annotation, {"name": name, **told(settings), **(more or {})}, LOADED).make()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small set of lists."""
    folder = tmp_path_factory.mktemp("synthetic") / "data"
    make_synthetic(folder, Synthetic(lists=24, items=6, features=FEATURES, objectives=M))
    return folder


@pytest.fixture(scope="module")
def tasks(
    data: Path,
    tiny_models: Callable[..., Path],
    made_up_lists: Callable[..., None],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Task]:
    """Every registered task, prepared, by name."""
    texts = tmp_path_factory.mktemp("texts") / "lists.jsonl"
    made_up_lists(texts)
    known = {"DATA": str(data), "MODEL": str(tiny_models()), "TEXTS": str(texts)}
    trainer = AccelerateTrainer(TrainerSettings(epochs=1, device="cpu"), seed=0)
    context = Context(trainer.device, 0, tmp_path_factory.mktemp("tasks"))
    prepared = {}
    for offer in LOADED.offers("tasks"):
        make: Callable[[Context], Task] = built(Factory[Task], "tasks", offer, **known)
        prepared[offer.component.name] = make(context)
        prepared[offer.component.name].prepare(trainer)
    return prepared


def test_every_kind_of_component_is_checked() -> None:
    checked = {name.removeprefix("test_every_").partition("_")[0] for name in globals() if name.startswith("test_every_")}
    assert {SINGULAR[kind] for kind in KINDS} <= checked


def test_no_case_is_left_of_a_component_that_is_gone() -> None:
    offered = {(kind, offer.component.name) for kind in KINDS for offer in LOADED.offers(kind)}
    assert CASES.keys() <= offered


@every("losses")
def test_every_loss_keeps_its_contract(offer: Offer) -> None:
    check_loss(built(Loss, "losses", offer))


@every("scalarizers")
def test_every_scalarizer_keeps_its_contract(offer: Offer) -> None:
    check_scalarizer(built(Scalarizer, "scalarizers", offer))


@every("samplers")
def test_every_sampler_keeps_its_contract(offer: Offer) -> None:
    case = CASES.get(("samplers", offer.component.name), Case({}))
    check_sampler(built(Factory[Sampler], "samplers", offer), sizes=case.sizes, simplex=case.simplex)


@every("conditioners")
def test_every_conditioner_keeps_its_contract(offer: Offer) -> None:
    check_conditioner(built(Factory[Conditioner], "conditioners", offer))


@every("indicators")
def test_every_indicator_keeps_its_contract(offer: Offer) -> None:
    check_indicator(built(Indicator, "indicators", offer))


@every("scorers")
def test_every_scorer_keeps_its_contract(
    offer: Offer, classifier_folder: Path, onnx_file: Callable[..., Path], tmp_path: Path
) -> None:
    table = torch.randn(9, 2, generator=torch.Generator().manual_seed(0))
    known = {"CLASSIFIER": str(classifier_folder), "ONNX": str(onnx_file(tmp_path, table))}
    check_scorer(built(Scorer, "scorers", offer, **known))


@every("readers")
def test_every_reader_keeps_its_contract(offer: Offer, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text(json.dumps(ROW) + "\n")
    check_reader(built(Reader, "readers", offer, ROWS=str(tmp_path / "rows.jsonl")))


@every("trackers")
def test_every_tracker_keeps_its_contract(offer: Offer, monkeypatch: pytest.MonkeyPatch) -> None:
    libraries = {module: MagicMock() for module in LIBRARIES.get(offer.component.name, ())}
    for module, library in libraries.items():
        monkeypatch.setitem(sys.modules, module, library)
    check_tracker(built(Factory[Tracker], "trackers", offer))
    assert not libraries or any(library.mock_calls for library in libraries.values())


@every("tasks")
def test_every_task_keeps_its_contract(offer: Offer, tasks: dict[str, Task]) -> None:
    check_task(tasks[offer.component.name])


@every("tasks")
def test_every_task_has_a_model_that_keeps_its_contract(offer: Offer, tasks: dict[str, Task]) -> None:
    task = tasks[offer.component.name]
    seed_initialisation(0, "model")
    check_model(task.model(M), next(iter(task.batches("train"))).select(torch.arange(3)).inputs)


@every("methods")
@pytest.mark.parametrize("task", [offer.component.name for offer in LOADED.offers("tasks")])
def test_every_method_yields_a_policy_that_keeps_its_contract(offer: Offer, task: str, tasks: dict[str, Task]) -> None:
    problem = problem_without_validation(tasks[task])
    seed_initialisation(0, "policy")
    method = built(Method, "methods", offer, ON_TASK.get((offer.component.name, task)))
    if isinstance(method, ReadsFeatures) and not isinstance(tasks[task], ProvidesFeatures):
        with pytest.raises(ConfigError, match="features in columns"):
            method.policy(problem)
        return
    policy = method.policy(problem)
    check_policy(perturbed(policy), next(iter(tasks[task].batches("test"))), problem.betas)


@pytest.mark.slow
@every("methods")
def test_every_method_trains_as_its_contract_says(offer: Offer, tasks: dict[str, Task]) -> None:
    method = built(Method, "methods", offer)
    check_method(method, tasks["ltr"] if isinstance(method, ReadsFeatures) else None)


@every("conditioners")
@pytest.mark.parametrize("task", [offer.component.name for offer in LOADED.offers("tasks")])
def test_every_conditioner_goes_with_a_task_or_is_refused_by_the_names_of_both(
    offer: Offer, task: str, tasks: dict[str, Task]
) -> None:
    problem = problem_without_validation(tasks[task])
    wanted = built(Factory[Conditioner], "conditioners", offer)
    seed_initialisation(0, "policy")
    model = tasks[task].model(2 * M)
    if (offer.component.name, task) in UNREAD:
        with pytest.raises(ConfigError, match=rf"'[\w-]+' fills the slot .*{model.spec.name} can.* slots: "):
            wanted(model.spec)
        return
    batch = next(iter(tasks[task].batches("test")))
    check_policy(perturbed(TemperaturePolicy(model, wanted(model.spec))), batch, problem.betas, any_ratio=True)
    plain = tasks[task].model(M)
    check_policy(perturbed(ConditionedPolicy(plain, wanted(plain.spec), problem.betas)), batch, problem.betas)


@pytest.mark.parametrize(
    ("offer", "task"),
    [
        pytest.param(offer, task, id=f"{task}-{offer.component.name}")
        for offer in LOADED.offers("evaluators")
        for task in (each.component.name for each in LOADED.offers("tasks"))
        if task in MEASURES.get(offer.component.name, {task})
    ],
)
def test_every_evaluator_keeps_its_contract(offer: Offer, task: str, tasks: dict[str, Task]) -> None:
    problem = problem_without_validation(tasks[task])
    seed_initialisation(0, "policy")
    policy = perturbed(resolve(Method, {"name": "cos-dpo", **ON_TASK.get(("cos-dpo", task), {})}, LOADED).make().policy(problem))
    steered = policy.steer(Tradeoff(torch.eye(M), problem.betas))
    evaluator = built(Factory[Evaluator], "evaluators", offer)(tasks[task].objectives, tasks[task].main)
    check_evaluator(evaluator, steered, list(tasks[task].batches("test")))

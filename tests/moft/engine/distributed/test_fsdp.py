"""Models that are sharded, here over a single process: what is gathered, clipped, saved and refused."""

from __future__ import annotations

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.testing import assert_close

from moft.config.build_component import component
from moft.engine.distributed.fsdp import clip_together, is_sharded, optimizer_groups, part_of, shard, whole
from moft.engine.policies.state_dict import load_own, own_copy, own_state, whole_state
from moft.engine.training.trainer import AccelerateTrainer
from moft.engine.training.trainer_settings import TrainerSettings
from moft.errors import ConfigError
from moft.interfaces import Conditioner, Method, Model
from moft.run.checks.compatibility import check_trains_one_model
from moft.types import Injection, ModelSpec

CPU = torch.device("cpu")


class Blocks(Model):
    """Two layers that are sharded one by one, a frozen one that others share, and a scale without any axis."""

    def __init__(self, shared: nn.Linear):
        super().__init__()
        self.spec = ModelSpec(tradeoff_size=2, hidden_size=3, slots=frozenset())
        self.layers = nn.ModuleList(nn.Linear(3, 3) for _ in range(2))
        self.shared = own_copy(shared)
        self.frozen = nn.Parameter(shared.weight.data, requires_grad=False)
        self.scale = nn.Parameter(torch.tensor(2.0))

    def blocks(self):
        return list(self.layers)

    def forward(self, inputs, injection):
        x = inputs["x"]
        for layer in self.layers:
            x = layer(x).tanh()
        return self.head(x) * self.scale

    def head(self, x):
        return nn.functional.linear(x, self.frozen)


class Whole(nn.Module):
    """A model, and a parameter beside it."""

    def __init__(self, model):
        super().__init__()
        self.model = model
        self.beside = nn.Parameter(torch.ones(2))


@pytest.fixture
def alone():
    """A process group of this process."""
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


@pytest.fixture
def pair(alone):
    """The same module twice, the second one sharded; with the frozen layer that both hold."""
    torch.manual_seed(0)
    shared = nn.Linear(3, 3).requires_grad_(False)
    plain, split = Whole(Blocks(shared)), Whole(Blocks(shared))
    split.load_state_dict(plain.state_dict())
    shard(split, CPU)
    return plain, split, shared


def test_a_sharded_model_computes_and_learns_as_a_whole_one(pair):
    plain, split, _ = pair
    inputs = {"x": torch.randn(4, 3)}
    outputs = [module.model(inputs, Injection()) * module.beside[0] for module in (plain, split)]
    assert_close(outputs[1], outputs[0])
    for output in outputs:
        output.square().sum().backward()
    found = dict(split.named_parameters())
    for name, parameter in plain.named_parameters():
        gradient = found[name].grad
        assert (gradient is None) == (parameter.grad is None)
        if parameter.grad is not None:
            assert_close(whole(gradient), parameter.grad)


def test_what_others_share_stays_whole(pair):
    _, split, shared = pair
    assert is_sharded(split)
    assert not is_sharded(shared)
    assert split.model.shared.weight is not shared.weight
    assert_close(whole(split.model.shared.weight), shared.weight)


def test_a_number_without_an_axis_is_not_sharded(pair):
    groups = [group["params"] for group in optimizer_groups(pair[1].parameters())]
    beside = [parameter for group in groups for parameter in group if not is_part(parameter)]
    assert sorted(parameter.dim() for parameter in beside) == [0, 1]
    assert all(len({is_part(parameter) for parameter in group}) == 1 for group in groups)


def test_parts_of_the_model_are_called_by_themselves_when_it_is_opened(pair):
    plain, split, _ = pair
    x = torch.randn(4, 3)
    with torch.no_grad():
        assert_close(split.model.opened(split.model.head, x), plain.model.opened(plain.model.head, x))
        assert_close(split.model.opened(split.model.layers[1], x), plain.model.layers[1](x))
    assert all(map(is_part, split.model.layers.parameters())), "parts again afterwards"


@pytest.mark.parametrize(("limit", "is_trained"), [(0.1, True), (torch.inf, True), (0.1, False)])
def test_gradients_are_clipped_by_the_norm_of_all_of_them(pair, limit, is_trained):
    plain, split, _ = pair
    for module in (plain, split):
        module.model.layers.requires_grad_(is_trained)
        module.model({"x": torch.ones(4, 3)}, Injection()).mul(module.beside[1]).sum().backward()
    expected = nn.utils.clip_grad_norm_(plain.parameters(), limit)
    assert_close(clip_together(split.parameters(), limit), expected)
    if is_trained:
        assert_close(whole(split.model.layers[0].weight.grad), plain.model.layers[0].weight.grad)
    assert_close(split.beside.grad, plain.beside.grad)
    assert_close(split.model.scale.grad, plain.model.scale.grad)


def test_what_is_saved_is_whole_and_comes_back(pair):
    plain, split, _ = pair
    saved = whole_state(split)
    assert set(saved) == set(own_state(plain))
    assert not any(map(is_part, saved.values()))
    load_own(split, {name: value + 1 for name, value in saved.items()})
    assert_close(whole_state(split), {name: value + 1 for name, value in saved.items()})
    with pytest.raises(RuntimeError, match="Unexpected key"):
        load_own(split, {"strange": torch.zeros(1)})


def test_a_value_is_parted_as_its_pattern_is(pair):
    weight, value = pair[1].model.layers[0].weight, torch.randn(3, 3)
    assert is_part(part_of(value, weight))
    assert_close(whole(part_of(value, weight)), value)
    assert part_of(torch.tensor(3.0), weight).dim() == 0
    assert part_of(value, None) is value


def test_a_sharded_model_is_neither_copied_nor_trained_beside_others(pair):
    with pytest.raises(ConfigError, match="'full' is for methods that train one model; a sharded model cannot be copied"):
        own_copy(pair[1])
    trainer = AccelerateTrainer(TrainerSettings(device="cpu"), seed=0)
    with pytest.raises(ConfigError, match=r"'full' trains one model at a time, and 'grid' trains 1\.$"):
        trainer.minimise_each("grid", nn.ModuleList([pair[1]]), lambda generator: None, lambda batch, models: None)


def test_what_cannot_be_sharded_is_refused(alone):
    class Single(Conditioner):
        per_row = False
        slots = frozenset()

        def forward(self, vector):
            return Injection()

    with pytest.raises(ConfigError, match=r"'full' finds no model in Linear\. Set sharding: none\.$"):
        shard(nn.Linear(1, 1), CPU)
    with pytest.raises(ConfigError, match="'full' needs conditioners that serve a tradeoff for every row; Single serves one"):
        shard(nn.ModuleList([Blocks(nn.Linear(3, 3)), Single()]), CPU)


@pytest.mark.parametrize("name", ["dpo-ls", "dpo-soup", "mo-dpo"])
def test_a_method_of_several_models_is_refused_before_anything_is_made(plugins, name):
    with pytest.raises(ConfigError, match=r"methods that train one model, such as cos-dpo; \w+ trains several"):
        check_trains_one_model(method(plugins, name))


def test_a_method_of_one_model_or_of_nobody_knows_how_many_passes(plugins):
    class Secret:
        def policy(self, problem: Unknown) -> Unknown:  # noqa: F821
            return None

    check_trains_one_model(method(plugins, "cos-dpo"))
    check_trains_one_model(Secret())


def test_one_process_shards_nothing(config, moft, tmp_path):
    said = moft("train", config, "--out", tmp_path / "run", "--set", "trainer.sharding=full")
    assert (said.code, len(said.mistakes)) == (2, 1)
    assert "[trainer.sharding] 'full' splits models over processes, and this is a single one; start several" in said.mistakes[0]
    assert not (tmp_path / "run").exists()
    with pytest.raises(ConfigError, match="this is a single one"):
        AccelerateTrainer(TrainerSettings(device="cpu", sharding="full"), seed=0)


def test_a_launcher_that_would_shard_by_itself_is_refused(config, moft, monkeypatch, tmp_path):
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    said = moft("train", config, "--out", tmp_path / "run")
    assert (said.code, len(said.mistakes)) == (2, 1)
    assert "accelerate is set to FSDP (ACCELERATE_USE_FSDP); moft splits models itself" in said.mistakes[0]
    assert not (tmp_path / "run").exists()


def method(plugins, name):
    """A method with its defaults."""
    return component(Method, name, plugins)


def is_part(tensor):
    """Whether a process holds a part of it only."""
    return hasattr(tensor, "full_tensor")

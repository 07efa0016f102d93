"""What the language-model benchmarks share: real texts, and a training in the trainer of a run that goes stretch by stretch.

Runs in a process of its own for each training:  python -m benchmarks.language SIDE.json
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from benchmarks.common import data_folder
from benchmarks.racing import Racer, Stretches, resident
from moft.engine.training.job_records import NoRecords

if TYPE_CHECKING:
    from torch import nn

    from moft_llm.data.list_readers import Reader
    from moft_llm.data.tokenization import TokenizedLists

MODEL = "models/stories15m"
PAIRS = "preferences/pku_saferlhf_500.jsonl"
LISTS = "preferences/helpsteer_500.jsonl"
LONG = "long.jsonl"
PREFIX = 8  # tokens of Hyper Prompt Tuning, as it is by default

Texts = Literal["pairs", "lists", "long"]

LABELS: Mapping[Texts, Sequence[tuple[str, Literal["none", "min-max"]]]] = {
    "pairs": (("helpful", "none"), ("harmless", "none")),
    "lists": (
        ("helpfulness", "none"),
        ("correctness", "none"),
        ("coherence", "none"),
        ("complexity", "none"),
        ("verbosity", "none"),
        ("helpfulness", "min-max"),
        ("complexity", "min-max"),
        ("verbosity", "min-max"),
    ),
    "long": tuple((letter, "none") for letter in "abcdefgh"),
}
"""Label and transform of each objective; there are five ratings, so the last three of eight take some of them once more."""


_SPREAD = 0.1  # of the matrices' entries; enough that the first batch costs far from log 2


@dataclass(frozen=True)
class Side:
    """One of moft's trainings.

    Args:
        model: folder of the model.
        data: folder of the texts.
        texts: `pairs` of PKU-SafeRLHF, `lists` of HelpSteer.
        cache: of reference scores.
        plan: for each step, the lists of the training split that it takes.
        stretch: steps at a time.
        length: tokens of a prompt with a response.
        rank: of LoRA.
        rate: of AdamW, always the same.
        objectives: how many.
        has_prefix: True for HPT, and weights drawn for each list; False for LoRA alone, and equal weights.
        share_prompt: as in the task.
        is_perturbed: True starts LoRA at `perturb`.
        accumulation: passes of a step; `plan` has as many for each.
        device: `cpu`, or `cuda`, where weights are bfloat16 and passes are under autocast to it.
        is_checkpointing: as `gradient_checkpointing` in the task.
        is_compiled: as `compile` in the task.
    """

    model: str
    data: str
    texts: Texts
    cache: str
    plan: list[list[int]]
    stretch: int
    length: int = 256
    rank: int = 64
    rate: float = 1e-3
    objectives: int = 1
    has_prefix: bool = False
    share_prompt: bool = True
    is_perturbed: bool = False
    accumulation: int = 1
    device: Literal["cpu", "cuda"] = "cpu"
    is_checkpointing: bool = False
    is_compiled: bool = False

    def racer(self, folder: Path, threads: int) -> Racer:
        """Its process, which keeps a file in `folder`."""
        path = folder / f"side-{len(list(folder.glob('side-*.json')))}.json"
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")
        return Racer([sys.executable, "-m", "benchmarks.language", str(path)], threads)


def places(model: str | None, data: str | None) -> tuple[Path, Path]:
    """Folders of the model and of the data, as named or where they are by default.

    Raises:
        SystemExit: they are not there.
    """
    folder = Path(data) if data else data_folder()
    network = Path(model) if model else folder / MODEL
    missing = [str(path) for path in (network / "config.json", folder / PAIRS, folder / LISTS) if not path.exists()]
    if missing:
        raise SystemExit(f"Not there: {', '.join(missing)}. Name the folders with --model and --data, or set MOFT_DATA.")
    return network, folder


def with_room(model: Path, folder: Path) -> Path:
    """`folder/model`, the same model with room for a prefix beside the longest text; its positions are computed, not learned."""
    found = folder / "model"
    found.mkdir()
    for file in model.iterdir():
        if file.name != "config.json":
            (found / file.name).symlink_to(file.resolve())
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    config["max_position_embeddings"] += PREFIX
    (found / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return found


def reader(folder: Path, texts: Texts) -> Reader:
    """Of the pairs or the lists; `long` ones are in the folder as the contract has them."""
    from moft_llm.data.list_readers import Lists, PkuSafeRLHF, Rated

    if texts == "long":
        return Lists(str(folder / LONG))
    return PkuSafeRLHF(str(folder / PAIRS)) if texts == "pairs" else Rated(str(folder / LISTS))


def training_tokens(model: Path, folder: Path, texts: Texts, length: int) -> TokenizedLists:
    """The training split, as the task of a side has it."""
    from transformers import AutoTokenizer

    from moft_llm.data.label_transforms import TextLabel
    from moft_llm.data.splits import Shares, open_splits
    from moft_llm.data.tokenization import tokenize

    lists = open_splits(reader(folder, texts), Shares(), "drop").examples["train"]
    tokenizer = AutoTokenizer.from_pretrained(model)
    objectives = {label: TextLabel() for label, transform in LABELS[texts] if transform == "none"}
    return tokenize(lists, tokenizer, template="none", max_length=length, max_response=None, add_eos=True, objectives=objectives)


def grouped_plan(data: TokenizedLists, budget: int, seed: int) -> list[list[int]]:
    """One pass in batches of like lengths, at most `budget` tokens each, as the task makes them."""
    import torch

    from moft.api import length_grouped

    return [batch.tolist() for batch in length_grouped(data.lengths, budget, torch.Generator().manual_seed(seed))]


def perturb(module: nn.Module) -> None:
    """Gives all LoRA matrices, in order, values that do not depend on who made them, so that scores differ from the reference."""
    import torch

    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if "lora_" in name:
                parameter.copy_(_SPREAD * torch.randn(parameter.shape, generator=generator))


class Planned:
    """A prepared task whose training batches are given: the same ones, in the same order, for whoever asks.

    Args:
        task: prepared.
        plan: for each step, the lists it takes.
    """

    def __init__(self, task: Any, plan: Sequence[Sequence[int]]) -> None:
        import torch

        self._task, self._plan = task, [torch.tensor(lists) for lists in plan]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._task, name)

    def batches(self, split: str, generator: Any = None) -> Any:
        from moft.api import Batches

        return Batches(self._plan, self._task.batches(split).load)


class Told(NoRecords):
    """Records of a job that keep nothing, and tell `Stretches` of every step.

    Args:
        stretches: of this process.
    """

    def __init__(self, stretches: Stretches) -> None:
        self._stretches = stretches

    def step(self, step: int, values: Mapping[str, float | str]) -> None:
        self._stretches.step(float(values["loss"]))


def train(side: Side) -> None:
    """Prepares the task, says so with its memory, then trains, a stretch for each line on the standard input."""
    import torch

    from moft.api import AccelerateTrainer, Context, TrainerSettings, seed_initialisation, unmeasured
    from moft_llm.data.label_transforms import TextLabel
    from moft_llm.network.lora import LoRA
    from moft_llm.task import LLM

    labels, is_cpu = LABELS[side.texts][: side.objectives], side.device == "cpu"
    task = LLM(
        Context(torch.device(side.device), 0, Path(side.cache)),
        model=side.model,
        data=reader(Path(side.data), side.texts),
        objectives={f"{label}-{transform}": TextLabel(label, transform) for label, transform in labels},
        faulty="drop",
        dtype="float32" if is_cpu else "bfloat16",
        lora=LoRA(rank=side.rank),
        max_length=side.length,
        share_prompt=side.share_prompt,
        gradient_checkpointing=side.is_checkpointing,
        compile=side.is_compiled,
    )
    method = _method(side)
    task.prompt_template()  # loads the model
    before = resident()
    settings = TrainerSettings(
        epochs=1, learning_rate=side.rate, weight_decay=0.0, schedule="constant", warmup=0.0, evaluations=0, device=side.device,
        threads=torch.get_num_threads(), gradient_accumulation_steps=side.accumulation, precision="float32" if is_cpu else "bf16",
    )  # fmt: skip
    stretches = Stretches(side.stretch, side.device)
    trainer = AccelerateTrainer(settings, seed=0, records=Told(stretches))
    task.prepare(trainer)
    problem = unmeasured(Planned(task, side.plan))
    seed_initialisation(0, "policy")
    policy = method.policy(problem)
    if side.is_perturbed:
        perturb(policy)
    trained = sum(parameter.numel() for parameter in policy.parameters() if parameter.requires_grad)
    stretches.ready({"imports_and_model": before, "prepared": resident("VmHWM"), "trained": trained})
    method.train(policy, problem, trainer)


def _method(side: Side) -> Any:
    """DPO on pairs and ListNet on lists, each objective's loss as it is."""
    from moft_conditioners.hyper_prompt_tuning import HyperPromptTuning
    from moft_cos_dpo.method import CosDPO
    from moft_losses.listnet import ListNet
    from moft_losses.pairwise_logistic import PairwiseLogistic
    from moft_samplers.dirichlet import Dirichlet
    from moft_samplers.fixed import Fixed
    from moft_scalarizers.linear import Linear

    m = side.objectives
    sampler: Any = partial(Dirichlet, vertices=0.3) if side.has_prefix else partial(Fixed, value=[1 / m] * m)
    return CosDPO(
        sampler=sampler,
        conditioner=HyperPromptTuning if side.has_prefix else None,
        loss=ListNet() if side.texts == "lists" else PairwiseLogistic(),
        scalarizer=Linear(),
        balance="none",
    )


if __name__ == "__main__":
    train(Side(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))

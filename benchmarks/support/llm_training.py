"""Timed trainings of language models: real texts, and a training in the trainer of a run that pauses after every few steps.

As a program, it runs one such training:  python -m benchmarks.support.llm_training TRAINING.json
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from benchmarks.support.datasets import data_folder
from benchmarks.support.interleaved_processes import InterleavedProcess, StepTimer, resident_memory
from moft.engine.training.jobs.job_records import NoRecords

if TYPE_CHECKING:
    from torch import nn

    from moft_llm.data.readers.any_reader import ListReader
    from moft_llm.data.tokenization import TokenizedLists

MODEL = "models/stories15m"
PAIRS = "preferences/pku_saferlhf_500.jsonl"
LISTS = "preferences/helpsteer_500.jsonl"
LONG = "long.jsonl"
PREFIX = 8  # default number of tokens of Hyper Prompt Tuning

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
"""Label and transform of each objective; with five ratings for eight objectives, the last three use some ratings twice."""


_SPREAD = 0.1  # standard deviation of matrix entries, large enough that the loss of the first batch is far from log 2


@dataclass(frozen=True)
class MoftTraining:
    """Settings of a training with moft.

    Args:
        model: folder of the model.
        data: folder of the texts.
        texts: `pairs` of PKU-SafeRLHF, `lists` of HelpSteer, or `long` made-up pairs.
        cache: folder of reference scores.
        plan: indices of the prompts of each batch.
        steps_per_turn: number of steps before it replies and waits.
        length: largest number of tokens of a prompt with a response.
        rank: of LoRA.
        rate: constant learning rate of AdamW.
        objectives: number of objectives.
        has_prefix: True for HPT with weights drawn for each prompt; False for LoRA alone with equal weights.
        share_prompt: as in the task.
        is_perturbed: True initialises LoRA with `perturb`.
        accumulation: batches of `plan` in one step.
        device: `cpu`, or `cuda` with bfloat16 weights and autocast.
        is_checkpointing: `gradient_checkpointing` of the task.
        is_compiled: `compile` of the task.
    """

    model: str
    data: str
    texts: Texts
    cache: str
    plan: list[list[int]]
    steps_per_turn: int
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

    def start(self, folder: Path, threads: int) -> InterleavedProcess:
        """Starts the training in a process, whose settings are written to a file in `folder`."""
        path = folder / f"training-{len(list(folder.glob('training-*.json')))}.json"
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")
        return InterleavedProcess([sys.executable, "-m", "benchmarks.support.llm_training", str(path)], threads)


def model_and_data_folders(model: str | None, data: str | None) -> tuple[Path, Path]:
    """Folders of the model and of the data, as given or by default.

    Raises:
        SystemExit: files are missing.
    """
    folder = Path(data) if data else data_folder()
    network = Path(model) if model else folder / MODEL
    missing = [str(path) for path in (network / "config.json", folder / PAIRS, folder / LISTS) if not path.exists()]
    if missing:
        raise SystemExit(f"Missing: {', '.join(missing)}. Give the folders with --model and --data, or set MOFT_DATA.")
    return network, folder


def with_prefix_positions(model: Path, folder: Path) -> Path:
    """`folder/model`, the same model with positions for a prefix in addition to the longest text; they are not learned."""
    target = folder / "model"
    target.mkdir()
    for file in model.iterdir():
        if file.name != "config.json":
            (target / file.name).symlink_to(file.resolve())
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    config["max_position_embeddings"] += PREFIX
    (target / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return target


def reader_of(folder: Path, texts: Texts) -> ListReader:
    """The reader of pairs, lists, or `long` pairs in the folder."""
    from moft_llm.data.readers.list_readers import Lists, PkuSafeRLHF, Rated

    if texts == "long":
        return Lists(str(folder / LONG))
    return PkuSafeRLHF(str(folder / PAIRS)) if texts == "pairs" else Rated(str(folder / LISTS))


def training_tokens(model: Path, folder: Path, texts: Texts, length: int) -> TokenizedLists:
    """The tokenized training split, as in the task of a training."""
    from transformers import AutoTokenizer

    from moft_llm.data.label_transforms import TextLabel
    from moft_llm.data.splits import Shares, open_splits
    from moft_llm.data.tokenization import tokenize

    lists = open_splits(reader_of(folder, texts), Shares(), "drop").examples["train"]
    tokenizer = AutoTokenizer.from_pretrained(model)
    objectives = {label: TextLabel() for label, transform in LABELS[texts] if transform == "none"}
    return tokenize(lists, tokenizer, template="none", max_length=length, max_response=None, add_eos=True, objectives=objectives)


def grouped_plan(data: TokenizedLists, budget: int, seed: int) -> list[list[int]]:
    """One pass in length-grouped batches of at most `budget` tokens, as the task makes them."""
    import torch

    from moft.api import length_grouped

    return [batch.tolist() for batch in length_grouped(data.lengths, budget, torch.Generator().manual_seed(seed))]


def perturb(module: nn.Module) -> None:
    """Sets all LoRA matrices, in order, to the same random values in any program, so that scores differ from the reference."""
    import torch

    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if "lora_" in name:
                parameter.copy_(_SPREAD * torch.randn(parameter.shape, generator=generator))


class PlannedTask:
    """A prepared task whose training batches are fixed.

    Args:
        task: prepared.
        plan: indices of the prompts of each batch.
    """

    def __init__(self, task: Any, plan: Sequence[Sequence[int]]) -> None:
        import torch

        self._task, self._plan = task, [torch.tensor(lists) for lists in plan]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._task, name)

    def batches(self, split: str, generator: Any = None) -> Any:
        from moft.api import Batches

        return Batches(self._plan, self._task.batches(split).load)


class StepReporter(NoRecords):
    """Job records that keep nothing and pass every step on to a `StepTimer`.

    Args:
        timer: of this process.
    """

    def __init__(self, timer: StepTimer) -> None:
        self._timer = timer

    def step(self, step: int, values: Mapping[str, float | str]) -> None:
        self._timer.step(float(values["loss"]))


def train(training: MoftTraining) -> None:
    """Prepares the task, replies with its memory, then trains, one turn for each line on the standard input."""
    import torch

    from moft.api import AccelerateTrainer, Context, TrainerSettings, problem_without_validation, seed_initialisation
    from moft_llm.data.label_transforms import TextLabel
    from moft_llm.network.lora import LoRA
    from moft_llm.task import LLM

    labels, is_cpu = LABELS[training.texts][: training.objectives], training.device == "cpu"
    task = LLM(
        Context(torch.device(training.device), 0, Path(training.cache)),
        model=training.model,
        data=reader_of(Path(training.data), training.texts),
        objectives={f"{label}-{transform}": TextLabel(label, transform) for label, transform in labels},
        faulty="drop",
        dtype="float32" if is_cpu else "bfloat16",
        lora=LoRA(rank=training.rank),
        max_length=training.length,
        share_prompt=training.share_prompt,
        gradient_checkpointing=training.is_checkpointing,
        compile=training.is_compiled,
    )
    method = _method(training)
    task.prompt_template()  # load the model
    before = resident_memory()
    settings = TrainerSettings(
        epochs=1,
        learning_rate=training.rate,
        weight_decay=0.0,
        schedule="constant",
        warmup=0.0,
        evaluations=0,
        device=training.device,
        threads=torch.get_num_threads(),
        gradient_accumulation_steps=training.accumulation,
        precision="float32" if is_cpu else "bf16",
    )
    timer = StepTimer(training.steps_per_turn, training.device)
    trainer = AccelerateTrainer(settings, seed=0, records=StepReporter(timer))
    task.prepare(trainer)
    problem = problem_without_validation(PlannedTask(task, training.plan))
    seed_initialisation(0, "policy")
    policy = method.policy(problem)
    if training.is_perturbed:
        perturb(policy)
    trained = sum(parameter.numel() for parameter in policy.parameters() if parameter.requires_grad)
    timer.ready({"imports_and_model": before, "prepared": resident_memory("VmHWM"), "trained": trained})
    method.train(policy, problem, trainer)


def _method(training: MoftTraining) -> Any:
    """COS-DPO with the logistic loss on pairs and ListNet on lists, without balance."""
    from moft_conditioners.hyper_prompt_tuning import HyperPromptTuning
    from moft_cos_dpo.method import CosDPO
    from moft_losses.listnet import ListNet
    from moft_losses.pairwise_logistic import PairwiseLogistic
    from moft_samplers.dirichlet import Dirichlet
    from moft_samplers.fixed import Fixed
    from moft_scalarizers.linear import Linear

    m = training.objectives
    sampler: Any = partial(Dirichlet, vertices=0.3) if training.has_prefix else partial(Fixed, value=[1 / m] * m)
    return CosDPO(
        sampler=sampler,
        conditioner=HyperPromptTuning if training.has_prefix else None,
        loss=ListNet() if training.texts == "lists" else PairwiseLogistic(),
        scalarizer=Linear(),
        balance="none",
    )


if __name__ == "__main__":
    train(MoftTraining(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))

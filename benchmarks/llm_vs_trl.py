"""Compares the training of a small language model on a CPU with TRL 1.16's DPOTrainer: same model, pairs, batches and LoRA.

The trainings take turns of a few steps, each in a process with the same number of threads, on real PKU-SafeRLHF pairs:

- TRL: `DPOTrainer` with PEFT's LoRA of rank 64, precomputed reference scores, no gradient checkpointing;
- moft, one objective without conditioning, in the trainer of a run: the same work as TRL's, on the same batches of 8 pairs;
- moft, Weight-COS-DPO with HPT and two objectives, on the same batches;
- moft, one objective, in length-grouped batches, which are its default.

TRL gets moft's tokens, truncated to 256. Both use float32, AdamW with one learning rate and gradient clipping, and start from the
same non-zero LoRA matrices. The losses of the first batch must agree; those of all steps are reported. Reported are pairs, and
tokens of prompts with responses (without padding, each prompt twice), per second of processor time and of wall time. Memory is
the peak resident memory of a process as Linux counts it, next to what the process had after the imports and loading the model.

TRL is not a dependency of moft. It is installed into a separate folder, and uses the same torch, transformers and PEFT:

    pip install --no-deps --target trl 'trl==1.16.*'

Run it:  OMP_NUM_THREADS=1 python benchmarks/llm_vs_trl.py --trl trl [--rounds 7] [--threads 1] [--data FOLDER] [--model FOLDER]
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.support.interleaved_processes import InterleavedProcess, StepTimer, resident_memory
from benchmarks.support.llm_training import (
    MoftTraining,
    grouped_plan,
    model_and_data_folders,
    perturb,
    training_tokens,
    with_prefix_positions,
)
from benchmarks.support.reporting import format_summary, machine, paired_ratio, print_table, summary, write_result

if TYPE_CHECKING:
    from torch import Tensor

    from moft_llm.data.tokenization import TokenizedLists

TRL = "TRL"
ALONE = "moft, LoRA, one objective"
HPT = "moft, HPT and LoRA, two objectives"
GROUPED = "moft, LoRA, length-grouped batches"
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj"]
LENGTH, RANK, RATE = 256, 64, 1e-3


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Pairs and tokens per second and memory of every training, their ratios to TRL's, and the difference of the losses."""
    model, data = model_and_data_folders(options.model, options.data)
    tokens = training_tokens(model, data, "pairs", LENGTH)
    steps = options.steps * (options.rounds + 1)
    same = _plan(tokens, options.batch, steps)
    grouped = _grouped(tokens, int(tokens.lengths.double().mean() * options.batch * 1.05), steps)
    plans = {TRL: same, ALONE: same, HPT: same, GROUPED: grouped}
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        folder = Path(temporary)
        model = with_prefix_positions(model, folder)
        common = {"model": str(model), "data": str(data), "texts": "pairs", "steps_per_turn": options.steps, "rate": RATE}
        (folder / "trl.json").write_text(json.dumps({**common, "batch": options.batch, "rows": trl_rows(tokens, same)}), "utf-8")
        command = [sys.executable, __file__, "--serve", str(folder / "trl.json"), "--trl", options.trl]
        processes = {TRL: stack.enter_context(InterleavedProcess(command, options.threads))}
        for name in (ALONE, HPT, GROUPED):
            training = MoftTraining(
                **common,
                cache=str(folder / name),
                plan=plans[name],
                length=LENGTH,
                rank=RANK,
                objectives=2 if name == HPT else 1,
                has_prefix=name == HPT,
                is_perturbed=True,
            )
            processes[name] = stack.enter_context(training.start(folder, options.threads))
        found: dict[str, list[dict[str, Any]]] = {name: [] for name in processes}
        for round_ in range(options.rounds + 1):
            for name in list(processes)[:: 1 if round_ % 2 == 0 else -1]:
                found[name].append(processes[name].advance())
    return {
        "settings": {
            "pairs_per_batch": options.batch,
            "length": LENGTH,
            "lora_rank": RANK,
            "trained_parameters": {name: process.facts["trained"] for name, process in processes.items()},
            "padding_of_the_batches": _paddings(tokens, same, grouped),
        },
        "same_losses": _agreement(found[TRL], found[ALONE]),
        **_speeds(found, plans, tokens, options.steps),
        **_memory({name: process.facts for name, process in processes.items()}, found),
    }


def _plan(tokens: TokenizedLists, batch: int, steps: int) -> list[list[int]]:
    """Full batches of pairs in random order, pass after pass."""
    import torch

    generator = torch.Generator().manual_seed(0)
    plan: list[list[int]] = []
    while len(plan) < steps:
        order = torch.randperm(len(tokens), generator=generator).tolist()
        plan += [order[start : start + batch] for start in range(0, len(order) - batch + 1, batch)]
    return plan[:steps]


def _grouped(tokens: TokenizedLists, budget: int, steps: int) -> list[list[int]]:
    """Batches as moft makes them, pass after pass."""
    plan: list[list[int]] = []
    while len(plan) < steps:
        plan += grouped_plan(tokens, budget, seed=len(plan))
    return plan[:steps]


def trl_rows(tokens: TokenizedLists, plan: Sequence[Sequence[int]]) -> list[dict[str, list[int]]]:
    """The pairs in the order of the plan, in the form that TRL has after tokenization."""
    import torch

    starts, firsts = (lengths.cumsum(0) - lengths for lengths in (tokens.lengths, tokens.sizes))
    rows = []
    for pair in (index for batch in plan for index in batch):
        start, first = int(starts[pair]), int(firsts[pair])
        sizes = [int(tokens.prompt_lengths[pair]), *tokens.response_lengths[first : first + 2].tolist()]
        prompt, *responses = (part.tolist() for part in torch.split(tokens.tokens[start : start + sum(sizes)], sizes))
        chosen, rejected = responses if tokens.labels[first, 0] > tokens.labels[first + 1, 0] else reversed(responses)
        rows.append({"prompt_ids": prompt, "chosen_ids": chosen, "rejected_ids": rejected})
    return rows


def _paddings(tokens: TokenizedLists, same: Sequence[Sequence[int]], grouped: Sequence[Sequence[int]]) -> dict[str, float]:
    """Share of padding in TRL's batches, which have a row for each response, and in moft's, which have a row for each pair."""
    responses = _with_prompts(tokens)  # [lists, 2]
    shares = {}
    for name, plan, lengths in (
        (TRL, same, responses),
        (ALONE, same, tokens.lengths.unsqueeze(1)),
        (GROUPED, grouped, tokens.lengths.unsqueeze(1)),
    ):
        padded = sum(int(lengths[batch].max()) * lengths[batch].numel() for batch in plan)
        shares[name] = 1 - sum(int(lengths[batch].sum()) for batch in plan) / padded
    return shares


def _with_prompts(tokens: TokenizedLists) -> Tensor:
    """`[lists, 2]`, tokens of each response of a pair with its prompt."""
    return tokens.response_lengths.view(-1, 2) + tokens.prompt_lengths.unsqueeze(1)


def _agreement(trl: Sequence[Mapping[str, Any]], moft: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """First and last losses of both trainings, and their largest difference.

    Raises:
        RuntimeError: the first losses differ, so the two do not compute the same thing.
    """
    first, second = ([loss for turn in turns for loss in turn["losses"]] for turns in (trl, moft))
    gaps = [abs(trl_loss - moft_loss) for trl_loss, moft_loss in zip(first, second, strict=True)]
    if not gaps[0] <= 1e-3:
        raise RuntimeError(f"The loss of the first batch is {first[0]:.6f} in TRL and {second[0]:.6f} in moft; they must agree.")
    return {
        "first_batch_trl": first[0],
        "first_batch_moft": second[0],
        "difference_first_batch": gaps[0],
        "steps": len(gaps),
        "largest_difference": max(gaps),
        "last_batch_trl": first[-1],
        "last_batch_moft": second[-1],
    }


def _speeds(
    found: Mapping[str, Sequence[Mapping[str, Any]]],
    plans: Mapping[str, Sequence[Sequence[int]]],
    tokens: TokenizedLists,
    steps: int,
) -> dict[str, Any]:
    """Pairs and tokens per second without the first turn, and ratios to TRL's round by round."""
    each = _with_prompts(tokens).sum(1)
    result: dict[str, Any] = {}
    for clock in ("processor", "wall"):
        speeds: dict[str, dict[str, list[float]]] = {"pairs": {}, "tokens": {}}
        for name, parts in found.items():
            for round_, part in list(enumerate(parts))[1:]:
                lists = [pair for batch in plans[name][round_ * steps : (round_ + 1) * steps] for pair in batch]
                speeds["pairs"].setdefault(name, []).append(len(lists) / part[clock])
                speeds["tokens"].setdefault(name, []).append(int(each[lists].sum()) / part[clock])
        for what, sides in speeds.items():
            result[f"{what}_per_second_of_{clock}_time"] = {name: summary(values) for name, values in sides.items()}
        result[f"times_trl_in_pairs_per_second_of_{clock}_time"] = {
            name: paired_ratio(values, speeds["pairs"][TRL]) | {"target": 2.0}
            for name, values in speeds["pairs"].items()
            if name != TRL
        }
    return result


def _memory(facts: Mapping[str, Mapping[str, float]], found: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    """Memory of every training in MB, and as shares of TRL's."""
    memory = {}
    for name, fact in facts.items():
        peak, before = found[name][-1]["peak"], fact["imports_and_model"]
        memory[name] = {"imports_and_model": before, "prepared": fact["prepared"], "peak": peak, "above": peak - before}
    shares = {
        name: {"peak": one["peak"] / memory[TRL]["peak"], "above": one["above"] / memory[TRL]["above"], "target": 0.4}
        for name, one in memory.items()
        if name != TRL
    }
    return {"megabytes": memory, "share_of_trl_memory": shares}


def serve_trl(path: Path, folder: str) -> None:
    """TRL's training, one turn for each line on the standard input."""
    sys.path.append(folder)
    os.environ["HF_HUB_OFFLINE"] = "1"
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback

    trl: Any = import_module("trl")
    if not trl.__version__.startswith("1.16."):
        raise SystemExit(f"{folder} has trl {trl.__version__}; this benchmark needs 1.16.")
    settings = json.loads(path.read_text(encoding="utf-8"))
    tokenizer = AutoTokenizer.from_pretrained(settings["model"])
    device, is_cpu = settings.get("device", "cpu"), settings.get("device", "cpu") == "cpu"
    model = AutoModelForCausalLM.from_pretrained(settings["model"], dtype=torch.float32 if is_cpu else torch.bfloat16)
    before = resident_memory()
    timer = StepTimer(settings["steps_per_turn"], device)

    class Trainer(trl.DPOTrainer):
        """Uses the tokens as they are, and stores the loss of a step."""

        def _prepare_dataset(self, dataset: Any, *_: Any) -> Any:
            return dataset

        def compute_loss(self, *inputs: Any, **more: Any) -> Any:
            loss = super().compute_loss(*inputs, **more)
            self.last_loss = loss.detach()
            return loss

    class StepReporter(TrainerCallback):
        """Passes every step on to the timer."""

        def on_step_end(self, *_: Any, **__: Any) -> None:
            timer.step(float(trainer.last_loss))

    trainer = Trainer(
        model=model,
        args=trl.DPOConfig(
            output_dir=str(path.parent / "trl"),
            per_device_train_batch_size=settings["batch"],
            max_length=settings.get("length", LENGTH),
            num_train_epochs=1,
            learning_rate=settings["rate"],
            lr_scheduler_type="constant",
            weight_decay=0.0,
            max_grad_norm=1.0,
            train_sampling_strategy="sequential",
            precompute_ref_log_probs=True,
            gradient_checkpointing=settings.get("is_checkpointing", False),
            gradient_checkpointing_kwargs={"use_reentrant": False} if settings.get("is_checkpointing") else None,
            torch_compile=settings.get("is_compiled", False),
            bf16=not is_cpu,
            use_cpu=is_cpu,
            beta=0.1,
            report_to="none",
            logging_strategy="no",
            save_strategy="no",
            disable_tqdm=True,
            dataloader_pin_memory=False,
        ),
        train_dataset=Dataset.from_list(settings["rows"]),
        processing_class=tokenizer,
        peft_config=LoraConfig(r=RANK, lora_alpha=1, lora_dropout=0.0, target_modules=TARGETS, task_type="CAUSAL_LM"),
        callbacks=[StepReporter()],
    )
    perturb(trainer.model)
    trained = sum(parameter.numel() for parameter in trainer.model.parameters() if parameter.requires_grad)
    timer.ready({"imports_and_model": before, "prepared": resident_memory("VmHWM"), "trained": trained})
    trainer.train()


def show(found: Mapping[str, Any]) -> None:
    """Prints the tables."""
    for clock in ("processor", "wall"):
        rows = []
        for name, pairs in found[f"pairs_per_second_of_{clock}_time"].items():
            ratio = found[f"times_trl_in_pairs_per_second_of_{clock}_time"].get(name)
            tokens = found[f"tokens_per_second_of_{clock}_time"][name]
            rows.append([name, format_summary(pairs), format_summary(tokens, 0), "1" if ratio is None else format_summary(ratio)])
        title = f"Per second of {clock} time (quartiles); target: 2 times TRL"
        print_table(title, ["training", "pairs", "tokens", "pairs, times TRL"], rows)
    shares = found["share_of_trl_memory"]
    rows = [
        [name, *(f"{memory[key]:,.0f}" for key in ("imports_and_model", "prepared", "peak", "above"))]
        + [f"{shares[name][key]:.2f}" if name in shares else "1" for key in ("peak", "above")]
        for name, memory in found["megabytes"].items()
    ]
    headers = [
        "training",
        "model loaded",
        "prepared",
        "peak",
        "peak minus model loaded",
        "peak, of TRL's",
        "minus model loaded, of TRL's",
    ]
    print_table("MB; target: 0.4 of TRL's peak", headers, rows)
    same = found["same_losses"]
    print(
        f"Loss of the first batch: TRL {same['first_batch_trl']:.6f}, moft {same['first_batch_moft']:.6f}; "
        f"largest difference over {same['steps']} steps {same['largest_difference']:.1e}."
    )


def main() -> None:
    """Measures, prints the tables, writes JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trl", help="folder where TRL is installed")
    parser.add_argument("--rounds", type=int, default=7, help="turns of each training, after one to warm up")
    parser.add_argument("--steps", type=int, default=2, help="steps of a turn")
    parser.add_argument("--batch", type=int, default=8, help="pairs of a batch")
    parser.add_argument("--threads", type=int, default=1, help="threads of each training")
    parser.add_argument("--model", help="folder of the model")
    parser.add_argument("--data", help="folder of the data")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.trl is None:
        parser.error("--trl is required: the folder where TRL is installed (see --help).")
    if options.serve:
        serve_trl(Path(options.serve), options.trl)
        return
    load = os.getloadavg()[0]
    found = measure(options)
    show(found)
    settings = {name: getattr(options, name) for name in ("rounds", "steps", "threads")}
    about = {"machine": machine("transformers", "peft"), "trl": "1.16", **settings, "load_of_the_machine_before": load}
    write_result("llm_vs_trl", {**about, **found})


if __name__ == "__main__":
    main()

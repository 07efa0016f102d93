"""Tuning of a language model beside TRL 1.16's DPOTrainer: the same model, pairs, batches and precision, LoRA of rank 64 in both.

Trainings take turns, a few steps each, every one in a process of its own with as many threads, on real PKU-SafeRLHF pairs:

- TRL: `DPOTrainer` with PEFT's LoRA, reference scores computed before (`precompute_ref_log_probs`), no gradient checkpointing;
- moft, one objective without conditioning, in the trainer of a run: the same work as TRL's, on the same batches of 8 pairs;
- moft, Weight-COS with HPT and two objectives, on the same batches;
- moft, one objective, in batches of like lengths instead, which is how it makes them.

TRL is given moft's tokens, cut to 256. Both use AdamW at one learning rate, clip gradients, and start from the same LoRA
matrices, none of them zero; that the losses of the first batch and of the steps after it agree is checked, and written down.
Counted are pairs, and the tokens of prompts with responses, padding left out and each prompt twice, per second of processor time
and of wall time. Memory is the most that a process ever held, as Linux counts it; what it held once its imports were made and
the model loaded is shown beside it.

TRL is no dependency of moft, and is put into a folder of its own; it runs on the same torch, transformers and PEFT:

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

from benchmarks.common import in_words, machine, paired_ratio, print_table, summary, write_result
from benchmarks.language import Side, grouped_plan, perturb, places, training_tokens, with_room
from benchmarks.racing import Racer, Stretches, resident

if TYPE_CHECKING:
    from torch import Tensor

    from moft_llm.data.tokenization import TokenizedLists

TRL = "TRL"
ALONE = "moft, LoRA, one objective"
HPT = "moft, HPT and LoRA, two objectives"
GROUPED = "moft, LoRA, batches of like lengths"
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj"]
LENGTH, RANK, RATE = 256, 64, 1e-3


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Pairs and tokens per second and memory of every side, their ratios to TRL's, and how far the losses differ."""
    model, data = places(options.model, options.data)
    tokens = training_tokens(model, data, "pairs", LENGTH)
    steps = options.steps * (options.rounds + 1)
    same = _plan(tokens, options.batch, steps)
    grouped = _grouped(tokens, int(tokens.lengths.double().mean() * options.batch * 1.05), steps)
    plans = {TRL: same, ALONE: same, HPT: same, GROUPED: grouped}
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        folder = Path(temporary)
        model = with_room(model, folder)
        side = {"model": str(model), "data": str(data), "texts": "pairs", "stretch": options.steps, "rate": RATE}
        (folder / "trl.json").write_text(json.dumps({**side, "batch": options.batch, "rows": trl_rows(tokens, same)}), "utf-8")
        command = [sys.executable, __file__, "--serve", str(folder / "trl.json"), "--trl", options.trl]
        racers = {TRL: stack.enter_context(Racer(command, options.threads))}
        for name in (ALONE, HPT, GROUPED):
            one = Side(
                **side,
                cache=str(folder / name),
                plan=plans[name],
                length=LENGTH,
                rank=RANK,
                objectives=2 if name == HPT else 1,
                has_prefix=name == HPT,
                is_perturbed=True,
            )
            racers[name] = stack.enter_context(one.racer(folder, options.threads))
        found: dict[str, list[dict[str, Any]]] = {name: [] for name in racers}
        for round_ in range(options.rounds + 1):
            for name in list(racers)[:: 1 if round_ % 2 == 0 else -1]:
                found[name].append(racers[name].ask())
    return {
        "settings": {
            "pairs_per_batch": options.batch,
            "length": LENGTH,
            "lora_rank": RANK,
            "trained_parameters": {name: racer.facts["trained"] for name, racer in racers.items()},
            "padding_of_the_batches": _paddings(tokens, same, grouped),
        },
        "same_losses": _agreement(found[TRL], found[ALONE]),
        **_speeds(found, plans, tokens, options.steps),
        **_memory({name: racer.facts for name, racer in racers.items()}, found),
    }


def _plan(tokens: TokenizedLists, batch: int, steps: int) -> list[list[int]]:
    """Batches of lists in random order, pass after pass, every batch full."""
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
    """The pairs in the order of the plan, as TRL has them once it has tokenised them."""
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
    """Share of padding in TRL's batches of responses, each after its prompt, and in moft's of pairs."""
    responses = _with_prompts(tokens)  # [lists, 2]
    shares = {}
    for name, plan, lengths in (
        (TRL, same, responses),
        (ALONE, same, tokens.lengths.unsqueeze(1)),
        (GROUPED, grouped, tokens.lengths.unsqueeze(1)),
    ):
        whole = sum(int(lengths[batch].max()) * lengths[batch].numel() for batch in plan)
        shares[name] = 1 - sum(int(lengths[batch].sum()) for batch in plan) / whole
    return shares


def _with_prompts(tokens: TokenizedLists) -> Tensor:
    """`[lists, 2]`, tokens of each response of a pair with its prompt."""
    return tokens.response_lengths.view(-1, 2) + tokens.prompt_lengths.unsqueeze(1)


def _agreement(trl: Sequence[Mapping[str, Any]], moft: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """The loss of the first batch on both sides, and the largest differences.

    Raises:
        RuntimeError: the first losses differ, so the two do not compute the same thing.
    """
    first, second = ([loss for part in side for loss in part["losses"]] for side in (trl, moft))
    gaps = [abs(one - other) for one, other in zip(first, second, strict=True)]
    if not gaps[0] <= 1e-3:
        raise RuntimeError(f"The first batch costs {first[0]:.6f} in TRL and {second[0]:.6f} in moft; it is not the same work.")
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
    """Pairs and tokens per second, the first stretch left out, and ratios to TRL's round by round."""
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
    """MB of every side, and shares of TRL's."""
    held = {}
    for name, fact in facts.items():
        most, before = found[name][-1]["peak"], fact["imports_and_model"]
        held[name] = {"imports_and_model": before, "prepared": fact["prepared"], "peak": most, "above": most - before}
    shares = {
        name: {"peak": one["peak"] / held[TRL]["peak"], "above": one["above"] / held[TRL]["above"], "target": 0.4}
        for name, one in held.items()
        if name != TRL
    }
    return {"megabytes": held, "share_of_trl_memory": shares}


def serve_trl(path: Path, folder: str) -> None:
    """TRL's training, a stretch for each line on the standard input."""
    sys.path.append(folder)
    os.environ["HF_HUB_OFFLINE"] = "1"
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback

    trl: Any = import_module("trl")
    if not trl.__version__.startswith("1.16."):
        raise SystemExit(f"{folder} holds trl {trl.__version__}; this measures 1.16.")
    side = json.loads(path.read_text(encoding="utf-8"))
    tokenizer = AutoTokenizer.from_pretrained(side["model"])
    device, is_cpu = side.get("device", "cpu"), side.get("device", "cpu") == "cpu"
    model = AutoModelForCausalLM.from_pretrained(side["model"], dtype=torch.float32 if is_cpu else torch.bfloat16)
    before = resident()
    stretches = Stretches(side["stretch"], device)

    class Trainer(trl.DPOTrainer):
        """Takes the tokens as they are, and remembers the loss of a step."""

        def _prepare_dataset(self, dataset: Any, *_: Any) -> Any:
            return dataset

        def compute_loss(self, *inputs: Any, **more: Any) -> Any:
            loss = super().compute_loss(*inputs, **more)
            self.seen = loss.detach()
            return loss

    class Told(TrainerCallback):
        """Tells of every step."""

        def on_step_end(self, *_: Any, **__: Any) -> None:
            stretches.step(float(trainer.seen))

    trainer = Trainer(
        model=model,
        args=trl.DPOConfig(
            output_dir=str(path.parent / "trl"),
            per_device_train_batch_size=side["batch"],
            max_length=side.get("length", LENGTH),
            num_train_epochs=1,
            learning_rate=side["rate"],
            lr_scheduler_type="constant",
            weight_decay=0.0,
            max_grad_norm=1.0,
            train_sampling_strategy="sequential",
            precompute_ref_log_probs=True,
            gradient_checkpointing=side.get("is_checkpointing", False),
            gradient_checkpointing_kwargs={"use_reentrant": False} if side.get("is_checkpointing") else None,
            torch_compile=side.get("is_compiled", False),
            bf16=not is_cpu,
            use_cpu=is_cpu,
            beta=0.1,
            report_to="none",
            logging_strategy="no",
            save_strategy="no",
            disable_tqdm=True,
            dataloader_pin_memory=False,
        ),
        train_dataset=Dataset.from_list(side["rows"]),
        processing_class=tokenizer,
        peft_config=LoraConfig(r=RANK, lora_alpha=1, lora_dropout=0.0, target_modules=TARGETS, task_type="CAUSAL_LM"),
        callbacks=[Told()],
    )
    perturb(trainer.model)
    trained = sum(parameter.numel() for parameter in trainer.model.parameters() if parameter.requires_grad)
    stretches.ready({"imports_and_model": before, "prepared": resident("VmHWM"), "trained": trained})
    trainer.train()


def show(found: Mapping[str, Any]) -> None:
    """Prints the tables."""
    for clock in ("processor", "wall"):
        rows = []
        for name, pairs in found[f"pairs_per_second_of_{clock}_time"].items():
            ratio = found[f"times_trl_in_pairs_per_second_of_{clock}_time"].get(name)
            several = found[f"tokens_per_second_of_{clock}_time"][name]
            rows.append([name, in_words(pairs), in_words(several, 0), "1" if ratio is None else in_words(ratio)])
        title = f"Per second of {clock} time (quartiles); target: 2 times TRL"
        print_table(title, ["training", "pairs", "tokens", "pairs, times TRL"], rows)
    shares = found["share_of_trl_memory"]
    rows = [
        [name, *(f"{held[key]:,.0f}" for key in ("imports_and_model", "prepared", "peak", "above"))]
        + [f"{shares[name][key]:.2f}" if name in shares else "1" for key in ("peak", "above")]
        for name, held in found["megabytes"].items()
    ]
    headers = [
        "training",
        "with model",
        "prepared",
        "peak",
        "peak less with model",
        "peak, of TRL's",
        "less with model, of TRL's",
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
    parser.add_argument("--trl", help="folder that TRL was put into")
    parser.add_argument("--rounds", type=int, default=7, help="stretches of each side, in turn, after one to warm up")
    parser.add_argument("--steps", type=int, default=2, help="of a stretch")
    parser.add_argument("--batch", type=int, default=8, help="pairs of a batch")
    parser.add_argument("--threads", type=int, default=1, help="of each training")
    parser.add_argument("--model", help="folder of the model")
    parser.add_argument("--data", help="folder of the data")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.trl is None:
        parser.error("--trl is needed: a folder that holds TRL (see --help).")
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

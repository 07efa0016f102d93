"""Compares the training of a language model of a billion parameters on a GPU with TRL 1.16's DPOTrainer, at about 1,024 tokens.

The model has the shape of Llama 3.2 1B and random parameters, which take as long as trained ones. Pairs are made up, of words of
one token each, in two kinds: `varied` has prompts of 64 to 448 tokens and responses of 384 to 1,152; `equal` has prompts of 256
and responses of 768, so that nothing is padded. All trainings have the same batches of eight pairs, LoRA of rank 64 on the
projections of attention, the base model in bfloat16 with autocast, AdamW, and precomputed reference scores.

Each training is a process and has the GPU to itself while its steps are timed. Reported are pairs per second and the peak memory
that torch allocated on the GPU. Utilisation is the share of the GPU's peak for the necessary arithmetic: matrix products of
tokens that are not padding, forward and backward to the activations of frozen layers, causal attention, and the LM head of
responses. TRL processes each prompt twice, moft once.

TRL is installed into a separate folder:  pip install --no-deps --target trl 'trl==1.16.*'

Run it:  python benchmarks/llm_vs_trl_gpu.py --trl trl [--tokenizer FOLDER] [--rounds 3] [--only NAME ...]
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.llm_vs_trl import RANK, trl_rows
from benchmarks.support.datasets import data_folder
from benchmarks.support.interleaved_processes import InterleavedProcess
from benchmarks.support.llm_training import LONG, MODEL, MoftTraining, training_tokens
from benchmarks.support.reporting import format_summary, machine, print_table, summary, write_result

if TYPE_CHECKING:
    from moft_llm.data.tokenization import TokenizedLists

SHAPE = {
    "hidden_size": 2048,
    "intermediate_size": 8192,
    "num_hidden_layers": 16,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
    "max_position_embeddings": 4096,
    "tie_word_embeddings": True,
}
KINDS = ("varied", "equal")
LENGTH, RATE = 2048, 1e-4
PEAK = 989e12  # FLOP/s of an H100 or H200 in bfloat16, according to the data sheet

TRL = "TRL"
TRAININGS: Mapping[str, Mapping[str, Any]] = {
    TRL: {},
    "TRL, checkpoints": {"is_checkpointing": True},
    "TRL, compiled": {"is_compiled": True},
    "moft": {},
    "moft, four passes a step": {"accumulation": 4},
    "moft, LoRA, m = 8": {"objectives": 8},
    "moft, HPT, m = 2": {"has_prefix": True, "objectives": 2},
    "moft, HPT, m = 8": {"has_prefix": True, "objectives": 8},
    "moft, compiled": {"is_compiled": True},
    "moft, compiled, four passes a step": {"is_compiled": True, "accumulation": 4},
    "moft, compiled, checkpoints": {"is_compiled": True, "is_checkpointing": True},
}


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Pairs per second, memory and utilisation of every training, by kind of pairs, and ratios to TRL's."""
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        folder = Path(temporary)
        model = Path(options.model) if options.model else random_model(folder / "model", Path(options.tokenizer), SHAPE)
        _pairs(folder / LONG, model, options.lists, options.scale)
        tokens = training_tokens(model, folder, "long", LENGTH)
        turns = [kind for kind in KINDS for _ in range(options.rounds + 1)]
        plan = [batch for kind in KINDS for batch in _plan(tokens, kind, options)]
        names = [name for name in TRAININGS if not options.only or name in options.only]
        common = {"model": str(model), "data": str(folder), "texts": "long", "steps_per_turn": options.steps, "rate": RATE}

        def start(name: str) -> InterleavedProcess:
            more = {"device": options.device, "length": LENGTH, **TRAININGS[name]}
            if name.startswith(TRL):
                path = folder / f"{name}.json"
                rows = trl_rows(tokens, plan)
                path.write_text(json.dumps({**common, **more, "batch": options.batch, "rows": rows}), "utf-8")
                command = [sys.executable, "-m", "benchmarks.llm_vs_trl", "--serve", str(path), "--trl", options.trl]
                return InterleavedProcess(command, options.threads)
            cache = folder / name
            cache.mkdir()
            passes = more.get("accumulation", 1)
            parts = [batch[part::passes] for batch in plan for part in range(passes)]
            training = MoftTraining(**{**common, "plan": parts, "cache": str(cache), "rank": RANK, "is_perturbed": True, **more})
            return training.start(cache, options.threads)

        with ThreadPoolExecutor(len(names)) as pool:
            processes = dict(zip(names, pool.map(start, names), strict=True))
        for process in processes.values():
            stack.enter_context(process)
        found: dict[str, list[dict[str, Any]]] = {}
        for name, process in processes.items():
            found[name] = _take_turns(process, len(turns))
            process.__exit__()
            measured = [f"{turn['wall']:.3f} s, {turn['peak']:,.0f} MB" for turn in found[name]]
            print(f"{name}: {'; '.join(measured)}", flush=True)
        return results_of(found, tokens, plan, turns, options)


def _take_turns(process: InterleavedProcess, turns: int) -> list[dict[str, Any]]:
    """The measurements of the turns, up to the first failure."""
    found = []
    for _ in range(turns):
        try:
            found.append(process.advance())
        except RuntimeError as error:
            print(error, flush=True)
            break
    return found


def random_model(folder: Path, tokenizer: Path, shape: Mapping[str, Any]) -> Path:
    """Writes a Llama model with random parameters in bfloat16, and the tokenizer of another folder, into `folder`."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    torch.manual_seed(0)
    AutoTokenizer.from_pretrained(tokenizer).save_pretrained(folder)
    config = AutoConfig.for_model("llama", **shape, bos_token_id=1, eos_token_id=2)
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    model.cpu().save_pretrained(folder)
    return folder


def _pairs(path: Path, model: Path, lists: int, scale: float) -> None:
    """Writes made-up pairs, half of each kind, of words of one token."""
    from transformers import AutoTokenizer

    vocabulary = AutoTokenizer.from_pretrained(model).get_vocab()
    words = sorted(text[1:] for text in vocabulary if text[:1] == "▁" and text[1:].isalpha() and text[1:].isascii())
    draw = random.Random(0)

    def text(tokens: int) -> str:
        return " ".join(draw.choices(words, k=max(1, tokens)))

    with path.open("w", encoding="utf-8") as file:
        for index in range(lists):
            kind = KINDS[index % len(KINDS)]
            sizes = (256, 767, 767) if kind == "equal" else (draw.randint(64, 448), *(draw.randint(384, 1152) for _ in "ab"))
            prompt, *responses = (text(round(size * scale)) for size in sizes)
            labels = {letter: draw.sample([0, 1], 2) for letter in "abcdefgh"}
            row = {"prompt": prompt, "responses": [f" {one}" for one in responses], "labels": labels}
            file.write(json.dumps(row) + "\n")


def _plan(tokens: TokenizedLists, kind: str, options: argparse.Namespace) -> list[list[int]]:
    """Full batches of one kind, pass after pass."""
    import torch

    sizes = tokens.response_lengths.view(-1, 2)
    is_equal = sizes[:, 0] == sizes[:, 1]
    chosen = (is_equal if kind == "equal" else ~is_equal).nonzero().squeeze(1)
    generator, plan = torch.Generator().manual_seed(0), list[list[int]]()
    while len(plan) < options.steps * (options.rounds + 1):
        order = chosen[torch.randperm(len(chosen), generator=generator)].tolist()
        plan += [order[start : start + options.batch] for start in range(0, len(order) - options.batch + 1, options.batch)]
    return plan[: options.steps * (options.rounds + 1)]


def results_of(
    found: Mapping[str, Sequence[Mapping[str, Any]]],
    tokens: TokenizedLists,
    plan: Sequence[Sequence[int]],
    turns: Sequence[str],
    options: argparse.Namespace,
) -> dict[str, Any]:
    """The results by kind of pairs; `turns` is the kind of every turn."""
    result: dict[str, Any] = {}
    for kind in KINDS:
        timed = [turn for turn, kind_of_turn in enumerate(turns) if kind_of_turn == kind][1:]  # the first one warms up
        sides: dict[str, Any] = {}
        for name, parts in found.items():
            if len(parts) <= timed[-1]:
                continue
            seconds = [parts[turn]["wall"] / options.steps for turn in timed]
            batches_of_turns = [plan[turn * options.steps : (turn + 1) * options.steps] for turn in timed]
            work = [sum(_operations(tokens, batch, name) for batch in batches) for batches in batches_of_turns]
            sides[name] = {
                "seconds_per_step": summary(seconds),
                "pairs_per_second": summary([options.batch / each for each in seconds]),
                "utilisation": summary([one / (each * options.steps) / PEAK for one, each in zip(work, seconds, strict=True)]),
                "megabytes": max(parts[turn]["peak"] for turn in timed),
                "first_loss": parts[turns.index(kind)]["losses"][0],
            }
            if TRL in sides:
                both = zip(_seconds(found[TRL], timed, options), seconds, strict=True)
                sides[name]["times_trl"] = summary([trl / moft for trl, moft in both])
                sides[name]["share_of_trl_memory"] = sides[name]["megabytes"] / sides[TRL]["megabytes"]
        batches = [batch for turn in timed for batch in plan[turn * options.steps : (turn + 1) * options.steps]]
        result[kind] = {"padding": _paddings(tokens, batches), "sides": sides}
    return result


def _seconds(parts: Sequence[Mapping[str, Any]], timed: Sequence[int], options: argparse.Namespace) -> list[float]:
    return [parts[turn]["wall"] / options.steps for turn in timed]


def _paddings(tokens: TokenizedLists, plan: Sequence[Sequence[int]]) -> dict[str, float]:
    """Mean tokens of a response with its prompt, and the share of padding in TRL's batches."""
    lengths = tokens.response_lengths.view(-1, 2) + tokens.prompt_lengths.unsqueeze(1)  # [lists, 2]
    unpadded = sum(int(lengths[batch].sum()) for batch in plan)
    padded = sum(int(lengths[batch].max()) * lengths[batch].numel() for batch in plan)
    return {"mean_length": unpadded / sum(2 * len(batch) for batch in plan), "trl": 1 - unpadded / padded}


def _operations(tokens: TokenizedLists, batch: Sequence[int], name: str) -> float:
    """Floating-point operations that are necessary for a step on these pairs."""
    hidden, inner, layers = SHAPE["hidden_size"], SHAPE["intermediate_size"], SHAPE["num_hidden_layers"]
    groups = SHAPE["num_key_value_heads"] * hidden // SHAPE["num_attention_heads"]
    frozen = layers * (2 * hidden * hidden + 2 * hidden * groups + 3 * hidden * inner)
    adapted = layers * RANK * (2 * (hidden + hidden) + 2 * (hidden + groups))
    prompts, responses = tokens.prompt_lengths[batch].double(), tokens.response_lengths.view(-1, 2)[batch].double()
    once = 1 if name.startswith("moft") else 2
    processed = float(prompts.sum() * once + responses.sum())
    seen = once * prompts.square() / 2 + (responses * prompts.unsqueeze(1) + responses.square() / 2).sum(1)  # pairs of tokens
    attention = 3 * 2 * 2 * layers * hidden * float(seen.sum())
    head = 2 * 2 * SHAPE["vocab_size"] * hidden * float(responses.sum())
    return 4 * frozen * processed + 6 * adapted * processed + attention + head


def show(found: Mapping[str, Any]) -> None:
    """Prints the tables."""
    for kind, one in found.items():
        rows = [
            [
                name,
                format_summary(side["pairs_per_second"], 1),
                format_summary(side["times_trl"]) if "times_trl" in side else "",
                f"{side['megabytes']:,.0f}",
                f"{side['share_of_trl_memory']:.2f}" if "share_of_trl_memory" in side else "",
                f"{side['utilisation']['median']:.3f}",
                f"{side['first_loss']:.4f}",
            ]
            for name, side in one["sides"].items()
        ]
        padding = one["padding"]
        title = f"{kind}: {padding['mean_length']:.0f} tokens a response with its prompt, {padding['trl']:.0%} padding in TRL"
        print_table(title, ["training", "pairs/s", "times TRL", "MB", "of TRL's", "utilisation", "first loss"], rows)


def main() -> None:
    """Measures, prints the tables, writes JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trl", required=True, help="folder where TRL is installed")
    parser.add_argument("--tokenizer", default=str(data_folder() / MODEL), help="folder of a tokenizer like Llama's")
    parser.add_argument("--model", help="folder of a model of this shape, instead of a new one")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each training and kind, after one to warm up")
    parser.add_argument("--steps", type=int, default=4, help="steps of a turn")
    parser.add_argument("--batch", type=int, default=8, help="pairs of a batch")
    parser.add_argument("--lists", type=int, default=320, help="pairs in total")
    parser.add_argument("--threads", type=int, default=4, help="threads of each training")
    parser.add_argument("--only", nargs="*", help="names of trainings")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--shape", default="{}", help="JSON: changes to the model's config, for a trial run")
    parser.add_argument("--scale", type=float, default=1.0, help="factor on lengths, for a trial run")
    parser.add_argument("--name", default="llm_vs_trl_gpu", help="of the result")
    options = parser.parse_args()
    import torch

    about = {"machine": machine("transformers", "peft"), "trl": "1.16"}
    if torch.cuda.is_available():
        about["gpu"] = torch.cuda.get_device_name()
    SHAPE.update(json.loads(options.shape))
    found = measure(options)
    settings = {name: getattr(options, name) for name in ("rounds", "steps", "batch")}
    write_result(options.name, {**about, **settings, "runs": [found]})
    show(found)


if __name__ == "__main__":
    main()

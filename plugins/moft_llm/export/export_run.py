"""`moft export` of a language model: reads the options, and writes the form that they ask for."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from moft import ConfigError
from moft.api import checked_grid
from moft_llm.export.card_metadata import Provenance
from moft_llm.export.export import export_tradeoff
from moft_llm.export.llama_cpp import export_llama_cpp
from moft_llm.export.option_values import split_values
from moft_llm.export.vllm_folder import export_vllm
from moft_llm.export.weightings import Weighting, export_weightings, named
from moft_llm.generation.opened_llm_run import LLMRun

if TYPE_CHECKING:
    from moft import OpenedRun

FORMS = ("peft", "llama.cpp")
"""Allowed for `--as`."""
MOST_POINTS = 10_000
_USED = {
    "peft": ("as", "weights", "points", "dial", "dtype", "threads"),
    "llama.cpp": ("as", "weights", "points", "threads"),
    "vllm": ("for", "threads"),
}
_PROVENANCE = ("base-id", "license", "dataset")


def export_llm(run: OpenedRun, out: Path, options: Mapping[str, str]) -> list[str]:
    """Writes an export into the folder `out`, completely or not at all.

    Args:
        run: of a language model.
        out: must not exist, or be an empty folder.
        options: those that were given, by name without dashes; see `option_values`.

    Returns: what was written, in lines for the user.

    Raises:
        ConfigError: the run cannot be exported so, or an option is wrong.
        RunError: a file of the run is damaged, or the files cannot be written.
    """
    form = _form(options)
    provenance = Provenance(options.get("base-id"), options.get("license"), split_values(options, "dataset"))
    threads = options.get("threads")
    llm_run = LLMRun(run.folder.path, "moft export", None if threads is None else int(threads), opened=run)
    if form == "vllm":
        return export_vllm(llm_run, out, provenance)
    weightings = _weightings(llm_run, options)
    if form == "llama.cpp":
        return export_llama_cpp(llm_run, weightings, out, provenance)
    if not weightings:
        raise ConfigError("moft export needs --weights, such as --weights 0.5,0.5: an exported model has one tradeoff.")
    dtype = options.get("dtype")
    if len(weightings) == 1 and "points" not in options:
        (only,) = weightings
        return export_tradeoff(llm_run, only.tradeoff, out, dtype, choice=only.choice, provenance=provenance)
    return export_weightings(llm_run, weightings, out, dtype, provenance)


def _form(options: Mapping[str, str]) -> str:
    """`peft`, `llama.cpp` or `vllm`; every option that was given has an effect on it."""
    form = options.get("as")
    if form not in (None, *FORMS):
        raise ConfigError(f"--as {form!r}: language models are exported as {' or '.join(FORMS)}, or --for vllm.")
    if (server := options.get("for")) is not None:
        if server != "vllm":
            raise ConfigError(f"--for {server!r}: must be vllm.")
        if form is not None:
            raise ConfigError("--as and --for: give one of the two.")
    chosen = "vllm" if server else form or "peft"
    for name in options:
        if name not in (*_USED[chosen], *_PROVENANCE):
            why = "which serves any weights, at a dial of 1" if server else "which has scales for any weights, at a dial of 1"
            raise ConfigError(f"--{name} has no effect on an export for {chosen}, {why}. Leave it out.")
    return chosen


def _weightings(llm_run: LLMRun, options: Mapping[str, str]) -> list[Weighting]:
    """The weightings that `--weights` and `--points` ask for, in this order, each once."""
    opened, dial = llm_run.opened, options.get("dial")
    texts = split_values(options, "weights")
    if "points" in options:
        points = int(options["points"])
        if not 1 <= points <= MOST_POINTS:
            raise ConfigError(f"--points {points}: must be from 1 to {MOST_POINTS:,}.")
        count = len(opened.names)
        try:
            grid = checked_grid(opened.settings.profile.grid(count), points, count)
        except ConfigError as error:
            raise ConfigError(f"--points {points}: {error}") from error
        texts += [",".join(f"{weight:.8g}" for weight in row) for row in grid.double().tolist()]
    tradeoffs = [opened.tradeoff(text, dial) for text in texts]
    weightings = named(tradeoffs, [opened.choice_of(text) for text in texts])
    notes = dict.fromkeys(note for each in weightings for note in opened.substitutions(each.tradeoff))
    for note in notes:
        print(f"moft: note: {note}", file=sys.stderr)
    return weightings

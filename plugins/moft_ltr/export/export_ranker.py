"""`moft export` of a ranker: checks what was asked for, makes the model, compares its scores, and writes the folder."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from moft import ConfigError
from moft.api import BoostedTrees, Tradeoff, atomic_folder, import_lightgbm
from moft_ltr.base.base_source import BaseSource, RankerReader
from moft_ltr.export.example_rows import ExampleCase, example_case, example_rows
from moft_ltr.export.export_folder import write_export
from moft_ltr.export.exported import Exported
from moft_ltr.export.exported_policy import ExportedPolicy, exported_policy
from moft_ltr.export.lightgbm_files import check_models, json_dump, lightgbm_models
from moft_ltr.export.onnx_file import check_model, import_onnx, onnx_model
from moft_ltr.task import LTR

if TYPE_CHECKING:
    from moft import OpenedRun

FORMS = ("lightgbm", "onnx")
"""Allowed for `--as`."""


def export_ranker(run: OpenedRun, out: Path, options: Mapping[str, str]) -> list[str] | None:
    """Writes an export into the folder `out`, completely or not at all; None for a run of another task.

    Args:
        run: to export.
        out: must not exist, or be an empty folder.
        options: those that were given, by name without dashes.

    Returns: what was written, in lines for the user.

    Raises:
        ConfigError: the run cannot be exported so, or an option is wrong.
        RunError: a file of the run is damaged, or the export gives other scores than the run.
    """
    task = run.task
    if not isinstance(task, LTR):
        return None
    form, tradeoff, dial = _checked(run, options)
    import_onnx() if form == "onnx" else import_lightgbm("--as lightgbm")
    for note in () if tradeoff is None else run.substitutions(tradeoff):
        print(f"moft: note: {note}", file=sys.stderr)
    reader = task.array_reader()
    base = reader.base()
    policy, rows = exported_policy(run, tradeoff), example_rows(reader, base)
    cases = _cases(run, rows, tradeoff, dial, is_input=form == "onnx")
    if form == "onnx":
        files = _onnx(run, policy, reader, base, rows, cases)
    else:
        models = lightgbm_models(policy, reader, base, run.names, dial)
        check_models(models, rows, cases)
        written = {stem: {"txt": text, "json": json_dump(text)} for stem, text in models.items()}
        files = {f"{stem}.{end}": text.encode() for stem, texts in written.items() for end, text in texts.items()}
    chosen = run.choice_of(options["weights"]) if "weights" in options else None
    choices = {name: (choice.weights, choice.dial) for name, choice in run.choices().items()}
    what = Exported(form, run, policy, reader, base, rows, cases, choices, list(files), chosen)
    with atomic_folder(out) as folder:
        for name, content in files.items():
            (folder / name).write_bytes(content)
        write_export(folder, what)
    at = "any weights" if tradeoff is None else ", ".join(f"{name} {value:.4g}" for name, value in cases[0].weights.items())
    shown = ", ".join(str(out / name) for name in files if not name.endswith(".json"))
    return [
        f"{shown}: the policy at {at}. {out / 'README.md'} says how to use it, and {out / 'check.py'} checks it without moft."
    ]


def _checked(run: OpenedRun, options: Mapping[str, str]) -> tuple[str, Tradeoff | None, float]:
    """The form, the tradeoff of a frozen export, and the dial that is inside of a steerable one."""
    for name in options:
        if name not in ("as", "weights", "dial"):
            raise ConfigError(f"--{name} has no effect on the export of a ranker. Leave it out.")
    form, weights, dial = (options.get(name) for name in ("as", "weights", "dial"))
    if form not in FORMS:
        needed = "the export of a ranker needs --as" if form is None else f"--as {form!r}: must be"
        raise ConfigError(f"{needed} {' or '.join(FORMS)}.")
    if form == "lightgbm" and not any(isinstance(part, BoostedTrees) for part in run.policy.modules()):
        raise ConfigError("--as lightgbm: the policy of this run is a network, not trees; use --as onnx.")
    if weights is not None and ";" in weights:
        raise ConfigError("--weights: a ranker is exported at any weights, or fixed at one weighting; give it once.")
    if weights is not None:
        return form, run.tradeoff(weights, dial), 1.0
    if dial is None:
        return form, None, 1.0
    if form == "onnx":
        raise ConfigError("--dial is an input of an ONNX model; leave it out, or give --weights to export one tradeoff.")
    count = len(run.names)
    tradeoff = run.tradeoffs([([1 / count] * count, dial, "--dial")])
    run.policy.magnitude(tradeoff)
    return form, None, float((tradeoff.betas / run.trained_betas)[0, 0])


def _cases(
    run: OpenedRun, rows: NDArray[np.float32], tradeoff: Tradeoff | None, dial: float, *, is_input: bool
) -> list[ExampleCase]:
    """The scores of the example rows at the tradeoff of a frozen export, or at some tradeoffs of a steerable one."""
    count = len(run.names)
    if tradeoff is not None:
        weights = [round(weight, 8) for weight in tradeoff.weights[0].tolist()]
        return [example_case(run, rows, weights, (tradeoff.betas / run.trained_betas)[0].tolist())]
    vertices = [[float(place == own) for place in range(count)] for own in range(count)]
    middle = [round(1 / count, 8)] * count
    at_dial = [example_case(run, rows, weights, [dial]) for weights in (*vertices, middle)]
    return [*at_dial, example_case(run, rows, middle, [2.0])] if is_input else at_dial


def _onnx(
    run: OpenedRun,
    policy: ExportedPolicy,
    reader: RankerReader,
    base: BaseSource,
    rows: NDArray[np.float32],
    cases: Sequence[ExampleCase],
) -> dict[str, bytes]:
    """The file of ONNX, checked with several lists of another length, too."""
    content = onnx_model(policy, reader, base, run.names)
    factors = [list(case.dials) for case in cases]
    for count in (len(rows), 3, 1):
        short = [
            example_case(run, rows[:count], list(case.weights.values()), dials)
            for case, dials in zip(cases, factors, strict=True)
        ]
        check_model(content, rows[:count], short)
    return {"model.onnx": content}

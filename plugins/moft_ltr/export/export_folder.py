"""Writes what stands beside an exported model: a page, the features, examples, a check script and snippets."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from moft.api import redacted
from moft_ltr.export import check_scripts
from moft_ltr.export.exported import Exported
from moft_ltr.export.serving_snippets import triton_config, vespa_profile

MEASURED = ("front.csv", "front.png")
"""Files of a run that are copied, if it has them."""

_PAGE = """\
# {name}, exported {how}

A ranker that moft {version} trained for {objectives}. {what}

**Check it:** `python check.py` scores the rows of `examples.json` without moft, and compares them with moft's scores. It needs
numpy and {package}.

## Inputs

{inputs}

- `features.json` has the names of the features, in order{names}.
- **A missing value is NaN**, and never 0. Only what a line of svmlight text leaves out is 0, as in training.
- Numbers have 32 bits. They are those of your data: what training did to them happens inside.
{more}
## Weights

{weights}
{choices}
{front}
Scores of different queries, or of one query at different weights, are not on a common scale. Compare them within one query.

## Where it runs

{places}
"""


CHOICE = "choice.json"


def write_export(folder: Path, export: Exported) -> None:
    """Writes the files into `folder`, in which the models are already."""
    source = export.run.folder.path
    front = [name for name in MEASURED if (source / name).is_file()]
    for name in front:
        shutil.copyfile(source / name, folder / name)
    texts = {"check.py": _script(export), "vespa.profile": vespa_profile(export), "config.pbtxt": triton_config(export)}
    texts |= {"features.json": _json(export.record()), "examples.json": _json(export.examples())}
    if export.chosen is not None:
        texts[CHOICE] = _json({"name": export.chosen.name, **export.chosen.record})
    texts["README.md"] = _page(export, front, {name for name, text in texts.items() if text is not None})
    for name, text in texts.items():
        if text is not None:
            (folder / name).write_text(redacted(text), encoding="utf-8")


def _script(export: Exported) -> str:
    if export.form == "onnx":
        return check_scripts.ONNX
    if export.is_sum:
        return check_scripts.SUMMED
    return check_scripts.STEERED if export.is_steered else check_scripts.FROZEN


def _json(content: Any) -> str:
    """JSON with null for NaN."""
    return json.dumps(json.loads(json.dumps(content), parse_constant=lambda _: None), indent=1, ensure_ascii=False) + "\n"


def _page(export: Exported, front: list[str], files: set[str]) -> str:
    """The content of `README.md`."""
    record, is_onnx = export.record(), export.form == "onnx"
    has_base_scores = "base_scores" in record
    base = "has to be given as `base_scores`" if has_base_scores else f"({record['base']}) is inside"
    what = f"The base ranker {base}."
    if export.reads_lists:
        what += " The model reads all documents of a query together: score all candidates of a query in one list."
    else:
        what += " The model scores each document by itself."
    return _PAGE.format(
        name=export.name,
        how="as ONNX" if is_onnx else "for LightGBM",
        version=record["moft"],
        objectives=", ".join(export.run.names),
        what=what,
        package="onnxruntime" if is_onnx else "lightgbm",
        inputs=_onnx_inputs(export, has_base_scores) if is_onnx else _lightgbm_inputs(export),
        names="" if is_onnx else "; `in_model` is what the model calls a feature, since LightGBM takes few signs in names",
        more=_categories(export),
        weights=_weights(export),
        choices=_choices(export),
        front=_front(export, front),
        places=_places(export, files),
    )


def _onnx_inputs(export: Exported, has_base_scores: bool) -> str:
    m, d = len(export.run.names), len(export.columns)
    rows = [
        ("features", f"[batch, list, {d}]", "the features of each document of each query"),
        ("mask", "[batch, list]", "1 for a document, 0 where a shorter list is filled up"),
    ]
    if export.is_steered:
        rows += [
            ("weights", f"[batch, {m}]", f"for each query, the weights of {', '.join(export.run.names)}, which sum to 1"),
            ("dial", "[batch]", "for each query, 1 as trained; larger is closer to the base ranker"),
        ]
    if has_base_scores:
        rows.append(("base_scores", "[batch, list]", f"of each document, as in the column {export.reader.features[-1]}"))
    lines = ["| input of `model.onnx`, float32 | shape | content |", "|---|---|---|"]
    lines += [f"| `{name}` | `{shape}` | {content} |" for name, shape, content in rows]
    return "\n".join([*lines, "", "The output `scores [batch, list]` has the scores, with 0 where there is no document."])


def _lightgbm_inputs(export: Exported) -> str:
    files = ", ".join(f"`{name}`" for name in export.files)
    rows = f"`predict` takes a row for each document, with the {len(export.columns)} features"
    if export.is_sum:
        names = " + ".join(["base", *(f"weight of {name} x {name}" for name in export.run.names)])
        return f"{files}: one model of the base ranker, and one for each objective. {rows}. The score is {names}."
    if export.is_steered:
        rows += f", and then the weights of {', '.join(export.run.names)}, the same for all documents of a query"
    return f"{files}: the same model as text and as JSON (`dump_model`). {rows}."


def _categories(export: Exported) -> str:
    known = [name for name in export.columns if name in export.reader.categories]
    if not known:
        return ""
    return (
        f"- {', '.join(f'`{name}`' for name in known)}: the number, from 0, of the category in the list `categories` in "
        "`features.json`. Any other number is a category that training did not have.\n"
    )


def _weights(export: Exported) -> str:
    record = export.record()
    if not export.is_steered:
        at = ", ".join(f"{name} {value:.4g}" for name, value in record["weights"].items())
        return f"This export is fixed at {at}, at a dial of {_plain(record['dial'])}."
    text = "Any weights of the objectives that are not negative and sum to 1, which the model does not check."
    return (
        text if export.form == "onnx" else f"{text} The dial is {_plain(record['dial'])}; another one needs an export of its own."
    )


def _plain(dial: float | list[float]) -> str:
    return " and ".join(f"{each:.6g}" for each in dial) + ", in this order" if isinstance(dial, list) else f"{dial:.6g}"


def _choices(export: Exported) -> str:
    if export.chosen is not None:
        return f"\nThese are the weights of the choice `{export.chosen.name}`. `{CHOICE}` has its wish and its outcomes.\n"
    if not export.choices or not export.is_steered:
        return ""
    names = export.run.names
    lines = ["Weights that were chosen by their outcome:", "", f"| choice | {' | '.join(names)} | dial |"]
    lines.append("|---" * (len(names) + 2) + "|")
    for name, (weights, dial) in export.choices.items():
        lines.append(f"| {name} | {' | '.join(f'{weights[each]:.6g}' for each in names)} | {dial:.6g} |")
    return "\n" + "\n".join(lines) + "\n"


def _front(export: Exported, front: list[str]) -> str:
    if "front.csv" not in front:
        return "The run had not been measured when this was exported.\n"
    picture = "\n\n![The front](front.png)" if "front.png" in front else ""
    return f"`front.csv` has what the run measured at some weights, and of the base ranker, with intervals.{picture}\n"


def _places(export: Exported, files: set[str]) -> str:
    text = {
        "onnx": "- ONNX Runtime 1.18 or later, in any language.\n",
        "lightgbm": "- LightGBM, in any language, and what reads its files.\n",
    }[export.form]
    if "config.pbtxt" in files:
        text += "- Triton: `config.pbtxt` is the configuration of the model.\n"
    else:
        text += "- Triton: not as it is, since the score is a sum over several models.\n"
    if "vespa.profile" in files:
        text += "- Vespa: `vespa.profile` has a rank profile.\n"
    else:
        text += (
            "- Vespa: not in a rank profile, which scores one document at a time, while this model reads those of a query "
            "together. Call it from a searcher, by stateless model evaluation.\n"
        )
    return text + (
        "- Elasticsearch and OpenSearch: no. Their plugins for learning to rank read models of RankLib and XGBoost, neither of "
        "which this is. Score the documents that they return outside of them."
    )

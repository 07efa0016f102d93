"""Tables of the measurements that stand in `benchmarks/results/`."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from moft_docs.markdown import table
from moft_docs.tables import conditioner_tables, dial_table, gpu_tables, story_method_tables, story_tables

BENCHMARKS = Path(__file__).resolve().parents[3] / "benchmarks"
KEYS = {"machine", "seeds", "folds", "split"}
"""What is said in the line below the tables."""


def paper_table(_: str = "", *, folder: Path = BENCHMARKS) -> str:
    """The paper's table 1 beside ours."""
    path = folder / "results" / "methods-mslr.json"
    return paper_rows(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else "*Not measured here.*"


def benchmark_results(name: str, *, folder: Path = BENCHMARKS) -> str:
    """The tables of `results/NAME.json`, or a sentence that says it has not been measured here."""
    path = folder / "results" / f"{name}.json"
    if not path.exists():
        return f"*Not measured yet: there is no `benchmarks/results/{name}.json`.*"
    content = json.loads(path.read_text(encoding="utf-8"))
    return FORMS.get(name, plain_tables)(content) + f"\n\n{measured_on(content)}"


def other_results(_: str = "", *, folder: Path = BENCHMARKS) -> str:
    """A section for every result that has no page or table of its own."""
    names = sorted(path.stem for path in (folder / "results").glob("*.json") if path.stem not in FORMS)
    if not names:
        return "*No further results are there.*"
    return "\n\n".join(f"### `{name}`\n\n{_about(folder, name)}\n\n{benchmark_results(name, folder=folder)}" for name in names)


def vertex_tables(content: Mapping[str, Any]) -> str:
    """Vertex ratios of every variant, then the values behind them."""
    variants = content["variants"]
    names = next(iter(variants.values()))["objectives"]
    ratios, values = [], []
    for variant, found in variants.items():
        low, high = found["hypervolume_ci"]
        ratios.append(
            [
                variant,
                *map(_two, found["ratio"]),
                _two(min(found["ratio"])),
                f"{1000 * found['hypervolume']:.2f} [{1000 * low:.2f}, {1000 * high:.2f}]",
                f"{found['main']:.3f}",
                f"{found['seconds']:.1f}",
            ]
        )
        values.append([variant, *(f"{value:.3f}" for value in found["policy"])])
    first = next(iter(variants.values()))
    values += [
        [label, *(f"{value:.3f}" for value in first[key])]
        for label, key in (("dedicated models", "dedicated"), ("base ranker", "base"))
    ]
    headers = ["variant", *names, "lowest", "hypervolume / 1e-3", "main", "seconds"]
    parts = [
        "Vertex ratios: each objective at its vertex, policy over dedicated model.",
        table(headers, ratios, numbers=True),
        f"NDCG@10 of each objective at its vertex (dedicated models and base ranker are those of *{next(iter(variants))}*):",
        table(["variant", *names], values, numbers=True),
    ]
    if len(variants) == 1:
        intervals = [
            [name, _between(ratio, ci), f"[{gain[0]:+.3f}, {gain[1]:+.3f}]"]
            for name, ratio, ci, gain in zip(names, first["ratio"], first["ratio_ci"], first["above_base_ci"], strict=True)
        ]
        parts += [
            "With 95 % intervals:",
            table(["objective", "vertex ratio", "policy minus base ranker"], intervals, numbers=True),
        ]
    return "\n\n".join(parts)


def dedicated_model_table(content: Mapping[str, Any]) -> str:
    """One policy against eleven dedicated models."""
    rows = [
        ["hypervolume, policy over 11 dedicated models, 95 % interval", _between(content["ratio"], content["ratio_ci"], 3)],
        ["the same, lowest of the seeds", f"{content['ratio_least']:.3f}"],
        ["seconds, policy", f"{content['policy_seconds']:.1f}"],
        ["seconds, 11 dedicated models", f"{content['dedicated_seconds']:.1f}"],
        ["time, policy over 11 dedicated models", f"{content['share_of_time']:.3f}"],
        ["monotonicity, by seed", ", ".join(f"{value:.3f}" for value in content["monotonicity"])],
        ["training queries", f"{content['lists']:,}"],
    ]
    return table(["what", "measured"], rows, numbers=True)


def method_tables(content: Mapping[str, Any]) -> str:
    """The methods side by side, then what is said of Weight-COS against each of the others."""
    rows = [
        [
            name,
            _scaled(entry["hypervolume"]["value"], entry["hypervolume"]["ci"]),
            f"{entry['main']['value']:.4f} ± {entry['main']['deviation']:.3f}",
            *(f"{entry['indicators'][key]:.3f}" for key in ("spacing", "coverage", "monotonicity")),
            f"{entry['cost']['jobs']:g}",
            f"{entry['cost']['seconds']:.1f}",
            f"{entry['cost']['separate_seconds']:.1f}",
            f"{entry['cost']['parameters']:,.0f}",
        ]
        for name, entry in content["entries"].items()
    ]
    headers = ["method", "hypervolume / 1e-3", "main ± over the front", "spacing", "coverage", "monotonicity"]
    said = []
    for verdict in content["verdicts"]:
        is_first = verdict["first"] == "cos-dpo"
        sign, other = (1, verdict["second"]) if is_first else (-1, verdict["first"])
        ends = verdict["ci"] or [float("nan")] * 2
        low, high = ends if is_first else [-ends[1], -ends[0]]
        side = "significantly above" if sign * verdict["difference"] > 0 else "significantly below"
        words = side if verdict["is_distinct"] else "not significantly different"
        said.append(
            [
                verdict["measure"],
                other,
                f"{sign * verdict['difference']:+.3g}",
                f"[{low:+.3g}, {high:+.3g}]",
                words,
                f"{verdict['p']:.2g}",
            ]
        )
    return "\n\n".join(
        [
            table([*headers, "jobs", "seconds", "seconds of separate jobs", "parameters"], rows, numbers=True),
            f"cos-dpo takes {content['share_of_time']:.3f} of the seconds of the separate jobs of dpo-ls.",
            table(["measure", "cos-dpo against", "difference", "95 % interval", "cos-dpo is", "p"], said, numbers=True),
            f"{content['lists']:,} queries, {len(content['objectives'])} objectives. {content['adjustment']}.",
        ]
    )


def optima_table(content: Mapping[str, Any]) -> str:
    """What the two kinds of optima reach."""
    rows = [
        [f"m = {m}", name, f"{volume:.4f}", f"{main:.4f}"]
        for m, found in content["found"].items()
        for name, (volume, main) in found.items()
    ]
    return table(["objectives", "optimum", "hypervolume", "mean main"], rows, numbers=True)


def paper_rows(content: Mapping[str, Any]) -> str:
    """Table 1 of the paper, its numbers beside those of `results/methods-mslr.json`."""
    names = ("dpo-ls", "dpo-soup", "mo-dpo", "cos-dpo")
    ours = [content["entries"][name] for name in names]
    rows = [
        ["hypervolume, paper", "1.648e-3", "1.468e-3", "1.263e-3", "2.039e-3"],
        ["hypervolume, here", *(f"{entry['hypervolume']['value']:.3e}" for entry in ours)],
        ["main NDCG@10 over the front, paper", "0.355 ± 0.029", "0.382 ± 0.032", "0.360 ± 0.024", "0.432 ± 0.028"],
        [
            "main NDCG@10 over the front, here",
            *(f"{entry['main']['value']:.3f} ± {entry['main']['deviation']:.3f}" for entry in ours),
        ],
        ["seconds, paper", "14,649", "6,062", "27,060", "4,043"],
        ["seconds of separate jobs, here", *(f"{entry['cost']['separate_seconds']:,.0f}" for entry in ours)],
        ["parameters, paper", "551,232", "250,615", "801,792", "50,432"],
        ["parameters, here", *(f"{entry['cost']['parameters']:,.0f}" for entry in ours)],
    ]
    return table(["", "DPO-LS", "DPO Soup", "MO-DPO", "Weight-COS-DPO"], rows, numbers=True)


def plain_tables(content: Mapping[str, Any]) -> str:
    """Any result: single values together, then a table for each mapping."""
    rest = {key: value for key, value in content.items() if key not in KEYS}
    single = {key: value for key, value in rest.items() if not isinstance(value, Mapping) and not _is_rows(value)}
    parts = [table(["what", "value"], [[_words(key), _shown(value)] for key, value in single.items()])] if single else []
    for key, value in rest.items():
        if isinstance(value, Mapping):
            parts += [f"**{_words(key)}**", _mapping(value)]
        elif _is_rows(value):
            columns = list(dict.fromkeys(name for row in value for name in row))
            body = [[_shown(row[name]) if name in row else "" for name in columns] for row in value]
            parts += [f"**{_words(key)}**", table(list(map(_words, columns)), body, numbers=True)]
    return "\n\n".join(parts)


def measured_on(content: Mapping[str, Any]) -> str:
    """How often, on what, and when."""
    setup = content.get("setup", content)
    words = [f"{setup[key]} {key if setup[key] != 1 else key[:-1]}" for key in ("seeds", "folds") if setup.get(key)]
    words += [f"{setup['split']} split"] if "split" in setup else []
    machine = content.get("machine", {})
    if machine:
        packages = ", ".join(f"{name} {version}" for name, version in machine.get("packages", {}).items())
        words += [content["gpu"]] if "gpu" in content else []
        words.append(f"{machine['processor']}, {machine['cores']} cores, Python {machine['python']}, {packages}")
        words.append(machine["date"])
    return f"*Measured: {'; '.join(words)}.*" if words else ""


def _mapping(content: Mapping[str, Any]) -> str:
    """A table of named values, summaries, or rows of named values."""
    rows = list(content.items())
    if rows and all(isinstance(value, Mapping) and not _is_summary(value) for _, value in rows):
        columns = list(dict.fromkeys(key for _, value in rows for key in value))
        body = [[name, *(_shown(value[key]) if key in value else "" for key in columns)] for name, value in rows]
        return table(["", *map(_words, columns)], body, numbers=True)
    has_target = any(_is_summary(value) and value.get("target") is not None for _, value in rows)
    body = [[name, _shown(value), *([_target(value)] if has_target else [])] for name, value in rows]
    return table(["what", "measured", *(["target"] if has_target else [])], body, numbers=True)


def _is_rows(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, Mapping) and not _is_summary(row) for row in value)


def _is_summary(value: Any) -> bool:
    return isinstance(value, Mapping) and {"median", "low", "high"} <= set(value)


def _target(value: Any) -> str:
    target = value.get("target") if isinstance(value, Mapping) else None
    return "" if target is None else f"{target:g}"


def _shown(value: Any) -> str:
    if _is_summary(value):
        return f"{_number(value['median'])} ({_number(value['low'])} to {_number(value['high'])})"
    if isinstance(value, Mapping):
        return ", ".join(f"{_words(key)} {_shown(entry)}" for key, entry in value.items())
    if isinstance(value, list):
        return (
            ", ".join(map(_shown, value))
            if not any(isinstance(entry, list | Mapping) for entry in value)
            else f"{len(value)} rows, in the file"
        )
    return _number(value) if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _scaled(value: float, ci: Sequence[float]) -> str:
    return f"{1000 * value:.4g} [{1000 * ci[0]:.4g}, {1000 * ci[1]:.4g}]"


def _two(value: float) -> str:
    return f"{value:.2f}"


def _between(value: float, ci: Sequence[float], digits: int = 2) -> str:
    return f"{value:.{digits}f} [{ci[0]:.{digits}f}, {ci[1]:.{digits}f}]"


def _words(key: str) -> str:
    return key.replace("_", " ")


def _about(folder: Path, name: str) -> str:
    """What the program that wrote a result says of itself, and its code for those who want more."""
    program = next((path for stem in (name, name.replace("-", "_")) if (path := folder / f"{stem}.py").exists()), None)
    if program is None:
        return ""
    text = ast.get_docstring(ast.parse(program.read_text(encoding="utf-8"))) or ""
    first, _, _ = text.partition("\n\n")
    return f"{first} (`benchmarks/{program.name}`)"


FORMS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "loss-optima": optima_table,
    "vertices": vertex_tables,
    "vertices-study": vertex_tables,
    "dedicated-models": dedicated_model_table,
    "methods-mslr": method_tables,
    "methods-synthetic-2": method_tables,
    "methods-synthetic-5": method_tables,
    "models-at-once": plain_tables,
    "dial": plain_tables,
    "llm_vs_trl": plain_tables,
    "llm_step_cost": plain_tables,
    "llm_vs_trl_gpu": gpu_tables,
    "llm-steering": story_tables,
    "llm-steering-seed-1": story_tables,
    "llm-steering-seed-2": story_tables,
    "llm-steering-hpt": story_tables,
    "llm-steering-hyper-lora": story_tables,
    "llm-dial": dial_table,
    "llm-methods": story_method_tables,
    "llm-methods-validation": story_method_tables,
    "llm-methods-sft": story_method_tables,
    "conditioners-mslr-validation": conditioner_tables,
    "conditioners-mslr-test": conditioner_tables,
    "conditioners-synthetic-5-test": conditioner_tables,
}

"""Tables of results of rankers: methods, vertices, conditioners, and the paper's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from moft_docs.formats import between, name_of, p_value, thousandfold
from moft_docs.markdown import table

HYPERVOLUME = "hypervolume / 1e-3"
NUMERALS = ("I", "II", "III", "IV", "V", "VI", "VII", "VIII")


def vertex_tables(content: Mapping[str, Any]) -> str:
    """Vertex ratios of every variant, then the values behind them."""
    variants = content["variants"]
    label, first = next(iter(variants.items()))
    names = first["objectives"]
    ratios = [
        [
            variant,
            *(f"{ratio:.2f}" for ratio in found["ratio"]),
            f"{min(found['ratio']):.2f}",
            between(1000 * found["hypervolume"], [1000 * end for end in found["hypervolume_ci"]]),
            f"{found['main']:.3f}",
            f"{found['seconds']:.1f}",
        ]
        for variant, found in variants.items()
    ]
    values = [[variant, *(f"{value:.3f}" for value in found["policy"])] for variant, found in variants.items()]
    values += [
        [label, *(f"{value:.3f}" for value in first[key])]
        for label, key in (("dedicated models", "dedicated"), ("base ranker", "base"))
    ]
    parts = [
        "Vertex ratio: the value of the policy at the vertex of an objective, divided by that of a dedicated model.",
        table(["variant", *names, "lowest", HYPERVOLUME, "main", "seconds"], ratios, numbers=True),
        f"NDCG@10 of each objective at its vertex. Dedicated models and base ranker are those of *{label}*.",
        table(["variant", *names], values, numbers=True),
    ]
    if len(variants) == 1:
        intervals = [
            [name, between(ratio, ci), f"[{gain[0]:+.3f}, {gain[1]:+.3f}]"]
            for name, ratio, ci, gain in zip(names, first["ratio"], first["ratio_ci"], first["above_base_ci"], strict=True)
        ]
        parts += ["95 % intervals:", table(["objective", "vertex ratio", "policy minus base ranker"], intervals, numbers=True)]
    return "\n\n".join(parts)


def dedicated_models_table(content: Mapping[str, Any]) -> str:
    """One policy beside eleven dedicated models."""
    rows = [
        ["hypervolume, relative to 11 dedicated models (95 % interval)", between(content["ratio"], content["ratio_ci"], 3)],
        ["the same, lowest of the seeds", f"{content['ratio_least']:.3f}"],
        ["seconds, one policy", f"{content['policy_seconds']:.1f}"],
        ["seconds, 11 dedicated models", f"{content['dedicated_seconds']:.1f}"],
        ["training time, relative to 11 dedicated models", f"{content['share_of_time']:.3f}"],
        ["monotonicity, each seed", ", ".join(f"{value:.3f}" for value in content["monotonicity"])],
        ["training queries", f"{content['lists']:,}"],
    ]
    return table(["", "measured"], rows, numbers=True)


def method_tables(content: Mapping[str, Any]) -> str:
    """The methods side by side, then the differences between the first of them and each of the others."""
    entries = content["entries"]
    rows = [
        [
            name_of(name),
            thousandfold(entry["hypervolume"]),
            f"{entry['main']['value']:.4f} ± {entry['main']['deviation']:.3f}",
            *(f"{entry['indicators'][key]:.3f}" for key in ("spacing", "coverage", "monotonicity")),
            f"{entry['cost']['jobs']:g}",
            f"{entry['cost']['seconds']:.1f}",
            f"{entry['cost']['separate_seconds']:.1f}",
            f"{entry['cost']['parameters']:,.0f}",
        ]
        for name, entry in entries.items()
    ]
    headers = ["method", HYPERVOLUME, "main ± over the front", "spacing", "coverage", "monotonicity"]
    one, against = list(entries)[:2]
    return "\n\n".join(
        [
            table([*headers, "jobs", "seconds", "seconds, one by one", "parameters"], rows, numbers=True),
            f"Training `{one}` takes {content['share_of_time']:.3f} of the time of the jobs of `{against}`, one by one.",
            f"Paired differences, `{one}` minus each other method:",
            _differences(content["verdicts"], one),
            f"{content['lists']:,} lists, {len(content['objectives'])} objectives. {content['adjustment']}.",
        ]
    )


def loss_optima_table(content: Mapping[str, Any]) -> str:
    """What the two kinds of optima reach."""
    rows = [
        [f"{m} objectives, {name}", f"{volume:.4f}", f"{main:.4f}"]
        for m, found in content["found"].items()
        for name, (volume, main) in found.items()
    ]
    return table(["optimum", "hypervolume", "mean main"], rows, numbers=True)


def paper_rows(content: Mapping[str, Any]) -> str:
    """Table 1 of the paper, its numbers beside those measured here."""
    names = ("dpo-ls", "dpo-soup", "mo-dpo", "cos-dpo")
    ours = [content["entries"][name] for name in names]
    rows = [
        [f"{HYPERVOLUME}, paper", "1.648", "1.468", "1.263", "2.039"],
        [f"{HYPERVOLUME}, here", *(f"{1000 * entry['hypervolume']['value']:.3f}" for entry in ours)],
        ["main NDCG@10 ± over the front, paper", "0.355 ± 0.029", "0.382 ± 0.032", "0.360 ± 0.024", "0.432 ± 0.028"],
        [
            "main NDCG@10 ± over the front, here",
            *(f"{entry['main']['value']:.3f} ± {entry['main']['deviation']:.3f}" for entry in ours),
        ],
        ["seconds, paper", "14,649", "6,062", "27,060", "4,043"],
        ["seconds, one by one, here", *(f"{entry['cost']['separate_seconds']:,.0f}" for entry in ours)],
        ["parameters, paper", "551,232", "250,615", "801,792", "50,432"],
        ["parameters, here", *(f"{entry['cost']['parameters']:,.0f}" for entry in ours)],
    ]
    return table(["", "DPO-LS", "DPO Soup", "MO-DPO", "Weight-COS-DPO"], rows, numbers=True)


def conditioner_tables(content: Mapping[str, Any]) -> str:
    """Hypervolume, vertex ratios and cost of every conditioner."""
    rows = [
        [
            name_of(name),
            thousandfold({"value": found["hypervolume"], "ci": found["hypervolume_ci"]}),
            thousandfold({"value": found["more_than_concat"], "ci": found["more_than_concat_ci"]}),
            *(f"{value:.2f}" for value in found["ratio"]),
            f"{min(found['ratio']):.2f}",
            f"{found['monotonicity']:.2f}",
            f"{found['main']:.3f}",
            f"{found['parameters']:,}",
            f"{found['seconds_to_concat']:.2f}",
        ]
        for name, found in content["variants"].items()
    ]
    numerals = NUMERALS[: len(next(iter(content["variants"].values()))["ratio"])]
    headers = ["conditioner", HYPERVOLUME, "more than concat", *numerals, "lowest", "monotonicity", "main"]
    return table([*headers, "parameters", "time beside concat"], rows, numbers=True)


def _differences(verdicts: list[Mapping[str, Any]], one: str) -> str:
    """The differences between one entry and the others, with what the verdict on each is."""
    rows = []
    for verdict in verdicts:
        if one not in (verdict["first"], verdict["second"]):
            continue
        is_first = verdict["first"] == one
        sign, other = (1, verdict["second"]) if is_first else (-1, verdict["first"])
        ends = verdict["ci"] or [float("nan")] * 2
        low, high = ends if is_first else [-ends[1], -ends[0]]
        difference = sign * verdict["difference"]
        result = f"`{one}` is {'higher' if difference > 0 else 'lower'}" if verdict["is_significant"] else "not significant"
        interval = f"[{low:+.3g}, {high:+.3g}]"
        rows.append([verdict["measure"], f"`{other}`", f"{difference:+.3g}", interval, p_value(verdict["p"]), result])
    return table(["measure", "against", "difference", "95 % interval", "p", "result"], rows, numbers=True, words=(0, 1, 5))


def curve_tables(content: Mapping[str, Any]) -> str:
    """What each method reaches along its dial or share, then the differences between the first curve and each other."""
    rows = [
        [
            name if index == 0 else "",
            f"{point['place']:g}",
            thousandfold({"value": point["hypervolume"], "ci": point["hypervolume_ci"]}),
            between(point["main"], point["main_ci"], 3),
            thousandfold({"value": point["with_main"], "ci": point["with_main_ci"]}),
        ]
        for name, curve in content["curves"].items()
        for index, point in enumerate(curve["points"])
    ]
    one = next(iter(content["curves"]))
    verdicts = [
        [name, f"{place:.3f}", f"{1000 * middle:+.2f} [{1000 * low:+.2f}, {1000 * high:+.2f}]"]
        for name, verdict in content["verdicts"].items()
        for place, middle, (low, high) in zip(verdict["main"], verdict["difference"], verdict["ci"], strict=True)
    ]
    ratio = content["with_main_ratio"]
    vertices, best = (
        ", ".join(between(value, ci) for value, ci in zip(content[key]["value"], content[key]["ci"], strict=True))
        for key in ("vertex_ratio", "vertex_ratio_of_best")
    )
    seconds = [[name, f"{curve['seconds']:.1f}"] for name, curve in content["curves"].items()]
    return "\n\n".join(
        [
            table(["method", "dial or share", HYPERVOLUME, "main", "hypervolume with main / 1e-3"], rows, numbers=True),
            f"Hypervolume of `{one}` minus that of another method, at the same mean main value, in 1e-3:",
            table(["method", "main", "difference"], verdicts, numbers=True),
            "Training, processor seconds of all points of a curve:",
            table(["method", "seconds"], seconds, numbers=True),
            f"Best hypervolume with main, of `{one}` over that of `lightgbm-ls`: {between(ratio['value'], ratio['ci'])}. "
            f"Training time over that of `lightgbm-ls`: {content['share_of_time']:.2f} for the whole curves, "
            f"{content['share_of_time_of_one']:.2f} for one share of it. Vertex ratios to dedicated trees: at dial 1 "
            f"{vertices}; at the best dial of each {best}. Monotonicity: {content['monotonicity']:.3f}.",
        ]
    )


def choice_tables(content: Mapping[str, Any]) -> str:
    """How often chosen tradeoffs kept their bounds, and how far predictions of unseen ones were off."""
    rows = [
        [
            "the best validated point" if name == "naive" else name,
            f"{row['promised']} of {content['wishes']}",
            f"{row['held']:.2f} ± {row['standard error']:.2f}",
            f"{row['reached']:.2f}",
            f"{row['seconds']:.1f}",
        ]
        for name, row in content["choices"].items()
    ]
    errors = [
        [f"unseen {name}", f"{100 * row['error']:.1f} %", f"{row['tau']:.3f}"] for name, row in content["surrogates"].items()
    ]
    header = ["confidence", "wishes promised", "held on test", "of what a search of the test split reaches", "processor seconds"]
    return "\n\n".join(
        [
            table(header, rows, numbers=True),
            table(["prediction of", "mean absolute error, share of the reachable range", "Kendall's tau"], errors, numbers=True),
        ]
    )

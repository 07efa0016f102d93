"""Tables of results of language models: stories, the dial, and trainings on a GPU."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from moft_docs.formats import between, name_of, p_value, significant
from moft_docs.markdown import table


def story_tables(content: Mapping[str, Any]) -> str:
    """Means of each scorer by its own weight, and how surely they rise."""
    weights = [f"{weight:.1f}" for weight in content["weights"]]
    rows = [
        [name, *(f"{mean:.2f}" for mean in found["means"]), f"{found['tau']:.2f}", between(found["ends"][0], found["ends"][1:])]
        for name, found in content["objectives"].items()
    ]
    text = table(["weight", *weights, "Kendall's tau", "last minus first"], rows, numbers=True)
    return f"{text}\n\n{content['prompts']} prompts."


def gpu_tables(content: Mapping[str, Any]) -> str:
    """Trainings on a GPU beside TRL's, by kind of pairs; each run has a TRL of its own."""
    parts = []
    for kind in content["runs"][0]:
        padding = content["runs"][0][kind]["padding"]
        rows = [
            [
                name if len(content["runs"]) == 1 else f"{name}, run {number}",
                f"{side['pairs_per_second']['median']:.1f}",
                f"{side['times_trl']['median']:.2f}" if name != "TRL" else "",
                f"{side['megabytes'] / 1000:.1f}",
                f"{side['share_of_trl_memory']:.2f}" if name != "TRL" else "",
                f"{side['utilisation']['median']:.2f}",
            ]
            for number, run in enumerate(content["runs"], start=1)
            for name, side in run[kind]["sides"].items()
        ]
        headers = ["training", "pairs per second", "times TRL's", "memory in GB", "of TRL's memory", "utilisation"]
        length, share = f"{padding['mean_length']:,.0f}", f"{padding['trl']:.0%}"
        said = f"`{kind}`: {length} tokens on average in a prompt with its response; {share} of TRL's batches are padding."
        parts += [said, table(headers, rows, numbers=True)]
    return "\n\n".join(parts)


def dial_table(content: Mapping[str, Any]) -> str:
    """Scores of generated text at the vertices, at several settings of the dial, and how far it is from the base model."""
    rows = [[row["name"], *(f"{value:.2f}" for value in row["values"]), f"{row['kl']:.0f}"] for row in content["rows"]]
    return table(["at", *content["objectives"], "KL from the base"], rows, numbers=True)


def story_method_tables(content: Mapping[str, Any]) -> str:
    """One-shot training beside dedicated models: hypervolume, also of each seed, KL from the base, and seconds, with verdicts."""
    rows = [
        [
            name_of(name),
            significant(found["hypervolume"]["value"], found["hypervolume"]["ci"], 3),
            ", ".join(f"{value:.3g}" for value in found["hypervolume"]["by_seed"]),
            *(f"{ratio:.2f}" for ratio in found["vertex_ratio"]),
            f"{found['indicators']['monotonicity']:.2f}",
            f"{-found['main']['value']:.0f}",
            f"{found['cost']['parameters']:,.0f}",
            f"{found['cost']['jobs']:g}",
            f"{found['cost']['separate_seconds']:.0f}",
            f"{found['share_of_time']:.2f}",
        ]
        for name, found in content["entries"].items()
    ]
    vertices = [f"{name} at its vertex" for name in content["objectives"]]
    headers = ["", "hypervolume", "of each seed", *vertices, "monotonicity", "KL from the base", "parameters", "models"]
    differences = [
        [
            f"{name_of(verdict['first'])} minus {name_of(verdict['second'])}",
            f"{verdict['difference']:+.3g}",
            p_value(verdict["p"]),
            "significant" if verdict["is_significant"] else "not significant",
        ]
        for verdict in content["verdicts"]
        if verdict["measure"] == "hypervolume"
    ]
    return "\n\n".join(
        [
            table([*headers, "seconds", "share of time"], rows, numbers=True),
            "Paired differences of the hypervolume:",
            table(["", "difference", "p", "result"], differences, numbers=True, words=(0, 3)),
            f"{content['adjustment']}.",
        ]
    )

"""Tables of the story task, of the conditioners, and of trainings on a GPU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from moft_docs.markdown import table


def story_tables(content: Mapping[str, Any]) -> str:
    """Means of each scorer by its own weight, and how surely they rise."""
    weights = [f"{weight:.1f}" for weight in content["weights"]]
    rows = [
        [name, *(f"{mean:.2f}" for mean in found["means"]), f"{found['tau']:.2f}", _between(found["ends"][0], found["ends"][1:])]
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
        headers = ["training", "pairs per second", "times TRL's", "GB", "of TRL's", "utilisation"]
        length, share = f"{padding['mean_length']:,.0f}", f"{padding['trl']:.0%}"
        about = f"`{kind}`: a response with its prompt has {length} tokens on average; {share} of TRL's batches is padding."
        parts += [about, table(headers, rows, numbers=True)]
    return "\n\n".join(parts)


def dial_table(content: Mapping[str, Any]) -> str:
    """Scores of generated text at the vertices, at several dials, and KL from the base model."""
    rows = [[row["name"], *(f"{value:.2f}" for value in row["values"]), f"{row['kl']:.0f}"] for row in content["rows"]]
    return table(["at", *content["objectives"], "KL from the base"], rows, numbers=True)


def story_method_tables(content: Mapping[str, Any]) -> str:
    """Policies beside dedicated models: hypervolume, also by seed, KL from the base model, and seconds, with verdicts."""
    rows = [
        [
            f"`{name}`",
            f"{found['hypervolume']['value']:.3g} [{found['hypervolume']['ci'][0]:.3g}, {found['hypervolume']['ci'][1]:.3g}]",
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
    headers = ["", "hypervolume", "by seed", *vertices, "monotonicity", "KL from the base", "parameters", "models"]
    text = table([*headers, "seconds", "share"], rows, numbers=True)
    said = [
        f"`{verdict['first']}` minus `{verdict['second']}` {verdict['difference']:.3g}, "
        f"{'significant' if verdict['is_distinct'] else 'not significantly different'} (p {verdict['p']:.2g})"
        for verdict in content["verdicts"]
        if verdict["measure"] == "hypervolume"
    ]
    return f"{text}\n\nPaired differences: {'; '.join(said)}. {content['adjustment']}."


def conditioner_tables(content: Mapping[str, Any]) -> str:
    """Hypervolume, vertex ratios and cost of every conditioner."""
    rows = [
        [
            name,
            _scaled(found["hypervolume"], found["hypervolume_ci"]),
            _scaled(found["more_than_concat"], found["more_than_concat_ci"]),
            *(f"{value:.2f}" for value in found["ratio"]),
            f"{min(found['ratio']):.2f}",
            f"{found['monotonicity']:.2f}",
            f"{found['main']:.3f}",
            f"{found['parameters']:,}",
            f"{found['seconds_to_concat']:.2f}",
        ]
        for name, found in content["variants"].items()
    ]
    headers = ["", "hypervolume / 1e-3", "more than concat", "I", "II", "III", "IV", "V", "lowest", "monotonicity", "main"]
    return table([*headers, "parameters", "time over concat"], rows, numbers=True)


def _scaled(value: float, ci: Sequence[float]) -> str:
    return _between(1000 * value, [1000 * end for end in ci])


def _between(value: float, ci: Sequence[float]) -> str:
    return f"{value:.2f} [{ci[0]:.2f}, {ci[1]:.2f}]"

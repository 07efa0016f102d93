"""Whether choices of a language model hold on new prompts: "mood at least s, briefest text", measured on generated text.

Takes finished runs of `configs/llm/stories.yaml`, one for each seed, and makes the same choices in each: the mood (objective
`positive`) is to be at least each of the given values, with as brief a text as that allows. A choice searches on the validation
prompts and is measured once on those of the test split. Minutes for each choice.

Run it:  python benchmarks/llm_choices.py runs/stories-0 runs/stories-1 runs/stories-2
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from benchmarks.support.reporting import machine, print_table, write_result

MOODS = (0.6, 0.75)
CONFIDENCE = 0.8


def measure(run: Path) -> dict[str, dict[str, Any]]:
    """The choices of a run, by name."""
    import moft
    from moft.engine.choices.wish_settings import WishSettings

    opened, found = moft.open_run(run, device="cpu"), dict[str, dict[str, Any]]()
    for mood in MOODS:
        wish: dict[str, Any] = {"keep": (f"positive >= {mood}",), "maximise": "brevity", "confidence": CONFIDENCE}
        record = opened.choose(WishSettings(**wish), name=f"mood-{mood}").record
        validation = {outcome["name"]: outcome["base"] for outcome in record["outcomes"]}
        test = {outcome["name"]: outcome for outcome in record["test"]["outcomes"]}
        found[f"{run.name}, mood at least {mood}"] = {
            "promised": float(record["is_promised"]),
            "confidence": record["confidence"],
            "mood on test": test["positive"]["value"],
            "held": float(record["test"]["held"][0]),
            "brevity on test": test["brevity"]["value"],
            "brevity of the base": test["brevity"]["base"],
            "mood of the base": test["positive"]["base"],
            "mood of the base on validation": validation["positive"],
            "tradeoffs measured": record["measured"],
        }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("runs", nargs="+", type=Path)
    found = {name: row for run in parser.parse_args().runs for name, row in measure(run).items()}
    columns = list(next(iter(found.values())))
    print_table(
        "Choices of a story model",
        ["", *columns],
        [[name, *(f"{value:.3g}" for value in row.values())] for name, row in found.items()],
    )
    promised = [row for row in found.values() if row["promised"]]
    share = sum(row["held"] for row in promised) / len(promised) if promised else float("nan")
    told = {"confidence": CONFIDENCE, "held": share, "promised": len(promised), "choices": found}
    write_result("llm-choices", {"machine": machine("transformers"), **told})


if __name__ == "__main__":
    main()

"""How long the steering page takes to show what a slider does, and a server of it to rank a query anew.

Pages of made-up fronts are opened in Chromium, and one slider is moved step by step, each step as soon as the last one is shown.
The time is from the input to the end of the frame that shows it. With a run, `moft serve` is started for it, and the time goes on
until the table has the new ranking of the first validation query. Needs the extras `page` and `serve`, Playwright and Chromium.

Run it:  python benchmarks/steering_page.py [RUN]
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.support.reporting import format_summary, machine, print_table, summary, write_result
from moft.engine.choices.search import scattered
from moft.run.report.steering_page.steering_html import steering_file
from moft.run.report.steering_page.steering_record import steering_record

STEPS = 60
SIZES = ((2, 75), (4, 150), (10, 275))
"""Objectives, and tradeoffs that were measured, as `moft choose` measures them."""
WATCH = """() => {
  window.times = [];
  new PerformanceObserver(list => times.push(...list.getEntries().map(each => [each.name, each.duration])))
    .observe({ type: 'measure' });
}"""
DRAG = """async ([name, steps]) => {
  const slider = document.getElementById('weight-0');
  const known = () => times.filter(each => each[0] === name).length;
  for (let step = 1; step <= steps; step += 1) {
    const before = known();
    slider.value = (step % 100) / 100;
    slider.dispatchEvent(new Event('input'));
    while (known() === before) await new Promise(done => setTimeout(done, 2));
  }
  return times.filter(each => each[0] === name).map(each => each[1]);
}"""


def made_up(m: int, count: int) -> dict[str, Any]:
    """The data of a page with `count` measured tradeoffs of m objectives."""
    places = scattered(m, count, (0.125, 64.0), 0)
    names = [f"objective {index + 1}" for index in range(m)]

    def entry(weights: list[float], strength: float) -> dict[str, Any]:
        values = [0.5 + 0.3 * strength * weight**0.5 for weight in weights]
        main = 0.9 - 0.1 * strength
        return {
            "values": values,
            "ci": [[v - 0.02, v + 0.02] for v in values],
            "main": main,
            "main_ci": [main - 0.01, main + 0.01],
        }

    rows = zip(places.weights.tolist(), places.dials.tolist(), strict=True)
    points = [{"weights": w, "betas": [dial] * m, "dial": dial, **entry(w, 1 / (1 + dial))} for w, dial in rows]
    front = {
        **{"objectives": names, "metric": "NDCG@10", "split": "validation", "lists": 100, "points": points},
        **{"nouns": {"list": "query", "item": "document"}, "base": entry([0.0] * m, 0.0), "main": {"name": "main"}},
    }
    return steering_record(front, [*names, "main"], name="made up", place="runs/made-up", is_text=False)


def dragged(page: Page, name: str) -> dict[str, float]:
    """Milliseconds from an input to what shows it."""
    page.locator("#compared tr").first.wait_for()
    page.evaluate(WATCH)
    times: list[float] = page.evaluate(DRAG, [name, STEPS])
    return {**summary(times), "most": max(times)}


def files(browser: Browser) -> list[dict[str, Any]]:
    """Pages as files."""
    rows = []
    for m, count in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "page.html"
            file.write_text(steering_file(made_up(m, count)), encoding="utf-8")
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.goto(file.as_uri())
            times = dragged(page, "moft: change to shown")
            rows.append({"page": f"file, m = {m}, {count} measured", "bytes": file.stat().st_size, "shown": times})
            page.close()
    return rows


def served(browser: Browser, run: Path) -> dict[str, Any]:
    """A page of `moft serve`."""
    words = [sys.executable, "-m", "moft", "serve", str(run), "--port", "0", "--log-format", "json"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as server:
        address = next(line.split('"url"')[1].split('"')[1] for line in server.stderr or () if '"url"' in line)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(address)
        page.locator("#live tbody tr").first.wait_for()
        ranked = dragged(page, "moft: change to ranking")
        server.terminate()
    return {"page": f"served, {run.name}", "ranked": ranked}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, nargs="?", help="Folder of a ranker to serve.")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        rows = files(browser)
        if arguments.run is not None:
            rows.append(served(browser, arguments.run))
        version = browser.version
        browser.close()
    headers = ["page", "ms to what is expected", "ms to the ranking", "longest"]
    table = []
    for row in rows:
        cells = [format_summary(row[key], 0) if key in row else "" for key in ("shown", "ranked")]
        table.append([row["page"], *cells, f"{max(row[key]['most'] for key in ('shown', 'ranked') if key in row):.0f}"])
    print_table(f"From an input to what shows it, {STEPS} steps, median (quartiles)", headers, table)
    write_result("steering-page", {"machine": machine("plotly"), "chromium": version, "steps": STEPS, "rows": rows})


if __name__ == "__main__":
    main()

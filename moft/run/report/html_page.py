"""Writes `report.html`, a page about one run, and `front.png`."""

from __future__ import annotations

import base64
import functools
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import torch

from moft.engine.fronts.hypervolume import nondominated
from moft.files.atomic_write import atomic_write
from moft.run.folder.checkpoint import read_steps
from moft.run.folder.layout_version import read_versions
from moft.run.folder.run_folder import RunFolder
from moft.run.folder.versions import HASH
from moft.run.report.choice_words import choice_row
from moft.run.report.dials import dial_text, dials_of, rows_of_dials
from moft.run.report.figures.figure_style import png
from moft.run.report.figures.front_figure import front_figure, short_metric
from moft.run.report.figures.training_figure import training_figure
from moft.run.report.front_record import main_name, main_title, nouns_of
from moft.types import MAIN

if TYPE_CHECKING:
    from jinja2 import Template

TEMPLATE = "report.html.j2"
MISSING = "\N{EN DASH}"


def write_report(
    record: Mapping[str, Any], run: RunFolder, target: Path, choices: Mapping[str, Mapping[str, Any]] = MappingProxyType({})
) -> None:
    """Writes `front.png` and `report.html` into `target`; an error while making them leaves neither.

    Args:
        record: the content of `front.json`; NaN may be None.
        run: the run that was measured.
        target: a folder that exists.
        choices: of the run by name, the content of `choices/NAME.json`.
    """
    count = len(dials_of(record["points"]))
    picture, *by_dial = (png(front_figure(record, dial, choices)) for dial in [None, *(range(count) if count > 1 else [])])
    page = report_page(record, run, picture, by_dial, choices)
    atomic_write(target / "front.png", picture)
    atomic_write(target / "report.html", page.encode())


def report_page(
    record: Mapping[str, Any],
    run: RunFolder,
    picture: bytes,
    by_dial: Sequence[bytes] = (),
    choices: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
) -> str:
    """The page as HTML; it loads no other files and needs no script. With several dials, a script shows one of them at a time.

    Args:
        record: the content of `front.json`.
        run: whose steps, versions and config the page shows.
        picture: of the front, as PNG.
        by_dial: a picture for each dial, as PNG; none if there is one dial.
        choices: of the run by name, the content of `choices/NAME.json`.
    """
    steps = read_steps(run.steps)
    versions = read_versions(run.versions) if run.versions.exists() else None
    data, nouns = (versions or {}).get("data") or {}, nouns_of(record)
    return _template().render(
        name=run.path.resolve().name,
        record=record,
        nouns=nouns,
        headings={"lists": nouns.lists, "items": nouns.items},
        metric=short_metric(record["metric"]),
        level=record["intervals"].split()[0],
        main=main_title(record),
        is_main_objective=main_name(record) == MAIN,
        has_main=any(_is_known(point["main"]) for point in record["points"]),
        is_front=_is_front(record),
        betas=_shared_betas(record["points"]),
        dials=[dial_text(dial) for dial in dials_of(record["points"])] if by_dial else [],
        dial_at={row: at for at, rows in enumerate(rows_of_dials(record["points"])) for row in rows},
        by_dial=by_dial,
        reference=_reference(record["hypervolume"]["reference"]),
        ranges=list(_ranges(record)),
        choices=[choice_row(name, choice) for name, choice in choices.items()],
        outcomes=list(dict.fromkeys(each["name"] for choice in choices.values() for each in choice["outcomes"])),
        segments=record.get("segments", []),
        more=list(record["base"].get("more", {})),
        front=picture,
        training=png(training_figure(steps, main_name(record))) if steps else None,
        versions=versions,
        tables={key: value for key, value in data.items() if _is_table(value)},
        facts={key: value for key, value in data.items() if value is not None and not _is_table(value)},
        config=run.config.read_text(encoding="utf-8"),
    )


@functools.cache
def _template() -> Template:
    """The template, read once per process."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    loader = FileSystemLoader(Path(__file__).parent)
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {
        "mean": lambda value: _number(value, "z.4f"),
        "signed": lambda value: _number(value, "+z.4f"),
        "short": lambda value: _number(value, ".4g"),
        "duration": duration,
        "words": _in_words,
        "breakable": _breakable,
        "embedded": lambda content: base64.b64encode(content).decode(),
    }
    return environment.get_template(TEMPLATE)


def duration(seconds: float) -> str:
    """Seconds in the two largest units that are not zero, such as "1 h 7 min"."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    minutes = round(seconds / 60)
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    hours = round(seconds / 3600)
    return f"{hours // 24} d {hours % 24} h"


def _is_known(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _number(value: Any, form: str) -> str:
    return format(value, form) if _is_known(value) else MISSING


def _is_front(record: Mapping[str, Any]) -> list[bool]:
    """For each point, whether it is not dominated."""
    values = [[value if _is_known(value) else math.nan for value in point["values"]] for point in record["points"]]
    keep: list[bool] = nondominated(torch.tensor(values, dtype=torch.float64).reshape(len(values), -1)).tolist()
    return keep


def _shared_betas(points: Sequence[Mapping[str, Any]]) -> list[float] | None:
    """The betas of all points, or None if they differ."""
    first: list[float] = points[0]["betas"]
    return first if all(point["betas"] == first for point in points) else None


def _reference(reference: Sequence[float]) -> str:
    return "the origin" if not any(reference) else f"the point ({', '.join(f'{value:g}' for value in reference)})"


def _ranges(record: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """For each objective, its range over the points, the base model, and what it gains; positions on the bar are in percent."""
    rows = [
        (name, [point["values"][index] for point in record["points"]], record["base"]["values"][index])
        for index, name in enumerate(record["objectives"])
    ]
    gains = {gain["objective"]: gain for gain in record["gains"]}
    for name, values, base in rows:
        known = [value for value in values if _is_known(value)]
        if not known:
            yield {"name": name, "base": base, "low": None, "high": None, "bar": None, **gains[name]}
            continue
        low, high = min(known), max(known)
        ends = [low, high, base] if _is_known(base) else [low, high]
        start, width = min(ends), (max(ends) - min(ends)) or 1.0
        place = {"left": 100 * (low - start) / width, "width": 100 * (high - low) / width}
        bar = place | {"base": 100 * (base - start) / width if _is_known(base) else None}
        yield {"name": name, "base": base, "low": low, "high": high, "bar": bar, **gains[name]}


def _breakable(name: str) -> Any:
    """The name as markup that may be broken after each underscore."""
    from markupsafe import Markup, escape

    return Markup("_<wbr>").join(escape(part) for part in name.split("_"))


def _is_table(content: Any) -> bool:
    """True for named rows of named values, such as a task's splits."""
    return isinstance(content, Mapping) and bool(content) and all(isinstance(row, Mapping) for row in content.values())


def _in_words(content: Any) -> str:
    """Any JSON value on one line, with content hashes shortened."""
    if content is None:
        return MISSING
    if isinstance(content, Mapping):
        return ", ".join(f"{key} {_in_words(value)}" for key, value in content.items())
    if isinstance(content, list | tuple):
        return ", ".join(map(_in_words, content))
    if isinstance(content, int) and not isinstance(content, bool):
        return f"{content:,}"
    return HASH.sub(lambda found: found.group()[:12], str(content))

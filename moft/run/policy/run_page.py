"""The steering page of a run: as one file, or in the parts that a server has at addresses of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from moft.run.folder.run_folder import RunFolder
from moft.run.policy.choices.choice_files import OUTCOMES, choice_names, read_choice
from moft.run.policy.choices.expected_outcomes import outcomes_of_choices
from moft.run.policy.choices.wish_checks import names_of
from moft.run.report.read_front import read_measured
from moft.run.report.steering_page.joined_modules import joined_modules
from moft.run.report.steering_page.steering_html import plotly_script, steering_file, steering_shell, style_sheet
from moft.run.report.steering_page.steering_record import steering_record


@dataclass(frozen=True)
class SteeringPage:
    """The page on which a run is steered. It reads the files of the run, and needs neither its data nor its base model.

    Args:
        folder: of the run.
        place: how commands on the page name the run, such as its folder as typed.
        is_text: whether the run is a language model.
    """

    folder: RunFolder
    place: str
    is_text: bool

    def data(self) -> dict[str, Any]:
        """What the page shows of the run, as JSON without NaN: measured points, surrogates, base model, choices.

        Raises:
            RunError: the run is not finished, or a file of it is damaged or of another policy.
        """
        front = read_measured(self.folder.path).record
        objectives = front["objectives"]
        choices = {name: read_choice(self.folder, name, objectives, "choice").record for name in choice_names(self.folder)}
        outcomes = None
        if (self.folder.choices / OUTCOMES).exists():
            found = outcomes_of_choices(self.folder, None, len(objectives))
            outcomes = {"names": found.names.names, "surrogate": found.measured, "error": found.told}
        return steering_record(
            front,
            names_of(front).names,
            name=self.folder.path.resolve().name,
            place=self.place,
            is_text=self.is_text,
            outcomes=outcomes,
            choices=choices,
        )

    def file(self) -> str:
        """The page as one HTML file, which loads nothing.

        Raises:
            ConfigError: the library that draws is not installed.
            RunError: as for `data`.
        """
        plotly_script()  # whose absence is said before the run is read
        return steering_file(self.data())

    @staticmethod
    def shell(at: Mapping[str, str]) -> str:
        """The page as HTML without data, of which each server shows the same.

        Args:
            at: the addresses `style`, `plotly` and `script` of its parts.
        """
        return steering_shell(at)

    @staticmethod
    def parts(entry: Path) -> dict[str, str]:
        """The texts `style`, `plotly` and `script` of a page without data.

        Args:
            entry: a JavaScript module that starts the page. It imports modules of its folder and of this page by name, as from
                `./start.js`, and all become one script; so their names at the top level differ.

        Raises:
            ConfigError: the library that draws is not installed.
        """
        return {"style": style_sheet(), "plotly": plotly_script(), "script": joined_modules(entry)}

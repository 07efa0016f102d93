"""The model card of an export: what it is, how it was measured, and how it is loaded without moft."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import moft
from moft import RunError
from moft.api import Tradeoff

if TYPE_CHECKING:
    from moft_llm.generation.requests import Steerable

PICTURE = "front.png"

CARD = "README.md"
"""The name of a model card."""

_LORA = """\
```python
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer{named}

base = AutoModelForCausalLM.from_pretrained({base}{more}, dtype="{dtype}")
model = PeftModel.from_pretrained(base, "{here}")
tokenizer = AutoTokenizer.from_pretrained("{here}")
```
"""
_GGUF = ", gguf_file={gguf}, quantization_config=GgufConfig(dequantize=True)"
_PREFIX = """\
`model/` holds the base model with LoRA merged into its weights, `adapter/` the prefix as prompt tuning over it. One without the
other is not the policy.

```python
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

base = AutoModelForCausalLM.from_pretrained("{here}/model")
model = PeftModel.from_pretrained(base, "{here}/adapter")
tokenizer = AutoTokenizer.from_pretrained("{here}/model")
```
"""


@dataclass(frozen=True)
class Card:
    """What a reader of an export is told.

    Args:
        steerable: the run.
        tradeoff: one row, what was frozen.
        base: the base model, by its name on the hub or its path.
        gguf: its GGUF file there, or None.
        with_prefix: whether there is a prefix beside LoRA.
        dtype: of the base model's weights in the run.
    """

    steerable: Steerable
    tradeoff: Tradeoff
    base: str
    gguf: str | None
    with_prefix: bool
    dtype: str

    def check(self) -> None:
        """Nothing, when the run has a front that the card can tell of.

        Raises:
            RunError: it has none, or one that is damaged.
        """
        self._front()

    def write(self, folder: Path) -> None:
        """Writes `README.md` into `folder`, and the picture of the front where the run has one."""
        run = self.steerable.opened.folder
        has_picture = (run.path / PICTURE).exists()
        if has_picture:
            shutil.copyfile(run.path / PICTURE, folder / PICTURE)
        (folder / CARD).write_text(self._text(has_picture=has_picture), encoding="utf-8")

    def _text(self, *, has_picture: bool) -> str:
        opened = self.steerable.opened
        weights = dict(zip(opened.names, self.tradeoff.weights[0].tolist(), strict=True))
        name = opened.folder.path.resolve().name
        parts = [
            self._header(),
            f"# {name}, at {', '.join(f'{objective} {value:.4g}' for objective, value in weights.items())}\n",
            f"One point of the front of the policy `{name}`, trained with moft {moft.__version__} (multi-objective fine-tuning). "
            "The policy answers any weights; this export is frozen at those above. "
            f"The base model is `{self.base}`; its licence, and that of the data, hold for this model too.\n",
            "## Load it\n",
            self._code(),
            f"Prompts are put to the model by this template: `{self.steerable.task.prompting().text}`.\n",
            "## The front\n",
            *self._measured(),
        ]
        if has_picture:
            parts.append(f"![The front of the policy]({PICTURE})\n")
        return "\n".join(parts)

    def _header(self) -> str:
        is_on_hub = not Path(self.base).is_dir()
        lines = ["---", "library_name: peft", "pipeline_tag: text-generation"]
        if is_on_hub:
            lines += [f"base_model: {json.dumps(self.base)}"]
        lines += ["tags:", "- moft", "- multi-objective", "- preference-optimization", "- lora"]
        return "\n".join([*lines, "---", ""])

    def _code(self) -> str:
        if self.with_prefix:
            return _PREFIX.format(here="path/to/this/folder")
        named, more = ("", "") if self.gguf is None else (", GgufConfig", _GGUF.format(gguf=json.dumps(self.gguf)))
        return _LORA.format(named=named, base=json.dumps(self.base), more=more, dtype=self.dtype, here="path/to/this/folder")

    def _front(self) -> dict[str, Any]:
        """The content of `front.json`."""
        folder = self.steerable.opened.folder
        try:
            front: dict[str, Any] = json.loads(folder.front.read_text(encoding="utf-8"))
            if all(front[field] for field in ("points", "objectives", "base", "split", "metric")):
                return front
        except FileNotFoundError as error:
            told = f"{folder.path}: is not finished (it has no {folder.front.name}); go on with it by `moft train ... --resume`."
            raise RunError(told) from error
        except (ValueError, TypeError, LookupError):
            pass
        raise RunError(f"{folder.front}: is damaged; `moft train ... --resume` measures the run again.")

    def _measured(self) -> list[str]:
        """What was measured at the nearest point of the grid, with intervals."""
        front = self._front()
        asked = self.tradeoff.weights[0].tolist()
        nearest = min(front["points"], key=lambda p: sum((a - b) ** 2 for a, b in zip(p["weights"], asked, strict=True)))
        rows = zip(
            front["objectives"], nearest["weights"], nearest["values"], nearest["ci"], front["base"]["values"], strict=True
        )
        cells = [
            f"| {name} | {weight:.4g} | {_number(value)} ({_number(low)} to {_number(high)}) | {_number(base)} |"
            for name, weight, value, (low, high), base in rows
        ]
        said = f"Measured on the split `{front['split']}` at the nearest weights of the grid, with 95 % intervals:"
        return [f"{said} {front['metric']}.\n", "| objective | weight | measured | base model |", "|---|---|---|---|", *cells, ""]


def _number(value: float | None) -> str:
    """As text; None is what could not be measured."""
    return "?" if value is None else f"{value:.4g}"

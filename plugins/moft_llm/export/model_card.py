"""The model card of an export: what it is, how it was measured, and how to load it without moft."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import moft
from moft import RunError
from moft.api import Tradeoff, parse_json

if TYPE_CHECKING:
    from moft_llm.generation.opened_llm_run import LLMRun

PICTURE = "front.png"

CARD = "README.md"
"""File name of a model card."""

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
`model/` is the base model with LoRA merged into its weights. `adapter/` is a prompt-tuning adapter of it, which holds the prefix.
Load both: neither works as the policy alone.

```python
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

base = AutoModelForCausalLM.from_pretrained("{here}/model")
model = PeftModel.from_pretrained(base, "{here}/adapter")
tokenizer = AutoTokenizer.from_pretrained("{here}/model")
```
"""


@dataclass(frozen=True)
class ModelCard:
    """The README.md of an export.

    Args:
        llm_run: the run.
        tradeoff: one row, which was exported.
        base: the base model, by its name on the hub or its path.
        gguf: its GGUF file there, or None.
        with_prefix: whether there is a prefix beside LoRA.
        dtype: of the base model's weights in the run.
    """

    llm_run: LLMRun
    tradeoff: Tradeoff
    base: str
    gguf: str | None
    with_prefix: bool
    dtype: str

    def check(self) -> None:
        """Checks that the run has a front to report.

        Raises:
            RunError: it has none, or a damaged one.
        """
        self._front()

    def write(self, folder: Path) -> None:
        """Writes `README.md` into `folder`, and the picture of the front if the run has one."""
        run = self.llm_run.opened.folder
        has_picture = (run.path / PICTURE).exists()
        if has_picture:
            shutil.copyfile(run.path / PICTURE, folder / PICTURE)
        (folder / CARD).write_text(self._text(has_picture=has_picture), encoding="utf-8")

    def _text(self, *, has_picture: bool) -> str:
        opened = self.llm_run.opened
        weights = dict(zip(opened.names, self.tradeoff.weights[0].tolist(), strict=True))
        name = opened.folder.path.resolve().name
        parts = [
            self._header(),
            f"# {name} at {', '.join(f'{objective} {value:.4g}' for objective, value in weights.items())}\n",
            f"A language model fine-tuned for {', '.join(weights)} with moft {moft.__version__} (multi-objective fine-tuning). "
            f"The policy `{name}` can be steered to any objective weights; this export is fixed at the weights above.\n",
            f"The base model is `{self.base}`. Its licence and that of the training data apply to this model too.\n",
            "## Load the model\n",
            self._code(),
            f"The prompt template in training was `{self.llm_run.task.prompt_template().text}`.\n",
            "## Results\n",
            *self._measured(),
        ]
        if has_picture:
            parts.append(f"![Front of the policy]({PICTURE})\n")
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
        folder = self.llm_run.opened.folder
        try:
            front: dict[str, Any] = parse_json(folder.front.read_bytes())
            if all(front[field] for field in ("points", "objectives", "base", "split", "metric")):
                return front
        except FileNotFoundError as error:
            raise RunError(
                f"{folder.path}: not finished (it has no {folder.front.name}). Continue it with `moft train ... --resume`."
            ) from error
        except (ValueError, TypeError, LookupError):
            pass
        raise RunError(f"{folder.front}: damaged file. `moft train ... --resume` measures the run again.")

    def _measured(self) -> list[str]:
        """A table of the values at the nearest weights of the grid, with intervals."""
        front = self._front()
        weights = self.tradeoff.weights[0].tolist()
        nearest = min(front["points"], key=lambda p: sum((a - b) ** 2 for a, b in zip(p["weights"], weights, strict=True)))
        rows = zip(
            front["objectives"], nearest["weights"], nearest["values"], nearest["ci"], front["base"]["values"], strict=True
        )
        cells = [
            f"| {name} | {weight:.4g} | {_number(value)} ({_number(low)} to {_number(high)}) | {_number(base)} |"
            for name, weight, value, (low, high), base in rows
        ]
        return [
            f"Measured on the {front['split']} split, at the nearest weights that the run measured, with 95 % intervals.\n",
            f"Metric: {front['metric']}.\n",
            "| objective | objective weight | this model | base model |",
            "|---|---|---|---|",
            *cells,
            "",
        ]


def _number(value: float | None) -> str:
    """A number as text; None where nothing was measured."""
    return "?" if value is None else f"{value:.4g}"

"""The model card of an export: what it is, how it was measured, and how to load it without moft."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import moft
from moft import RunError
from moft.api import Tradeoff, parse_json, redacted
from moft_llm.export.card_metadata import Provenance, front_matter

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
model = PeftModel.from_pretrained(base, "{adapter}")
tokenizer = AutoTokenizer.from_pretrained("{here}")
```
"""
_MERGED = """\
```python
from transformers import AutoModelForCausalLM, AutoTokenizer

model = AutoModelForCausalLM.from_pretrained("{here}/model")
tokenizer = AutoTokenizer.from_pretrained("{here}/model")
```
"""
_LOCAL = """\
`{base}` is a folder of the machine that trained this adapter: put the place of your copy in for `path/to/{base}`.
`adapter_config.json` has only its name, which is not on the hub.
"""
_GGUF = ", gguf_file={gguf}, quantization_config=GgufConfig(dequantize=True)"
_PREFIX = """\
`model/` is the base model with LoRA merged into its weights. {prompts}
Load both: neither works as the policy alone.

```python
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

base = AutoModelForCausalLM.from_pretrained("{here}/model")
model = PeftModel.from_pretrained(base, "{adapter}")
tokenizer = AutoTokenizer.from_pretrained("{here}/model")
```

The prefix is no text and no LoRA, so what cannot read PEFT's prompt tuning cannot run this policy: neither vLLM nor
llama.cpp, nor servers of LoRA adapters. For vLLM, `moft export RUN FOLDER --for vllm` writes a folder of another kind.
"""


CHOICE = "choice.json"


class ExportedChoice(Protocol):
    """A named choice of a run."""

    @property
    def name(self) -> str: ...
    @property
    def record(self) -> Mapping[str, Any]: ...


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
        changes: clauses on how that model differs from what transformers loads as `base`. With any, a whole model was written.
        choice: of the run, that was exported; None for weights.
        provenance: what the user states of the base model and the data.
        weightings: names, weights and choices of adapters, where there are several; `tradeoff` is then the first of them.
    """

    llm_run: LLMRun
    tradeoff: Tradeoff
    base: str
    gguf: str | None
    with_prefix: bool
    dtype: str
    changes: tuple[str, ...] = ()
    choice: ExportedChoice | None = None
    provenance: Provenance = field(default_factory=Provenance)
    weightings: Sequence[Mapping[str, Any]] = ()

    @property
    def base_name(self) -> str:
        """What others may call the base model."""
        return self.provenance.base_name(self.base)

    def check(self) -> None:
        """Checks that the front of the run can be reported, if it has one.

        Raises:
            RunError: it is damaged.
        """
        self._front()

    def write(self, folder: Path) -> None:
        """Writes `README.md` into `folder`, the picture of the front if the run has one, and the choice if it is one."""
        run = self.llm_run.opened.folder
        has_picture = (run.path / PICTURE).exists()
        if has_picture:
            shutil.copyfile(run.path / PICTURE, folder / PICTURE)
        if self.choice is not None:
            (folder / CHOICE).write_text(json.dumps({"name": self.choice.name, **self.choice.record}, indent=1) + "\n", "utf-8")
        (folder / CARD).write_text(redacted(self._text(has_picture=has_picture)), encoding="utf-8")

    def _text(self, *, has_picture: bool) -> str:
        opened = self.llm_run.opened
        weights = dict(zip(opened.names, self.tradeoff.weights[0].tolist(), strict=True))
        name = opened.folder.path.resolve().name
        parts = [
            self._header(),
            f"# {name} at {self._place(weights)}\n",
            f"A language model fine-tuned for {', '.join(weights)} with moft {moft.__version__} (multi-objective fine-tuning). "
            f"The policy `{name}` can be steered to any objective weights; this export is fixed at the weights "
            f"{'below' if self.weightings else 'above'}.\n",
            *self._adapters(),
            f"{'; '.join([f'The base model is `{self.base_name}`', *self.changes])}. "
            "Its licence and that of the training data apply to this model too.\n",
            "## Load the model\n",
            self._code(),
            f"The prompt template in training was `{self.llm_run.task.prompt_template().text}`.\n",
            "## Results\n",
            *([] if self.weightings and has_picture else [*self._chosen(), *self._measured()]),
        ]
        if has_picture:
            parts.append(f"![Front of the policy]({PICTURE})\n")
        return "\n".join(parts)

    def _place(self, weights: Mapping[str, float]) -> str:
        """Where the export is on the simplex."""
        if self.weightings:
            return f"{len(self.weightings)} weightings"
        return ", ".join(f"{objective} {value:.4g}" for objective, value in weights.items())

    def _adapters(self) -> list[str]:
        """The table of several adapters."""
        if not self.weightings:
            return []
        names = self.llm_run.opened.names
        cells = [[f"`{each['name']}`", *(f"{each['weights'][name]:.4g}" for name in names)] for each in self.weightings]
        rows = [f"| {' | '.join(row)} |" for row in cells]
        return [f"| adapter | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|", *rows, ""]

    def _header(self) -> str:
        """The front matter that the hub reads. Names on the hub are known; files and folders have their own names alone."""
        config = self.llm_run.opened.folder.resolved_config()
        fields: dict[str, Any] = {
            "library_name": "transformers" if self.changes and not self.with_prefix else "peft",
            "pipeline_tag": "text-generation",
            **self.provenance.fields(self.base, config),
            "tags": ["moft", "multi-objective", "preference-optimization", "lora"],
        }
        return front_matter(fields)

    def _code(self) -> str:
        here = "path/to/this/folder"
        name = self.base_name
        adapter = f"{here}/{self.weightings[0]['name']}" if self.weightings else f"{here}/adapter" if self.with_prefix else here
        if self.with_prefix:
            each = "Each folder of the table" if self.weightings else "`adapter/`"
            prompts = f"{each} is a prompt-tuning adapter of it, which holds the prefix."
            return _PREFIX.format(here=here, adapter=adapter, prompts=prompts)
        if self.changes:
            return _MERGED.format(here=here)
        named, more = ("", "") if self.gguf is None else (", GgufConfig", _GGUF.format(gguf=json.dumps(self.gguf)))
        is_local = self.provenance.base is None and name != redacted(self.base) and "/" not in name
        base = json.dumps(f"path/to/{name}" if is_local else name)
        code = _LORA.format(named=named, base=base, more=more, dtype=self.dtype, here=here, adapter=adapter)
        return code + ("\n" + _LOCAL.format(base=name) if is_local else "")

    def _front(self) -> dict[str, Any] | None:
        """The content of `front.json`; None where the policy is not measured yet."""
        folder = self.llm_run.opened.folder
        try:
            front: dict[str, Any] = parse_json(folder.front.read_bytes())
            if all(front[field] for field in ("points", "objectives", "base", "split", "metric")):
                return front
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, LookupError):
            pass
        raise RunError(f"{folder.front}: damaged file. `moft train ... --resume` measures the run again.")

    def _chosen(self) -> list[str]:
        """What the choice was for, and what it reached; nothing for weights."""
        if self.choice is None:
            return []
        record = self.choice.record
        wish = "; ".join([bound["text"] for bound in record["bounds"]]) or "no bounds"
        promise = f"a confidence of {record['confidence']:.3g}" if record["is_promised"] else "no promise that they hold"
        sentences = f"These are the weights of the choice `{self.choice.name}`: {wish}, with {promise}. `{CHOICE}` has it all."
        if record["test"] is None:
            return [f"{sentences}\n"]
        rows = [
            f"| {each['name']} | {_number(each['value'])} ({_number(each['ci'][0])} to {_number(each['ci'][1])}) "
            f"| {_number(each['base'])} |"
            for each in record["test"]["outcomes"]
        ]
        title = f"{sentences} Measured once on the test split, with 95 % intervals:\n"
        return [title, "| outcome | this model | base model |", "|---|---|---|", *rows, ""]

    def _measured(self) -> list[str]:
        """A table of the values at the nearest weights of the grid, with intervals."""
        front = self._front()
        if front is None:
            return ["The policy was not measured yet when this was exported.\n"]
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

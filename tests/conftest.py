"""What every test relies on: one thread, a cache of its own, the installed plugins, and the real data where it is there."""

from __future__ import annotations

import base64
import contextlib
import functools
import gc
import importlib.metadata
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported, which reads it once

import pytest

if TYPE_CHECKING:
    import torch

    from moft.hooks.plugin_manager import Plugins

ROOT = Path(__file__).resolve().parents[1]
SEEN = {"modules": 0}
gc.set_threshold(20_000, 50, 50)  # less often than by default
VOCABULARY = 300
CONTEXT = 512
TEMPLATE = (
    "{% for message in messages %}{{ '<' + message['role'] + '>' + message['content'] + eos_token }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<assistant>' }}{% endif %}"
)
SMALL = """
task:
  name: ltr
  data: {data}
  objectives:
    first: {{column: 9}}
    second: {{column: 10, beta: 0.5}}
  base: {{name: neural, epochs: 2, width: 8, layers: 1}}
  width: 16
  layers: 1
  items_per_batch: 64
method: cos-dpo
trainer: {{epochs: 2, device: cpu, threads: 1, checkpoint_steps: 1, evaluations: 2}}
profile: {{evaluator: ndcg, points: 3, bootstrap_samples: 20}}
"""


def pytest_collection_modifyitems() -> None:
    """Pins torch to one thread in every worker; the process above them needs no torch."""
    import torch

    torch.set_num_threads(1)


def pytest_runtest_setup() -> None:
    """Takes what was imported out of the garbage collector's sight: every job collects, and would look through all of it."""
    if len(sys.modules) > SEEN["modules"] + 100:
        gc.collect()
        gc.freeze()
        SEEN["modules"] = len(sys.modules)


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Points `MOFT_CACHE` and `MOFT_STATE` to temporary folders, so that no test reads or fills the user's."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("cache", "state"):
            patch.setenv(f"MOFT_{name.upper()}", str(tmp_path_factory.mktemp(name)))
        patch.delenv("MOFT_DISABLE_PLUGINS", raising=False)
        yield


@pytest.fixture(autouse=True, scope="session")
def _entry_points_read_once() -> Iterator[None]:
    """Keeps what the installed packages offer: every command asks, and a hundred packages are looked through."""
    plain = importlib.metadata.entry_points
    kept = functools.lru_cache(lambda path, **wanted: plain(**wanted))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(importlib.metadata, "entry_points", lambda **wanted: kept(tuple(sys.path), **wanted))
        yield


@pytest.fixture(autouse=True, scope="session")
def _blank_pictures() -> Iterator[None]:
    """Draws no picture where a command writes one, which takes longer than the rest; tests of pictures call `png` itself."""
    pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEAsTj2FAAAAABJRU5ErkJggg=="
    with pytest.MonkeyPatch.context() as patch:
        for module in ("report.figures.figure_style", "report.html_page", "policy.choices.make_choice"):
            patch.setattr(f"moft.run.{module}.png", lambda figure: base64.b64decode(pixel))
        for name in ("report.html_page.front", "report.html_page.training", "policy.choices.make_choice.choice"):
            patch.setattr(f"moft.run.{name}_figure", lambda *content: None)
        yield


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Puts torch back to one thread after a test that asked for more."""
    yield
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def _warm_server(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The program that reaches it; see `tests/warm`. Workers share one, which the first of them to need it starts."""
    base, here = tmp_path_factory.getbasetemp(), ROOT / "tests" / "warm"
    is_worker = "PYTEST_XDIST_WORKER" in os.environ
    folder = (base.parent if is_worker else base) / "warm"
    program, reached = folder / "python", folder / "socket"
    with contextlib.suppress(FileExistsError):
        folder.mkdir()
        client = (here / "client.py").read_text(encoding="utf-8")
        program.write_text(f"#!{sys.executable} -SEs\n{client}", encoding="utf-8")
        program.chmod(0o755)
        owner = os.getppid() if is_worker else os.getpid()
        words = [sys.executable, str(here / "server.py"), str(reached), str(program), str(owner)]
        subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True)
    until = time.monotonic() + 120
    while not reached.exists():
        assert time.monotonic() < until, "no warm interpreter"
        time.sleep(0.05)
    return str(program)


@pytest.fixture
def warm(_warm_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A program to start with `-c` or `-m` in place of Python, as sweeps do then: torch and moft are imported there already."""
    from moft.cli.commands import sweep

    monkeypatch.setattr(sweep, "PROGRAM", (_warm_server, *sweep.PROGRAM[1:]))
    return _warm_server


@pytest.fixture(scope="session")
def mslr() -> Path:
    """The folder with real MSLR files: `train.txt`, `vali.txt` and `test.txt`."""
    data = Path(os.environ.get("MOFT_DATA", ROOT.parent / "shared" / "data"))
    folder = data / "ltr" / "mslr"
    if not (folder / "test.txt").exists():
        pytest.skip(f"no MSLR files in {folder}: set MOFT_DATA to a folder that holds ltr/mslr/test.txt")
    return folder


@pytest.fixture
def plugins() -> Plugins:
    """The installed plugins, loaded afresh."""
    from moft.hooks.plugin_manager import Plugins

    loaded = Plugins()
    loaded.load()
    return loaded


@pytest.fixture(scope="session")
def lists(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with svmlight files of 24, 8 and 8 lists: eight features, then the labels of two objectives."""
    from moft_ltr.data.example_data.synthetic import Synthetic, make_synthetic

    folder = tmp_path_factory.mktemp("lists") / "data"
    make_synthetic(folder, Synthetic(lists=24, items=6, features=8), as_text=True)
    return folder


@pytest.fixture
def config(tmp_path: Path, lists: Path) -> Path:
    """A config that trains on `lists` in about a second."""
    path = tmp_path / "small.yaml"
    path.write_text(SMALL.format(data=lists), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, lists: Path) -> Path:
    """The folder of a finished run of such a config; copy it before changing anything there."""
    from moft.cli.app import main

    folder = tmp_path_factory.mktemp("finished")
    (folder / "small.yaml").write_text(SMALL.format(data=lists), encoding="utf-8")
    assert main(["train", str(folder / "small.yaml"), "--out", str(folder / "run")]) == 0
    return folder / "run"


@dataclass(frozen=True)
class Said:
    """What a command ended with: its exit code, stdout, and the lines of stderr that tell of mistakes."""

    code: int
    out: str
    mistakes: list[str]


@pytest.fixture
def moft(capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Runs `moft` in this process; what it shows of its progress is left out of `mistakes`."""
    from moft.cli.app import main

    def run(*words: object) -> Said:
        capsys.readouterr()
        code = main([str(word) for word in words])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return Said(code, out, [line for line in err.splitlines() if line.startswith("moft: ")])

    return run


@pytest.fixture
def match() -> Callable[[str, str], bool]:
    """Tells whether a pattern is found in a text, and shows both when it is not."""

    def found(pattern: str, text: str) -> bool:
        assert re.search(pattern, text), f"{text!r} has nothing like {pattern!r}"
        return True

    return found


@pytest.fixture
def steps() -> Callable[[Path], list[dict[str, Any]]]:
    """The journal of a run, without what a clock says."""

    def read(run: Path) -> list[dict[str, Any]]:
        lines = map(json.loads, (run / "steps.jsonl").read_text(encoding="utf-8").splitlines())
        return [{name: value for name, value in line.items() if name != "seconds"} for line in lines]

    return read


@pytest.fixture
def learned(steps: Callable[[Path], list[dict[str, Any]]]) -> Callable[[Path], tuple[Any, ...]]:
    """All of a run that must be the same, bit for bit, in another one that learned the same; the policy comes first."""

    def read(run: Path) -> tuple[Any, ...]:
        front = json.loads((run / "front.json").read_text(encoding="utf-8"))
        policy = [(run / "policy" / f"{name}.safetensors").read_bytes() for name in ("policy", "task")]
        return *policy, front["points"], front["hypervolume"], front["notes"], steps(run)

    return read


@pytest.fixture(scope="session")
def word_tokenizer() -> Callable[[], Any]:
    """Makes a tokenizer of seven words and one for all others; of two texts, the second one's tokens have type 1."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    def make() -> Any:
        vocabulary = {word: i for i, word in enumerate(("[PAD]", "[UNK]", "[EOS]", "good", "bad", "the", "dog", "ran", "."))}
        tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        tokenizer.post_processor = processors.TemplateProcessing(single="$A", pair="$A $B:1", special_tokens=[])
        return tokenizer

    return make


@pytest.fixture(scope="session")
def classifier_folder(tmp_path_factory: pytest.TempPathFactory, word_tokenizer: Callable[[], Any]) -> Path:
    """The folder of a small random DistilBERT with the labels `bad` and `good`, and its tokenizer."""
    import torch
    from transformers import DistilBertConfig, DistilBertForSequenceClassification, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("classifier")
    config = DistilBertConfig(
        vocab_size=9, dim=16, hidden_dim=16, n_layers=1, n_heads=2, max_position_embeddings=32, initializer_range=0.5,
        id2label={0: "bad", 1: "good"}, label2id={"bad": 0, "good": 1}, pad_token_id=0,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        DistilBertForSequenceClassification(config).save_pretrained(folder)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=word_tokenizer(), pad_token="[PAD]", unk_token="[UNK]", eos_token="[EOS]", model_max_length=32
    )
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def onnx_file(word_tokenizer: Callable[[], Any]) -> Callable[..., Path]:
    """Writes a model in ONNX and its `tokenizer.json`: the sum over the tokens of one vector each, `[batch, labels]`.

    It takes the folder, `table` `[9, labels]`, the names of its inputs, their shape, type and the names of its outputs.
    """

    def write(
        folder: Path,
        table: torch.Tensor,
        *,
        inputs: tuple[str, ...] = ("input_ids", "attention_mask"),
        shape: tuple[int | str, int | str] = ("batch", "time"),
        kind: str = "INT64",
        outputs: tuple[str, ...] = ("logits",),
    ) -> Path:
        import torch
        from onnx import TensorProto, helper, numpy_helper, save

        nodes = [helper.make_node("Gather", ["table", inputs[0]], ["vectors-0"])]
        for number, name in enumerate(inputs[1:]):  # each further input weighs the tokens
            nodes.append(helper.make_node("Cast", [name], [f"float-{name}"], to=TensorProto.FLOAT))
            nodes.append(helper.make_node("Unsqueeze", [f"float-{name}", "last"], [f"wide-{name}"]))
            nodes.append(helper.make_node("Mul", [f"vectors-{number}", f"wide-{name}"], [f"vectors-{number + 1}"]))
        nodes += [helper.make_node("ReduceSum", [f"vectors-{len(inputs) - 1}", "time"], [name], keepdims=0) for name in outputs]
        numbers = {"table": table.float(), "last": torch.tensor([2]), "time": torch.tensor([1])}
        graph = helper.make_graph(
            nodes,
            "sums",
            [helper.make_tensor_value_info(name, getattr(TensorProto, kind), list(shape)) for name in inputs],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, [shape[0], table.shape[1]]) for name in outputs],
            [numpy_helper.from_array(value.numpy(), name) for name, value in numbers.items()],
        )
        folder.mkdir(parents=True, exist_ok=True)
        save(helper.make_model(graph, ir_version=9, opset_imports=[helper.make_opsetid("", 17)]), folder / "model.onnx")
        word_tokenizer().save(str(folder / "tokenizer.json"))
        return folder / "model.onnx"

    return write


def save_tokenizer(folder: Path) -> None:
    """Writes a tokenizer of single bytes with an end-of-sequence token, a chat template, and no padding token."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {"<s>": 0, "</s>": 1, **{letter: number for number, letter in enumerate(letters, start=2)}}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", chat_template=TEMPLATE, model_max_length=CONTEXT
    ).save_pretrained(folder)


def save_model(folder: Path, family: str, **changes: object) -> None:
    """Writes a random model of `family`: `llama`, `qwen2`, `qwen3`, `gpt2` or `mistral`; `changes` are of its config."""
    import torch
    import transformers

    shared = {"vocab_size": VOCABULARY, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": None, "initializer_range": 0.15}
    if family == "gpt2":
        settings = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": CONTEXT}
    else:
        settings = {
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "max_position_embeddings": CONTEXT,
        }
    if family == "qwen3":
        settings["head_dim"] = 8
    if family == "mistral":
        settings["sliding_window"] = None
    torch.manual_seed(sum(family.encode()))
    config = transformers.AutoConfig.for_model(family, **{**shared, **settings, **changes})
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(folder)


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """The folder of a small random model of a family, with config, safetensors and tokenizer; do not change what is there."""
    made: dict[tuple[object, ...], Path] = {}

    def folder(family: str = "llama", **changes: object) -> Path:
        key = (family, *sorted(changes.items()))
        if key not in made:
            made[key] = tmp_path_factory.mktemp(family)
            save_model(made[key], family, **changes)
            save_tokenizer(made[key])
        return made[key]

    return folder


def write_lists(path: Path, lists: int = 40) -> None:
    """Writes lists of three responses with made-up labels for `brief` and `calm`."""
    words = ["sun", "moon", "tree", "bird", "lake", "wind", "song", "road"]
    rows = []
    for number in range(lists):
        responses = [" ".join(words[(number + k + j) % 8] for j in range(1 + 2 * k)) for k in range(3)]
        labels = {"brief": [2.0, 1.0, 0.0], "calm": [float((number + k) % 3) for k in range(3)]}
        rows.append({"prompt": f"Day {number}: ", "responses": responses, "labels": labels})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


@pytest.fixture(scope="session")
def made_up_lists() -> Callable[..., None]:
    """Writes lists to a path."""
    return write_lists

"""Libraries of trackers that only record what they are asked for, with the signatures of the real ones."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from moft.api import Front, ListValues, Run, Tradeoff

# By module and what is called there: parameters as the real library has them, those left out that no tracker uses.
SIGNATURES = {
    "torch.utils.tensorboard": {
        "SummaryWriter": "log_dir=None, comment='', purge_step=None",
        "SummaryWriter.add_scalar": "tag, scalar_value, global_step=None, walltime=None",
        "SummaryWriter.add_text": "tag, text_string, global_step=None, walltime=None",
        "SummaryWriter.add_image": "tag, img_tensor, global_step=None, walltime=None, dataformats='CHW'",
        "SummaryWriter.close": "",
    },
    "trackio": {
        "init": "project, name=None, group=None, space_id=None, config=None, resume='never', embed=True, "
        "auto_log_cpu=None, auto_log_gpu=None",
        "Run.log": "metrics, step=None",
        "Run.finish": "",
        "Table": "columns=None, data=None",
        "Image": "value, caption=None",
    },
    "wandb": {
        "init": "entity=None, project=None, dir=None, id=None, name=None, tags=None, config=None, mode=None, reinit=None, "
        "resume=None",
        "Run.log": "data, step=None, commit=None",
        "Run.define_metric": "name, step_metric=None",
        "Run.finish": "exit_code=None",
        "Table": "columns=None, data=None",
        "Image": "data_or_path, mode=None, caption=None",
    },
    "mlflow": {
        "MlflowClient": "tracking_uri=None, registry_uri=None",
        "MlflowClient.get_experiment_by_name": "name",
        "MlflowClient.create_experiment": "name, artifact_location=None, tags=None",
        "MlflowClient.create_run": "experiment_id, start_time=None, tags=None, run_name=None",
        "MlflowClient.update_run": "run_id, status=None, name=None",
        "MlflowClient.log_batch": "run_id, metrics=(), params=(), tags=(), synchronous=None",
        "MlflowClient.log_artifact": "run_id, local_path, artifact_path=None",
        "MlflowClient.set_terminated": "run_id, status=None, end_time=None",
    },
    "mlflow.entities": {"Metric": "key, value, timestamp, step", "Param": "key, value"},
}


def signature_of(parameters: str) -> inspect.Signature:
    """The signature that a text such as `tag, step=None` stands for; what has a default may be left out."""
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    pairs = [text.partition("=") for text in parameters.split(", ") if text]
    return inspect.Signature(
        [inspect.Parameter(name, kind, default=text if sign else inspect.Parameter.empty) for name, sign, text in pairs]
    )


@dataclass
class Board:
    """What was called, in order: the name, and the arguments by theirs."""

    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def of(self, name: str) -> list[dict[str, Any]]:
        """The arguments of each call of one name."""
        return [arguments for called, arguments in self.calls if called == name]

    def function(self, name: str, parameters: str, gives: Callable[[dict[str, Any]], Any]) -> Callable[..., Any]:
        """A function of a signature that records its calls."""
        signature = signature_of(parameters)

        def called(*positional: Any, **named: Any) -> Any:
            arguments = dict(signature.bind(*positional, **named).arguments)
            self.calls.append((name, arguments))
            return gives(arguments)

        return called


def _made(board: Board, module: str, name: str, arguments: dict[str, Any]) -> Any:
    """What the real one would return: an object with the methods of its class, or a record of its arguments."""
    owner = {"init": "Run", "SummaryWriter": name, "MlflowClient": name}.get(name)
    if owner is None:
        return name, arguments
    methods = {key.partition(".")[2]: text for key, text in SIGNATURES[module].items() if key.startswith(f"{owner}.")}
    made = {key: board.function(key, text, lambda _: None) for key, text in methods.items()}
    if "create_run" in methods:
        started = SimpleNamespace(info=SimpleNamespace(run_id="id-1"))
        made["create_run"] = board.function("create_run", methods["create_run"], lambda _: started)
    return SimpleNamespace(id=arguments.get("id") or "id-1", name=arguments.get("name"), **made)


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> Board:
    """All libraries, recording into one place."""
    found = Board()
    for module, functions in SIGNATURES.items():
        made = {
            name: found.function(name, text, lambda given, module=module, name=name: _made(found, module, name, given))
            for name, text in functions.items()
            if "." not in name
        }
        monkeypatch.setitem(sys.modules, module, SimpleNamespace(**made))
    monkeypatch.setitem(sys.modules, "tensorboard", SimpleNamespace())
    return found


@pytest.fixture
def absent(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of the libraries can be imported."""
    for module in ("tensorboard", *SIGNATURES):
        monkeypatch.setitem(sys.modules, module, None)


@pytest.fixture
def front() -> Front:
    """Two points of two objectives over one list, without a main objective."""
    measured = ListValues(torch.tensor([[[1.0, 0.25]], [[0.5, 0.75]]]), torch.full((2, 1), torch.nan), torch.arange(1))
    return Front(("clicks", "price"), Tradeoff(torch.eye(2), torch.ones(1, 2)), measured, "toy metric", "test")


@pytest.fixture
def run(tmp_path: Any) -> Run:
    """A run in a folder with the files of a front."""
    folder = tmp_path / "first"
    folder.mkdir()
    record = '{"hypervolume": {"value": 0.5, "ci": [0.25, 0.75]}, "main": {"mean": NaN}, "indicators": {"spacing": 0.125}}'
    (folder / "front.json").write_text(record, encoding="utf-8")
    (folder / "front.csv").write_text("clicks,price\n", encoding="utf-8")
    picture = (
        "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
        "0000000c49444154789c63f8ffff3f0005fe02fe0def46b80000000049454e44ae426082"
    )
    (folder / "front.png").write_bytes(bytes.fromhex(picture))
    return Run("first", folder, {"method": {"name": "cos-dpo"}, "seed": 0})


@pytest.fixture
def signatures() -> dict[str, dict[str, set[str]]]:
    """The names of the parameters that are recorded, by module and what is called."""
    return {
        module: {name: set(signature_of(text).parameters) for name, text in functions.items()}
        for module, functions in SIGNATURES.items()
    }

"""Two processes with the environment of `torchrun`, which run `moft` commands one after another; tests start it."""

from __future__ import annotations

import contextlib
import gc
import importlib
import io
import json
import math
import os
import sys
import time
from pathlib import Path
from typing import Any

import torch
from accelerate.state import AcceleratorState, PartialState
from torch.nn.parallel import DistributedDataParallel

from moft.cli.app import main
from moft.engine.distributed import fsdp, processes
from moft.engine.training.training_loop import TrainingLoop
from moft.errors import RunError
from moft.run.report import html_page
from moft.run.report.figures import figure_style

PROCESSES = 2
step_of, shard_of, begin = TrainingLoop._step, fsdp.shard, processes.Processes.__init__
leave = PartialState.destroy_process_group


def done(job: dict[str, Any]) -> dict[str, Any]:
    """What became of a command: its exit code, what it said, bytes of frozen weights, whole and here, for each model,
    and how many models still held the group of processes when it was left."""
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(job["port"]), MOFT_CACHE=job["cache"])
    AcceleratorState._reset_state(True)
    sizes: list[list[int]] = []
    held: list[int] = []

    def stopped(loop, data, step):
        if loop.progress.step >= job.get("steps", math.inf):
            raise RunError("stopped by the test")
        return step_of(loop, data, step)

    def weighed(module, device):
        frozen = [one for one in module.parameters() if not one.requires_grad]
        before = sum(one.numel() * one.element_size() for one in frozen)
        is_new = not fsdp.is_sharded(module)
        shard_of(module, device)
        if not is_new:
            return
        here = [one.to_local() for one in module.parameters() if not one.requires_grad]
        sizes.append([before, sum(one.numel() * one.element_size() for one in here)])

    def left(state):
        held.append(sum(type(one) is DistributedDataParallel for one in gc.get_objects()))
        leave(state)

    def begin_late(self, **settings):
        begin(self, **settings)
        if not self.is_main:
            time.sleep(job.get("late", 0))

    TrainingLoop._step, processes.shard, processes.Processes.__init__ = stopped, weighed, begin_late
    PartialState.destroy_process_group = left
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(job["words"])
    return {"code": code, "out": out.getvalue(), "err": err.getvalue(), "bytes": sizes, "held": held}


if __name__ == "__main__":
    torch.set_num_threads(1)
    for module in (figure_style, html_page):
        module.png = lambda figure: b""
    folder = Path(sys.argv[1])
    for name in sys.argv[2:]:
        importlib.import_module(name)  # once for both, and before the fork
    children = []
    for rank in range(PROCESSES):
        children.append(os.fork())
        if children[-1] == 0:
            os.environ.update(dict.fromkeys(("RANK", "LOCAL_RANK"), str(rank)))
            os.environ.update(dict.fromkeys(("WORLD_SIZE", "LOCAL_WORLD_SIZE"), str(PROCESSES)))
            told = [done(job) for job in json.loads((folder / "jobs.json").read_text(encoding="utf-8"))]
            (folder / f"told-{rank}.json").write_text(json.dumps(told), encoding="utf-8")
            sys.exit()
    for child in children:
        os.waitpid(child, 0)

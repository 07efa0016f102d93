"""How the front of Temperature-COS-DPO moves with the ratio of two betas, on synthetic queries and for optimal free scores.

One policy is trained with betas drawn from a Dirichlet distribution, once with the default balance and once with the published
loss (`balance: none`), and one with Weight-COS-DPO for comparison. Each front is measured at 11 weightings and five ratios of the
betas, whose sum is always 2. The oracle minimises each loss over free scores of small queries, without a network.

Run it:  python benchmarks/beta_ratios.py
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path
from typing import Any

CONFIG = Path(__file__).parents[1] / "configs" / "ltr" / "synthetic.yaml"
POINTS = 11
FIRST_SHARES = (0.1, 0.25, 0.5, 0.75, 0.9)
"""Shares of the first beta in the sum: ratios 1:9, 1:3, 1:1, 3:1, 9:1."""


def measure(lists: int, split: str, overrides: list[str]) -> dict[str, Any]:
    """Fronts of the three policies at every ratio, and the oracle's."""
    import torch

    from benchmarks.support.train_and_measure import Experiments
    from moft.engine.fronts.hypervolume import hypervolume
    from moft.engine.fronts.measure_front import measure_front
    from moft.hooks.plugin_manager import Plugins
    from moft.run.run_config import read_settings
    from moft.types import Tradeoff
    from moft_ltr.data.example_data.synthetic import Synthetic, make_synthetic

    policies = {
        "weights": [],
        "betas": ["method.betas=dirichlet"],
        "betas, published loss": ["method.betas=dirichlet", "method.balance=none"],
    }
    grid = torch.stack([torch.linspace(1, 0, POINTS), torch.linspace(0, 1, POINTS)], dim=1)
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        make_synthetic(Path(folder) / "data", Synthetic(lists=lists))
        os.environ["SYNTHETIC"] = str(Path(folder) / "data")
        experiments = Experiments(CONFIG, ["trainer.device=cpu", "trainer.threads=1", *overrides])
        plugins = Plugins()
        plugins.load(disable=["console"])
        settings = read_settings(CONFIG, experiments.usual, plugins).make()
        for name, method in policies.items():
            outcome = experiments.run(method, split=split, weights=grid)
            (task,) = experiments._tasks.values()
            evaluator = settings.profile.evaluator(task.objectives, task.main)
            shares = FIRST_SHARES if method else (0.5,)
            fronts = [
                measure_front(outcome.policy, task, evaluator, Tradeoff(grid, 2 * torch.tensor([[share, 1 - share]])), split)
                for share in shares
            ]
            equal = fronts[len(fronts) // 2]
            found[name] = {
                "seconds": outcome.processor,
                "hypervolume": hypervolume(equal.points, torch.zeros(2)),
                "main": [front.main.mean().item() for front in fronts],
                **(direction(torch.stack([front.points for front in fronts])) if method else {}),
            }
            print(f"{name}: {outcome.processor:.0f} s", flush=True)
    for name, divided in (("oracle", True), ("oracle, published loss", False)):
        found[name] = direction(oracle(grid, divided=divided))
    return {"lists": lists, "split": split, "first_share": FIRST_SHARES, **found}


def direction(values: Any) -> dict[str, Any]:
    """How a front moves as the first beta grows and the second falls.

    Args:
        values: `[ratio, n, m]`, from the smallest first beta to the largest.
    """
    lead = values[..., 0] - values[..., 1]  # [ratio, n]
    inner = lead[:, 1:-1]
    return {
        "mean_first": values[..., 0].mean(1).tolist(),
        "mean_second": values[..., 1].mean(1).tolist(),
        "reach_first": values[:, 0, 0].tolist(),
        "reach_second": values[:, -1, 1].tolist(),
        "lead": lead.mean(1).tolist(),
        "inner_first_falls": (values[:, 1:-1, 0].diff(dim=0) < 0).all(0).double().mean().item(),
        "inner_second_rises": (values[:, 1:-1, 1].diff(dim=0) > 0).all(0).double().mean().item(),
        "inner_lead_falls": (inner.diff(dim=0) < 0).all(0).double().mean().item(),
    }


def oracle(grid: Any, *, divided: bool, lists: int = 200, items: int = 12, conflict: float = -0.3) -> Any:
    """`[ratio, n, m]`, NDCG@10 of the optimal free scores, on random grades and base scores of unit variance.

    Args:
        grid: `[n, m]`, weights.
        divided: True divides each loss by its beta, as the balance does; False is equation 16.
        lists: number of queries.
        items: documents of each query.
        conflict: correlation of the two objectives before grading.
    """
    import torch

    generator = torch.Generator().manual_seed(0)
    normal = torch.randn(lists, 3, items, generator=generator, dtype=torch.float64)
    second = conflict * normal[:, 0] + (1 - conflict**2) ** 0.5 * normal[:, 1]
    edges = torch.tensor([0.1, 0.74, 1.28, 1.88], dtype=torch.float64)
    labels = torch.bucketize(torch.stack([normal[:, 0], second], dim=1), edges).double()  # [lists, m, items]
    targets = labels.softmax(-1)
    values = torch.zeros(len(FIRST_SHARES), len(grid), 2)
    for ratio, share in enumerate(FIRST_SHARES):
        betas = torch.tensor([share, 1 - share], dtype=torch.float64)
        for row, weights in enumerate(grid.double()):
            factors = weights / betas if divided else weights
            best = normal[:, 2] + _minimise(targets, factors / factors.sum(), betas) / 2
            values[ratio, row] = torch.stack([_ndcg(best, labels[:, objective]) for objective in range(2)])
    return values


def _minimise(targets: Any, factors: Any, betas: Any) -> Any:
    """`[lists, items]`, the corrections that minimise the weighted cross entropy of rewards."""
    import torch

    correction = torch.zeros(targets.shape[0], targets.shape[2], dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([correction], max_iter=400, tolerance_change=0, line_search_fn="strong_wolfe")

    def closure() -> Any:
        optimiser.zero_grad()
        rewards = betas[None, :, None] * correction.unsqueeze(1)  # [lists, m, items]
        loss = (-(targets * rewards.log_softmax(-1)).sum(-1) @ factors).sum()
        loss.backward()
        return loss

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    return correction.detach()


def _ndcg(scores: Any, labels: Any) -> Any:
    """NDCG@10 with linear gain, mean over the queries with a label above 0."""
    import torch

    discount = 1 / torch.log2(torch.arange(10) + 2.0).double()
    gained = (labels.gather(1, scores.argsort(dim=1, descending=True)[:, :10]) * discount).sum(1)
    ideal = (labels.sort(dim=1, descending=True).values[:, :10] * discount).sum(1)
    return (gained / ideal)[ideal > 0].mean()


def main() -> None:
    """Prints the tables and writes JSON."""
    from benchmarks.support.reporting import machine, print_table, write_result

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lists", type=int, default=600)
    parser.add_argument("--split", default="test", choices=["validation", "test"])
    parser.add_argument("--set", action="append", default=[], help="override, as for moft train")
    options = parser.parse_args()
    found = measure(options.lists, options.split, options.set)
    ratios = [f"{share / (1 - share):.3g}" for share in FIRST_SHARES]
    for name, record in found.items():
        if not isinstance(record, dict) or "lead" not in record:
            continue
        rows = [
            [label, *(f"{value:.4f}" for value in record[key])]
            for label, key in (
                ("first, mean over weights", "mean_first"),
                ("second, mean over weights", "mean_second"),
                ("first, at its vertex", "reach_first"),
                ("second, at its vertex", "reach_second"),
            )
        ]
        shares = ", ".join(f"{record[key]:.2f}" for key in ("inner_first_falls", "inner_second_rises", "inner_lead_falls"))
        print_table(
            f"{name} (share of inner weights: first falls, second rises, first - second falls: {shares})",
            ["beta 1 / beta 2", *ratios],
            rows,
        )
    for name in ("weights", "betas", "betas, published loss"):
        print(f"{name}: hypervolume at equal betas {found[name]['hypervolume']:.4f}, {found[name]['seconds']:.0f} s")
    write_result("beta-ratios", {"machine": machine(), **found})


if __name__ == "__main__":
    main()

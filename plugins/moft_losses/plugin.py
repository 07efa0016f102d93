"""Registers the losses of a list."""

from __future__ import annotations

from collections.abc import Iterator

from moft import Component, hookimpl


@hookimpl
def moft_losses() -> Iterator[Component]:
    """The losses."""
    yield Component("listnet", "moft_losses.listnet:ListNet", "cross entropy of labels and rewards; DPO for pairs")
    yield Component("plackett-luce", "moft_losses.plackett_luce:PlackettLuce", "likelihood of the whole ranking")
    yield Component("pairwise-logistic", "moft_losses.pairwise_logistic:PairwiseLogistic", "log loss of every ordered pair")
    yield Component(
        "lipo-lambda", "moft_losses.lipo_lambda:LipoLambda", "log loss of ordered pairs, weighted by the change of NDCG"
    )
    yield Component("ipo", "moft_losses.ipo:IPO", "squared distance of every ordered pair from a margin")
    yield Component(
        "unpaired-logistic", "moft_losses.unpaired_logistic:UnpairedLogistic", "log loss of each item, good or bad by itself"
    )
    yield Component("approx-ndcg", "moft_losses.approx_ndcg:ApproxNDCG", "one minus a smooth NDCG of the final ranking")
    yield Component(
        "exposure", "moft_losses.exposure:Exposure", "fairness: the exposure of a group of items in the final ranking"
    )
    yield Component("diversity", "moft_losses.diversity:Diversity", "concentration of the final ranking on few categories")
    yield Component(
        "with-sft", "moft_losses.with_sft:WithSFT", "another loss, plus supervised fine-tuning on items with high labels"
    )

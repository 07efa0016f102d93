"""Registers the conditioners."""

from __future__ import annotations

from collections.abc import Iterator

from moft import Component, hookimpl


@hookimpl
def moft_conditioners() -> Iterator[Component]:
    """The conditioners."""
    yield Component("concat", "moft_conditioners.concat:Concat", "the tradeoff concatenated to the features, in the first layer")
    yield Component("encoded", "moft_conditioners.with_encoder:Encoded", "a conditioner that reads features of the tradeoff")
    yield Component("film", "moft_conditioners.film:FiLM", "scales and shifts at the model's sites")
    yield Component(
        "hpt",
        "moft_conditioners.hyper_prompt_tuning:HyperPromptTuning",
        "soft tokens before the sequence, masked by the tradeoff",
    )
    yield Component("hyper-lora", "moft_conditioners.hyper_lora:HyperLoRA", "low-rank changes of layers, gated by the tradeoff")
    yield Component("hypernetwork", "moft_conditioners.hypernetwork:Hypernetwork", "whole layers made from the tradeoff")
    yield Component("mix", "moft_conditioners.mixed_conditioners:Mix", "several conditioners at once")

"""Offers the conditioners."""

from __future__ import annotations

from collections.abc import Iterator

from moft import Component, hookimpl


@hookimpl
def moft_conditioners() -> Iterator[Component]:
    """The shipped conditioners."""
    yield Component("concat", "moft_conditioning.concat:Concat", "the tradeoff beside the features, in the first layer")
    yield Component("encoded", "moft_conditioning.encoded:Encoded", "a conditioner that reads features of the tradeoff")
    yield Component("film", "moft_conditioning.film:FiLM", "scales and shifts at the model's sites")
    yield Component("hpt", "moft_conditioning.hpt:HyperPromptTuning", "soft tokens before the sequence, masked by the tradeoff")
    yield Component("hyper-lora", "moft_conditioning.hyper_lora:HyperLoRA", "low-rank changes of layers, gated by the tradeoff")
    yield Component("hypernetwork", "moft_conditioning.hypernetwork:Hypernetwork", "whole layers made from the tradeoff")
    yield Component("mix", "moft_conditioning.mix:Mix", "several conditioners at once")

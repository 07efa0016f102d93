"""Compiling a language model with `torch.compile`, and running it uncompiled where caches would force recompilation."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import torch

from moft_llm.network.architecture import layers_of

_VARIANTS = 32  # of a compiled part: with and without gradients, adapters, gates, checkpoints


def compile_layers(network: Any) -> None:
    """Compiles the parts of each layer, in place. What happens between them, such as checkpointing, is not compiled."""
    limits: Any = torch._dynamo.config
    limits.recompile_limit = max(limits.recompile_limit, _VARIANTS)
    limits.force_nn_module_property_static_shapes = False  # gates are not parameters: each batch has its own
    for layer in layers_of(network):
        for part in layer.children():
            part.compile(dynamic=True)


def run_uncompiled() -> AbstractContextManager[None]:
    """Runs compiled modules eagerly within the block."""
    eager: AbstractContextManager[None] = torch.compiler.set_stance("force_eager")
    return eager

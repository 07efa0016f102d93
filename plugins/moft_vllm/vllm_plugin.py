"""The entry point of the group `vllm.general_plugins`, which every process of vLLM calls."""

from __future__ import annotations

import os


def register() -> None:
    """Registers the resolver of adapters, where an exported policy is served."""
    from moft_vllm.served import FOLDER

    if FOLDER in os.environ:
        from moft_vllm.resolver import register_resolver

        register_resolver()

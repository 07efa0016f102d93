"""The LoRA resolver that vLLM asks for adapters by name; only vLLM imports this file."""

from __future__ import annotations

import asyncio

from vllm.lora.request import LoRARequest
from vllm.lora.resolver import LoRAResolver, LoRAResolverRegistry

from moft_vllm.served import served


class Resolver(LoRAResolver):
    """Finds the adapters of weightings that requests use, and makes those that are not there yet."""

    async def resolve_lora(self, base_model_name: str, lora_name: str) -> LoRARequest | None:
        folder = await asyncio.to_thread(served().adapters.folder, lora_name)
        return None if folder is None else LoRARequest(lora_name=lora_name, lora_int_id=1, lora_path=str(folder))


def register_resolver() -> None:
    """Makes it known to vLLM, which gives each adapter a number of its own."""
    LoRAResolverRegistry.register_resolver("moft", Resolver())

"""Times generating with one thread and with all, for models of several sizes; prints a table of ratios."""

from __future__ import annotations

import time

import torch
from transformers import AutoModelForCausalLM, LlamaConfig

SHAPES = {(64, 5): 172, (288, 6): 768, (512, 8): 1376, (768, 12): 2048, (1024, 16): 2816}
"""Intermediate size by hidden size and number of layers."""
BATCHES = (1, 8, 32)
TOKENS, TRIES = 12, 3


def main() -> None:
    """For each model and batch: seconds with one thread, and how many times faster all threads are."""
    most = torch.get_num_threads()
    print(f"| parameters in layers | batch | one thread (ms per token) | {most} threads, times as fast |")
    print("|---|---|---|---|")
    for (hidden, layers), inner in SHAPES.items():
        config = LlamaConfig(
            hidden_size=hidden, num_hidden_layers=layers, intermediate_size=inner, num_attention_heads=8, vocab_size=32000
        )
        network = AutoModelForCausalLM.from_config(config).eval()
        count = sum(value.numel() for value in network.model.layers.parameters())
        for batch in BATCHES:
            tokens = torch.randint(3, 32000, (batch, 16))
            least = {1: float("inf"), most: float("inf")}
            for _ in range(TRIES):
                for threads in (1, most):  # in turn, so that what else runs here slows both
                    torch.set_num_threads(threads)
                    start = time.perf_counter()
                    network.generate(tokens, max_new_tokens=TOKENS, min_new_tokens=TOKENS, do_sample=False, pad_token_id=0)
                    least[threads] = min(least[threads], (time.perf_counter() - start) / TOKENS)
            print(f"| {count / 1e6:.1f} million | {batch} | {1000 * least[1]:.1f} | {least[1] / least[most]:.2f} |", flush=True)


if __name__ == "__main__":
    main()

"""How often a token that is drawn with the same random number is another one in a batch than alone, by the way it is drawn.

Logits of a row in a batch differ from those of the row alone by rounding. `SeededDraws` looks a random number up in the sums of
the probabilities in the order of the vocabulary. Reported is the share of draws that give another token: as it is, with sums in
64 bits, in the order of the probabilities, and, as a bound, with Gumbel noise for each token.

Run it, on a model of transformers:  python benchmarks/seeded_draws.py MODEL
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.serve_text import PROMPTS

TOKENS = 40
DRAWS = 1_000
"""At each place of a text."""


def main() -> None:
    """Prints the table and writes JSON."""
    from benchmarks.support.reporting import machine, print_table, write_result

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    with torch.no_grad():
        alone, beside = _logits(options.model)
    draws = torch.rand(len(alone), DRAWS, dtype=torch.float64)
    exact = alone.double(), beside.double()
    orders = [logits.sort(-1, descending=True) for logits in exact]
    likeliest_first = [order.indices.gather(1, _drawn(order.values, draws)) for order in orders]
    distance = float((exact[0].softmax(-1) - exact[1].softmax(-1)).abs().sum(-1).mean()) / 2
    shares = {
        "sums in 32 bits, as SeededDraws": _share(_drawn(alone, draws), _drawn(beside, draws)),
        "sums in 64 bits": _share(*(_drawn(logits, draws) for logits in exact)),
        "sums in 64 bits, likeliest token first": _share(*likeliest_first),
        "Gumbel noise, at most": 2 * distance / (1 + distance),  # Daliri et al., arXiv 2408.07978
        "32 against 64 bits, same logits": _share(_drawn(alone, draws), _drawn(exact[0], draws)),
    }
    title = f"Draws of another token, of {alone.shape[1]:,}; logits differ by {float((alone - beside).abs().max()):.1e} at most"
    print_table(title, ("", "share"), [[name, f"{share:.2g}"] for name, share in shares.items()])
    content = {"machine": machine("transformers"), "model": Path(options.model).name, "draws": draws.numel(), "shares": shares}
    write_result("seeded-draws", content)


def _logits(name: str) -> tuple[Tensor, Tensor]:
    """`[places, vocabulary]` twice, at the same places of texts: each alone, token by token, and all in one batch."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from moft_llm.generation.prompts.padded_prompts import left_padded

    network: Any = AutoModelForCausalLM.from_pretrained(name, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(name)
    texts, alone = [], []
    for prompt in PROMPTS:
        ids = tokenizer(prompt, return_tensors="pt").input_ids
        more = {"do_sample": True, "output_logits": True, "return_dict_in_generate": True}
        found = network.generate(ids, max_new_tokens=TOKENS, min_new_tokens=TOKENS, pad_token_id=0, **more)
        texts.append(found.sequences[0].tolist())
        alone.append(torch.cat(found.logits))
    tokens, mask = left_padded(texts, 0, torch.device("cpu"))
    places = (mask.cumsum(1) - 1).clamp(min=0)
    beside = network(input_ids=tokens, attention_mask=mask, position_ids=places).logits[:, -TOKENS - 1 : -1]
    return torch.cat(alone).float(), beside.flatten(0, 1)


def _drawn(logits: Tensor, draws: Tensor) -> Tensor:
    """`[places, draws]`, the tokens that `SeededDraws` takes, with sums in the precision of the logits."""
    below = logits.softmax(-1).cumsum(-1)
    total = below[:, -1:]
    wanted = (draws.to(below) * total).minimum(torch.nextafter(total, torch.zeros_like(total)))
    return torch.searchsorted(below, wanted, right=True)


def _share(first: Tensor, second: Tensor) -> float:
    return float((first != second).double().mean())


if __name__ == "__main__":
    main()

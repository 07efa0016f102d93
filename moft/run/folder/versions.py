"""The content of `versions.json`: packages, plugins, device, seed and data of a run."""

from __future__ import annotations

import platform
import re
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from moft.hooks.plugin_manager import Plugins
from moft.secret_values import redacted

PACKAGES = (
    "moft",
    "torch",
    "numpy",
    "accelerate",
    "transformers",
    "peft",
    "moocore",
    "safetensors",
    "scikit-learn",
    "lightgbm",
)

HASH = re.compile(r"[0-9a-f]{20,}")
"""A content hash; messages show only its first characters."""


def versions_of(
    plugins: Plugins, files: Mapping[str, str], home: Path, device: torch.device, seed: int, identity: Mapping[str, Any]
) -> dict[str, Any]:
    """The content of `versions.json`.

    Args:
        plugins: of the run.
        files: the SHA-256 of each plugin file, by name.
        home: the folder that relative paths of the config start from.
        device: of training.
        seed: of the run.
        identity: of the data.
    """
    count = torch.get_num_threads()
    return {
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "packages": {name: found for name in PACKAGES if (found := _version(name)) is not None},
        "plugins": {origin.plugin: f"{origin.package} {origin.version}".strip() for origin in plugins.registered()},
        "plugin_files": files,
        "folder": str(home),
        "device": torch.cuda.get_device_name(device)
        if device.type == "cuda"
        else f"{device.type}, {count} {'thread' if count == 1 else 'threads'}",
        "seed": seed,
        "data": redacted(identity),
        "git_commit": _commit(),
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _commit() -> str | None:
    """The commit of the checkout that moft runs from, or None if it is installed otherwise."""
    here = Path(__file__).resolve().parents[3]
    if not (here / ".git").exists():
        return None
    try:
        found = subprocess.run(["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() or None

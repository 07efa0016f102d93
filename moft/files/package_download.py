"""Files from a package on the package index: its wheel is downloaded with pip, and the hash of each file is checked."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

from moft.errors import DataError


def download_wheel(package: str, folder: Path, options: Sequence[str] = ()) -> Path:
    """The wheel of `package`, downloaded with pip into `folder`, without its dependencies.

    Args:
        package: with its version, as in `name==1.0`.
        folder: an empty one.
        options: of `pip download`, such as those that choose another platform's wheel.

    Raises:
        DataError: pip is missing or fails, for instance without a network or for an unknown version.
    """
    pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command = [*pip, *options, "--dest", str(folder), package]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise DataError(f"{package}: cannot be downloaded: {sys.executable} does not run ({error.strerror}).") from error
    if done.returncode:
        if "No module named pip" in done.stderr:
            raise DataError(f"{package}: cannot be downloaded: {sys.executable} has no pip; `python -m ensurepip` installs it.")
        lines = done.stderr.splitlines()
        errors = [line for line in lines if line.startswith("ERROR")] or lines or ["no reason given"]
        raise DataError(f"{package}: cannot be downloaded with pip: {errors[-1].strip()} Is the package index reachable?")
    wheels = sorted(folder.glob("*.whl"))
    if not wheels:
        raise DataError(f"{package}: pip succeeded but left no wheel.")
    return wheels[0]


def wheel_member(wheel: Path, name: str, sha256: str, package: str) -> bytes:
    """A file of the wheel.

    Args:
        wheel: the file.
        name: of the member.
        sha256: hex, of its content.
        package: that the wheel should be of, for messages.

    Raises:
        DataError: there is no such member, or it has other content.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            content = archive.read(name)
    except (KeyError, zipfile.BadZipFile) as error:
        raise DataError(f"{wheel.name}: holds no {name} ({error}); expected that of {package}.") from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise DataError(f"{wheel.name}: {name} has sha256 {found}, expected {sha256}; the package has changed.")
    return content

"""What the commands of a page of the documentation start or install."""

from __future__ import annotations

import socket
import subprocess
import tomllib
from pathlib import Path
from typing import Self

import pytest


def install(package: Path, patch: pytest.MonkeyPatch) -> None:
    """What `pip install -e` does to a package, as far as entry points and imports go; nothing is downloaded."""
    project = tomllib.loads((package / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    source = package / "src" if (package / "src").is_dir() else package
    record = source / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    record.mkdir()
    (record / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n", "utf-8")
    groups = [
        f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in names.items()) for group, names in project["entry-points"].items()
    ]
    (record / "entry_points.txt").write_text("\n".join(groups), encoding="utf-8")
    patch.syspath_prepend(str(source))
    patch.setenv("PYTHONPATH", str(source))


class Servers:
    """The servers that a page starts, each on a port that is free; they are stopped in the end, and have to end well.

    Args:
        program: that stands for Python.
    """

    def __init__(self, program: str) -> None:
        self._program = program
        self._started: list[subprocess.Popen[str]] = []
        self._ports: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for server in self._started:
            server.terminate()
            _, told = server.communicate(timeout=30)
            assert server.returncode == 0, told

    def start(self, words: list[str], folder: Path) -> None:
        """Starts a server, whose words have `--port`, and waits until it listens."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        place = words.index("--port") + 1
        self._ports[words[place]], words[place] = port, port
        server = subprocess.Popen([self._program, "-m", *words], cwd=folder, stderr=subprocess.PIPE, text=True)
        self._started.append(server)
        assert server.stderr is not None
        line = server.stderr.readline()
        assert f":{port}" in line, line

    def with_ports(self, text: str) -> str:
        """A text of the page with the ports at which the servers listen."""
        for shown, port in self._ports.items():
            text = text.replace(f":{shown}", f":{port}")
        return text

"""The recipes in `deploy/` name commands, options, routes and files that exist, and are what their programs read."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer
import yaml

from moft.cli.app import application
from moft.hooks.plugin_manager import Plugins

ROOT = Path(__file__).resolve().parents[1]
DEPLOY = ROOT / "deploy"


@pytest.fixture(scope="module")
def options() -> dict[str, Any]:
    """The defaults of the options of `moft serve`, by option."""
    plugins = Plugins()
    plugins.load()
    command: Any = typer.main.get_command(application(plugins, ["serve"]))
    return {option: each.default for each in command.commands["serve"].params for option in each.opts}


@pytest.fixture(scope="module")
def paths() -> set[str]:
    """The routes of a server."""
    from moft_serve.application import application as serving
    from moft_serve.models.served_models import Models

    none: Any = SimpleNamespace(name="none", run=SimpleNamespace(steering_page=None))
    return set(serving(Models([none]), lambda name, path: none).openapi()["paths"])


def check(words: list[str], options: dict[str, Any]) -> dict[str, str]:
    """The values of the options in words; each has to exist."""
    found = {word: words[place + 1] for place, word in enumerate(words) if word.startswith("--")}
    assert set(found) <= set(options), set(found) - set(options)
    return found


def test_the_dockerfile_starts_the_command(options: dict[str, Any], paths: set[str]) -> None:
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    steps = [tuple(line.split(maxsplit=1)) for line in text.splitlines() if line and not line.startswith("#")]
    known = {"FROM", "ARG", "RUN", "WORKDIR", "COPY", "USER", "ENV", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT", "CMD"}
    assert {step[0] for step in steps} <= known
    for _, rest in (step for step in steps if step[0] == "COPY"):
        for source in rest.split()[:-1]:
            assert (ROOT / source).exists(), source
    told = dict(steps)
    assert json.loads(told["ENTRYPOINT"]) == ["moft", "serve"]
    given = check(json.loads(told["CMD"]), options)
    assert given["--port"] == told["EXPOSE"]
    health = json.loads(told["HEALTHCHECK"].partition("CMD ")[2])
    compile(health[2], "health", "exec")
    found = re.search(r"127\.0\.0\.1:(\d+)([/\w]+)", health[2])
    assert found is not None
    assert (found[1], found[2] in paths) == (told["EXPOSE"], True)
    extras = re.search(r"^ARG EXTRAS=([\w,]+)$", text, re.M)
    assert extras is not None
    assert '".[$EXTRAS]"' in text
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert all(f"\n{extra} = [" in project for extra in extras[1].split(","))


def test_the_unit_starts_the_command(options: dict[str, Any], tmp_path: Path) -> None:
    text = (DEPLOY / "moft-serve.service").read_text(encoding="utf-8")
    lines = dict(line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))
    words = shlex.split(lines["ExecStart"])
    assert words[:2] == ["/opt/moft/bin/moft", "serve"]
    check(words, options)
    assert float(lines["TimeoutStopSec"]) > options["--shutdown-timeout"]
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze")
    unit = tmp_path / "moft-serve.service"
    unit.write_text(text.replace("/opt/moft/bin/moft", sys.executable), encoding="utf-8")
    done = subprocess.run(["systemd-analyze", "verify", "--recursive-errors=no", str(unit)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_manifest_starts_the_image_and_probes_routes(options: dict[str, Any], paths: set[str]) -> None:
    deployment, service = yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text(encoding="utf-8"))
    pod = deployment["spec"]["template"]
    assert pod["metadata"]["labels"] == deployment["spec"]["selector"]["matchLabels"] == service["spec"]["selector"]
    (container,) = pod["spec"]["containers"]
    given = check(container["args"], options)
    (port,) = container["ports"]
    assert str(port["containerPort"]) == given["--port"]
    assert service["spec"]["ports"][0]["targetPort"] == port["name"]
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        asked = container[probe]["httpGet"]
        assert asked["path"] in paths
        assert asked["port"] == port["name"]
    sleep = float(container["lifecycle"]["preStop"]["exec"]["command"][1])
    assert pod["spec"]["terminationGracePeriodSeconds"] > sleep + float(given["--shutdown-timeout"])
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["spec"]["volumes"]}
    assert container["args"][0].startswith(container["volumeMounts"][0]["mountPath"])

"""`moft serve`: opens runs and serves them over HTTP."""

from __future__ import annotations

import gc
import shlex
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from moft import ConfigError

PACKAGES = {"fastapi": "fastapi", "uvicorn": "uvicorn", "prometheus_client": "prometheus-client", "pyarrow": "pyarrow"}
"""Of the extra `serve`: what is imported, and what is installed."""


class Engine(StrEnum):
    """What generates texts."""

    TRANSFORMERS = "transformers"
    VLLM = "vllm"


class LogFormat(StrEnum):
    """How lines are logged."""

    JSON = "json"
    TEXT = "text"


def serve(
    context: typer.Context,
    runs: Annotated[list[str], typer.Argument(help="Run folders, each as RUN or NAME=RUN.")],
    host: Annotated[
        str, typer.Option("--host", help="Address to listen on; others than that of this machine need a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port to listen on; 0 for any that is free.")] = 8000,
    token_file: Annotated[
        Path | None,
        typer.Option("--token-file", help="File of bearer tokens, one on each line; default the variable MOFT_SERVE_TOKEN."),
    ] = None,
    no_token: Annotated[bool, typer.Option("--no-token", help="Serve other machines without a token.")] = False,
    max_body: Annotated[int, typer.Option("--max-body", min=1, max=2**31, help="Bytes of a request.")] = 8 * 2**20,
    max_queries: Annotated[int, typer.Option("--max-queries", min=1, max=1_000_000, help="Queries of a request.")] = 256,
    max_documents: Annotated[int, typer.Option("--max-documents", min=1, max=1_000_000, help="Documents of a query.")] = 2_000,
    max_requests: Annotated[
        int, typer.Option("--max-requests", min=1, max=1_000_000, help="Requests at a time; more get 429.")
    ] = 256,
    max_batch: Annotated[
        int, typer.Option("--max-batch", min=1, max=10_000_000, help="Documents that are scored together.")
    ] = 4_096,
    timeout: Annotated[float, typer.Option("--timeout", min=0.001, max=86_400, help="Seconds until a request gets 504.")] = 30.0,
    shutdown_timeout: Annotated[
        float, typer.Option("--shutdown-timeout", min=0, max=86_400, help="Seconds that a stop waits for accepted requests.")
    ] = 30.0,
    max_tokens: Annotated[int, typer.Option("--max-tokens", min=1, max=10_000_000, help="Tokens of a generated text.")] = 1_024,
    max_texts: Annotated[int, typer.Option("--max-texts", min=1, max=10_000, help="Texts of a request.")] = 16,
    text_rows: Annotated[int, typer.Option("--text-rows", min=1, max=10_000, help="Texts that are generated together.")] = 32,
    text_queue: Annotated[
        int, typer.Option("--text-queue", min=0, max=1_000_000, help="Texts that may wait for that; more get 429.")
    ] = 256,
    text_timeout: Annotated[
        float, typer.Option("--text-timeout", min=0.001, max=86_400, help="Seconds until the texts of a request get 504.")
    ] = 300.0,
    engine: Annotated[
        Engine, typer.Option("--engine", help="What generates texts: moft's own batch, or a vLLM that is started for each run.")
    ] = Engine.TRANSFORMERS,
    vllm_python: Annotated[
        str | None, typer.Option("--vllm-python", help="Python interpreter that has vLLM; default that of moft.")
    ] = None,
    vllm_options: Annotated[
        str | None, typer.Option("--vllm-options", help="Options of vLLM, such as '--gpu-memory-utilization 0.4'.")
    ] = None,
    log_format: Annotated[LogFormat, typer.Option("--log-format", help="Of the lines on stderr.")] = LogFormat.JSON,
    threads: Annotated[
        int | None, typer.Option("--threads", min=1, max=1024, help="Threads that compute; default all cores.")
    ] = None,
    trust: Annotated[
        bool, typer.Option("--trust", help="Run plugin files whose content you have not trusted yet, and remember it as trusted.")
    ] = False,
) -> None:
    """Serve runs over HTTP: each request chooses the weights of the objectives."""
    missing = [name for module, name in PACKAGES.items() if find_spec(module) is None]
    if missing:
        raise ConfigError(f"moft serve needs the package {missing[0]}: pip install 'moft[serve]'.")
    import torch

    from moft.api import TextEngineSettings
    from moft_serve.application import application
    from moft_serve.http.limits import Limits
    from moft_serve.http.logs import log, set_up_logs
    from moft_serve.http.tokens import read_tokens
    from moft_serve.models.served_models import Models, opener, paths_by_name
    from moft_serve.server import Server, bound_socket, is_loopback

    tokens = read_tokens(token_file)
    if not (tokens or no_token or is_loopback(host)):
        raise ConfigError(
            f"--host {host}: whoever reaches this address could use the server; give --token-file FILE, or --no-token where "
            "something else keeps others out."
        )
    if engine is not Engine.VLLM and (vllm_python is not None or vllm_options is not None):
        raise ConfigError(f"{'--vllm-options' if vllm_python is None else '--vllm-python'}: has no effect without --engine vllm.")
    paths = paths_by_name(runs)
    if threads is not None:
        torch.set_num_threads(threads)
    limits = Limits(
        max_body_bytes=max_body,
        max_queries=max_queries,
        max_documents=max_documents,
        max_requests=max_requests,
        max_batch_documents=max_batch,
        timeout=timeout,
        shutdown_timeout=shutdown_timeout,
        max_tokens=max_tokens,
        max_texts=max_texts,
        text_timeout=text_timeout,
    )
    texts = TextEngineSettings(
        rows=text_rows,
        queue=text_queue,
        threads=threads,
        engine=engine.value,
        python=vllm_python,
        options=_split(vllm_options),
    )
    set_up_logs(log_format.value)
    open_served = opener(context.obj, trust=trust, texts=texts)
    with bound_socket(host, port) as listening:  # now, so that a taken port is told at once, and early requests wait
        address = listening.getsockname()
        shown = f"[{address[0]}]" if ":" in address[0] else address[0]
        url = f"http://{shown}:{address[1]}"
        log("opening", url=url, models=list(paths))
        models = Models([open_served(name, path) for name, path in paths.items()])
        if engine is Engine.VLLM and all(served.engine is None for served in models):
            raise ConfigError("--engine vllm: none of these runs is a language model; leave it out.")
        app = application(models, open_served, tokens=tokens, limits=limits)
        gc.collect()
        gc.freeze()  # else the garbage collector looks through all of it now and then, which holds up every request
        log("serving", url=url, models=models.names)
        Server(app, limits).run([listening])
        log("stopped")


def _split(options: str | None) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(options or ""))
    except ValueError as error:
        raise ConfigError(f"--vllm-options {options!r}: cannot be split into words ({str(error).lower()}).") from error

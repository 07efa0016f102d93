"""A server on a socket: it stops in order, without losing what it accepted, and heeds signals."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import threading
from dataclasses import replace
from types import SimpleNamespace

import httpx
import pytest

from moft import ConfigError
from moft_serve import server
from moft_serve.application import application
from moft_serve.http.limits import Limits
from moft_serve.models.served_models import Models
from moft_serve.server import Server, bound_socket, is_loopback


@pytest.fixture
def go():
    """Lets `slow` go on."""
    found = threading.Event()
    yield found
    found.set()


@pytest.fixture
def slow(opened, go):
    """The run with a scorer that waits for a sign."""

    def scorer(lists, tradeoff):
        go.wait(10)
        return opened.scorer(lists, tradeoff)

    scorer.features, scorer.categories, scorer.base_scores = opened.scorer.features, {}, None
    return replace(opened, scorer=scorer)


async def until(holds):
    """Waits for something."""
    while not holds():
        await asyncio.sleep(0.01)


def served(served_run, work, limits=None, reloads=None):
    """Runs a server and what a client does meanwhile."""
    limits = limits or Limits()

    def again(name, path):
        (reloads if reloads is not None else []).append(name)
        return served_run

    async def run():
        with bound_socket("127.0.0.1", 0) as listening:
            server = Server(application(Models([served_run]), again, limits=limits), limits)
            address = f"http://127.0.0.1:{listening.getsockname()[1]}"
            serving = asyncio.create_task(server.serve([listening]))
            async with httpx.AsyncClient(base_url=address, trust_env=False) as client:
                await until(lambda: server.started)
                try:
                    return await work(server, client)
                finally:
                    server.should_exit = True
                    await serving

    return asyncio.run(run())


def test_a_stop_answers_what_was_accepted_and_refuses_what_is_new(slow, ask, go):
    async def work(server, client):
        accepted = [asyncio.create_task(client.post("/v1/score", json=ask())) for _ in range(3)]
        await until(lambda: server.traffic.in_flight == 3)
        server.heed(signal.SIGTERM)
        new, ready = await client.post("/v1/score", json=ask()), await client.get("/health/ready")
        go.set()
        return [await each for each in accepted], new, ready

    accepted, new, ready = served(slow, work)
    assert [each.status_code for each in accepted] == [200] * 3
    assert (new.status_code, ready.status_code) == (503, 503)
    assert new.headers["connection"] == "close"


def test_a_stop_waits_for_a_limited_time(slow, ask, go):
    async def work(server, client):
        slow_one = asyncio.create_task(client.post("/v1/score", json=ask()))
        await until(lambda: server.traffic.in_flight == 1)
        await server.stop()
        go.set()
        slow_one.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await slow_one
        return server.should_exit

    assert served(slow, work, Limits(shutdown_timeout=0.03))


def test_a_stop_ends_texts_whose_time_is_over(slow, ask, go):
    closed = []
    engine = SimpleNamespace(close=lambda *, drain: closed.append(drain))

    async def work(server, client):
        slow_one = asyncio.create_task(client.post("/v1/score", json=ask()))
        await until(lambda: server.traffic.in_flight == 1)
        await server.stop()
        assert closed == [False]
        go.set()
        return (await slow_one).status_code

    assert served(replace(slow, engine=engine), work, Limits(shutdown_timeout=0.03)) == 200


def test_a_request_that_a_stop_cuts_off_is_told_so(slow, ask, go):
    entered = []

    def scorer(lists, tradeoff):
        entered.append(True)
        return slow.scorer(lists, tradeoff)

    scorer.features, scorer.categories, scorer.base_scores = slow.scorer.features, {}, None
    own = application(Models([replace(slow, scorer=scorer)]), lambda name, path: slow)

    async def cut(*, is_stopping):
        async with httpx.AsyncClient(transport=httpx.ASGITransport(own), base_url="http://here") as client:
            task = asyncio.create_task(client.post("/v1/score", json=ask()))
            await until(lambda: entered)
            own.state.traffic.is_stopping = is_stopping
            task.cancel()
            return await task

    answer = asyncio.run(cut(is_stopping=True))
    go.set()
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "stopping")


def test_a_hangup_reloads_and_a_second_signal_ends_at_once(opened):
    reloads = []

    async def work(server, client):
        server.heed(signal.SIGHUP)
        await until(lambda: reloads)
        server.heed(signal.SIGINT)
        server.heed(signal.SIGINT)
        return server.force_exit

    assert served(opened, work, reloads=reloads)
    assert reloads == ["demo"]


def test_a_client_that_goes_away_disturbs_nobody(slow, ask, go):
    async def work(server, client):
        port = client.base_url.port

        def leave():
            with socket.create_connection(("127.0.0.1", port)) as own:
                own.sendall(
                    b"POST /v1/score HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 900\r\n\r\n{"
                )

        await asyncio.to_thread(leave)
        while 'route="/v1/score",status="499"} 1.0' not in (await client.get("/metrics")).text:
            await asyncio.sleep(0.01)
        gone = asyncio.create_task(client.post("/v1/score", json=ask()))
        await until(lambda: server.traffic.in_flight)
        gone.cancel()
        go.set()
        answer = await client.post("/v1/score", json=ask())
        await until(lambda: not server.traffic.in_flight)
        return answer, (await client.get("/metrics")).text

    answer, metrics = served(slow, work)
    assert answer.status_code == 200
    assert 'status="500"' not in metrics


def test_a_connection_whose_headers_never_end_is_closed_and_others_are_not(opened, ask, monkeypatch):
    monkeypatch.setattr(server, "_KEPT", 0)

    async def work(running, client):
        reader, writer = await asyncio.open_connection("127.0.0.1", client.base_url.port)
        asked, sent = 0, 0
        with contextlib.suppress(ConnectionError):
            while not reader.at_eof() and sent < 200:
                writer.write(b"POST /v1/score HTTP/1.1\r\nhost: x\r\n" if not sent else b"x-more: x\r\n")
                sent += 1
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(reader.read(1), 0.05)
                asked += (await client.post("/v1/score", json=ask())).status_code == 200
        writer.close()
        return sent, asked

    sent, asked = served(opened, work)
    assert 10 < sent < 200
    assert asked >= sent - 1


def test_an_answer_does_not_wait_for_the_receipt_of_its_headers():
    with bound_socket("127.0.0.1", 0) as listening, socket.create_connection(listening.getsockname()):
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_taken_port_and_an_unknown_address_are_told():
    with bound_socket("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"127.0.0.1:{port}: cannot be listened on \(address already in use\); choose"):
            bound_socket("127.0.0.1", port)
    with pytest.raises(ConfigError, match="choose another --port or --host"):
        bound_socket("no-such-host.invalid", 0)
    assert [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "example.org")] == [True] * 3 + [False] * 2

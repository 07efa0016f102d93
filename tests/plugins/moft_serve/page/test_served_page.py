"""The page of a server in a browser: live rankings and texts, a server that goes and comes back, tokens."""

from __future__ import annotations

import json
import re
import socket
import threading
from contextlib import contextmanager

import pytest

pytest.importorskip("plotly")
expect = pytest.importorskip("playwright.sync_api").expect
uvicorn = pytest.importorskip("uvicorn")

TOKEN = "a-token-of-the-test"


@contextmanager
def running(app):
    """The address of an application that a thread serves."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="on"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
    server.should_exit = True
    thread.join(10)


@pytest.fixture(scope="module")
def served(opened):
    """The runs of a server, and what opens them again."""
    from moft_serve.models.served_models import Models

    return Models([opened]), lambda name, path: opened


@pytest.fixture(scope="module")
def address(served):
    from moft_serve.application import application

    with running(application(*served)) as found:
        yield found


@pytest.fixture(scope="module")
def window(chromium):
    """A page of the browser, which takes longer to make than to load another address."""
    opened = chromium.new_context(viewport={"width": 1280, "height": 900}).new_page()
    opened.set_default_timeout(8000)
    opened.faults = []
    opened.on("pageerror", lambda error: opened.faults.append(str(error)))
    opened.on("console", lambda told: opened.faults.append(told.text) if told.type == "error" else None)
    return opened


@pytest.fixture
def page(window):
    """The same for one test; it may show no errors but those of a lost connection and of refused requests."""
    yield window
    window.context.set_offline(False)
    expected = re.compile("net::ERR_INTERNET_DISCONNECTED|status of 40[01]")
    faults, window.faults[:] = [fault for fault in window.faults if not expected.search(fault)], []
    assert faults == []


def show(page, address, fragment):
    """Opens the page of the run, or only changes the state of the one that is open."""
    if page.url.startswith(address):
        page.evaluate("fragment => { location.hash = `#${fragment}`; }", fragment)
    else:
        page.goto(f"{address}#{fragment}")
    documents(page).first.wait_for()


def documents(page):
    """The documents of the table, best first."""
    return page.locator("#live tbody th")


def expected_order(run, weights, dial=1.0):
    """The documents of the first validation query, best first, by the library."""
    query = run.task.example_queries(1)[0]
    scores = run.scorer(weights, dial=dial)(query.rows)
    return [f"document {place + 1}" for place in sorted(range(len(scores)), key=lambda place: (-scores[place], place))]


def test_a_query_is_ranked_live_at_base_current_and_pinned(page, address, served):
    run = served[0].get("demo").run
    show(page, address, "weights=1,0")
    expect(documents(page)).to_have_text(expected_order(run, [1.0, 0.0]))
    page.get_by_role("button", name="Pin current").click()
    page.locator("#weight-0").fill("0")
    wanted = expected_order(run, [0.0, 1.0])
    expect(documents(page)).to_have_text(wanted)
    page.get_by_role("columnheader", name="at pinned").wait_for()
    before = expected_order(run, [1.0, 0.0])
    cells = page.locator("#live tbody tr").evaluate_all("rows => rows.map(row => row.lastElementChild.textContent)")
    for rank, (name, cell) in enumerate(zip(wanted, cells, strict=True), start=1):
        by = before.index(name) + 1 - rank
        words = f"▲{by}up {by}" if by > 0 else f"▼{-by}down {-by}" if by < 0 else "=same rank"
        assert cell == f"{before.index(name) + 1} {words}"


def test_the_ranking_is_seen_while_sliders_move(page, address):
    show(page, address, "weights=1,0")
    slider, ranking, front = (page.locator(each).bounding_box() for each in ("#weight-0", "#live tbody tr >> nth=0", "#front"))
    assert slider["x"] < front["x"] < ranking["x"]
    assert max(slider["y"], ranking["y"]) < 600
    page.set_viewport_size({"width": 360, "height": 740})
    try:
        tops = [page.locator(each).bounding_box()["y"] for each in ("#dial", "#live tbody", "#front")]
        assert tops == sorted(tops)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
    finally:
        page.set_viewport_size({"width": 1280, "height": 900})


def test_a_drag_asks_for_the_newest_only(page, address):
    show(page, address, "weights=0.5,0.5")
    page.evaluate("""() => {
        window.times = []; window.asked = 0;
        const watch = list => times.push(...list.getEntries().map(each => [each.name, each.duration]));
        new PerformanceObserver(watch).observe({type: 'measure'});
        const plain = window.fetch;
        window.fetch = (...words) => { asked += 1; return plain(...words); };
    }""")
    page.evaluate("""async () => {
        const slider = document.getElementById('weight-0');
        for (let step = 0; step <= 40; step += 1) {
            slider.value = step / 40;
            slider.dispatchEvent(new Event('input'));
            if (step % 4 === 0) await new Promise(requestAnimationFrame);
        }
    }""")
    ranked = []
    while not ranked:
        page.wait_for_timeout(300)
        ranked = [time for name, time in page.evaluate("times") if name == "moft: change to ranking"]
    assert page.evaluate("asked") <= 14
    assert sorted(ranked)[len(ranked) // 2] < 1000  # benchmarks/steering_page.py measures it


def test_the_page_goes_on_without_the_server_and_recovers(page, address, served):
    show(page, address, "weights=1,0")
    page.context.set_offline(True)
    page.locator("#weight-0").fill("0")
    page.get_by_text("The server does not answer.").wait_for()
    page.locator("#weight-0").fill("0.5")
    expect(page.locator("#current-at")).to_have_text("first 0.500, second 0.500; dial 1")
    expect(documents(page)).to_have_text(expected_order(served[0].get("demo").run, [1.0, 0.0]))
    page.context.set_offline(False)
    page.get_by_text("The server does not answer.").wait_for(state="hidden")
    wanted = expected_order(served[0].get("demo").run, [0.5, 0.5])
    expect(documents(page)).to_have_text(wanted)


def test_a_query_of_the_user_is_ranked_or_refused_in_a_sentence(page, address, served):
    show(page, address, "weights=1,0")
    run = served[0].get("demo").run
    names = run.scorer([1.0, 0.0]).features
    page.get_by_text("A query of your own").click()
    rows = "\n".join(",".join(str(row + place) for place in range(len(names))) for row in range(3))
    page.locator("#own-query").fill(f"{','.join(names)}\n{rows}")
    page.get_by_role("button", name="Rank it").click()
    expect(documents(page)).to_have_count(3)
    for text, words in [
        ("", "There are no rows yet"),
        ("1,2\n3", "Row 2 has 1 values, and the first row has 2."),
        ("[1, 2]", "The JSON is not a list of rows"),
        ("[[1", "The rows are not JSON."),
        (f"query,{','.join(names)}\n7{',1' * len(names)}", "the run has no feature 'query'; remove it."),
        ("1,2\n3,4", f"has 2 values, and the run has {len(names)} features"),
    ]:
        page.locator("#own-query").fill(text)
        page.get_by_role("button", name="Rank it").click()
        page.get_by_text(words).wait_for()


def test_ids_are_texts(page, address, served):
    run, name = served[0].get("demo").run, "<img src=x onerror=alert(1)>"
    query = run.task.example_queries(1)[0]
    example = {"id": name, "features": query.rows.tolist(), "items": [f"{name}{place}" for place in range(len(query.rows))]}
    page.route("**/v1/models/demo/examples", lambda route: route.fulfill(json=[example]))
    page.goto("about:blank")
    show(page, address, "weights=1,0")
    assert documents(page).first.inner_text().startswith(name)
    assert page.locator("#query option").inner_text().startswith(name)
    assert page.locator("main img").count() == 0
    page.unroute_all()


def test_a_token_is_asked_for_and_kept_in_the_tab_only(page, served):
    from moft_serve.application import application
    from moft_serve.http.tokens import Tokens

    with running(application(*served, tokens=Tokens([TOKEN]))) as address:
        page.goto(address)
        page.get_by_label("This server wants a token").fill("another-token")
        page.keyboard.press("Enter")
        page.get_by_text("the bearer token is missing or wrong").wait_for()
        page.get_by_label("This server wants a token").fill(TOKEN)
        page.keyboard.press("Enter")
        page.locator("#live tbody tr").first.wait_for()
        assert page.evaluate("[Object.values(sessionStorage), Object.values(localStorage)]") == [[TOKEN], []]
        assert page.context.cookies() == []


def test_a_prompt_is_answered_side_by_side(page, address, served):
    data = served[0].get("demo").run.steering_page.data() | {"isText": True}
    asked = []

    def answer(route):
        body = json.loads(route.request.post_data)
        asked.append(body)
        words = ["<b>", f"weights {body['weights']}", f" dial {body['dial']}"]
        events = [json.dumps({"choices": [{"delta": {"content": word}, "index": 0}]}) for word in words]
        text = "".join(f"data: {event}\n\n" for event in [*events, "[DONE]"])
        route.fulfill(content_type="text/event-stream", body=text)

    page.route("**/v1/models/demo/steering", lambda route: route.fulfill(json=data))
    page.route("**/v1/models/demo/examples", lambda route: route.fulfill(json=["Once <i>upon</i>", "Two"]))
    page.route("**/v1/chat/completions", answer)
    page.goto("about:blank")
    page.goto(f"{address}#weights=0.25,0.75&dial=2&pinned=1,0,1")
    page.get_by_role("button", name="Answer").click()
    current = page.get_by_role("group", name="Answer, current").locator("p")
    expect(page.get_by_role("group", name="Answer, pinned").locator("p")).to_contain_text("dial 1")
    assert current.inner_text() == "<b>weights {'first': 0.25, 'second': 0.75} dial 2"
    assert re.search(r"dial 1000000$", page.get_by_role("group", name="Answer, base").locator("p").inner_text())
    assert {(body["model"], body["stream"], body["temperature"]) for body in asked} == {("demo", True, 0)}
    assert all(body["messages"] == [{"role": "user", "content": "Once <i>upon</i>"}] for body in asked)
    count = len(asked)
    page.locator("#dial").fill("2")
    expect(current).to_contain_text("dial 4")
    assert len(asked) == count + 1  # base and pinned stay
    page.unroute_all()

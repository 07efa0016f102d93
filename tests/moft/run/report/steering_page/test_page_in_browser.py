"""The page in a browser: what a user moves, sees, hears and takes away, with few objectives and many, wide and narrow."""

from __future__ import annotations

import re
import shlex
from urllib.parse import parse_qs, urlsplit

import pytest
import torch

from moft.engine.choices.search import scattered
from moft.engine.choices.surrogate import OutcomeSurrogate
from moft.engine.choices.wish_settings import OutcomeNames, parse_bound, parse_shares
from moft.run.report.steering_page.joined_modules import SCRIPTS, joined_modules
from moft.run.report.steering_page.steering_html import plotly_script, steering_file

pytest.importorskip("plotly")
expect = pytest.importorskip("playwright.sync_api").expect

HOSTILE = ("</script><img src=x onerror=alert(1)>", "<b>a & b</b> 'q' \"r\" $x$ %{y}")
SERVED = ((1.0, 0.0), (0.25, 0.75))
"""Weights that a policy has models for."""
WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def opened(chromium, tmp_path_factory, made_data, made_front, made_choice):
    """Opens a page with a state.

    The first one is a file with four objectives. Others are written into its window, where plotly is compiled already: that takes
    a second.
    """
    first, shown, faults = tmp_path_factory.mktemp("page") / "page.html", [], []
    page = chromium.new_context(viewport=WIDE).new_page()
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda told: faults.append(told.text) if told.type == "error" else None)
    page.on("dialog", lambda dialog: (faults.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda request: faults.append(request.url) if "file:" not in request.url else None)

    def content(m, names, served):
        front = made_front(m, names=names)
        choices = {"safe": made_choice(front, [1.0] + [0.0] * (m - 1), 2.0)}
        return steering_file(made_data(m, names=names, choices=choices, dials=(1.0,)) | ({"served": served} if served else {}))

    def open_page(m, *, names=None, served=None, fragment=""):
        key, fragment = (m, names, served), fragment or "weights=" + ",".join([str(1 / m)] * m)
        if not shown:
            first.write_text(content(4, None, None), encoding="utf-8")
            page.goto(first.as_uri())
            shown.append((4, None, None))
        page.evaluate("fragment => { location.hash = `#${fragment}`; }", fragment)
        if key != shown[-1]:
            page.wait_for_timeout(300)  # for the page that goes to write its state into the address
            page.evaluate("fragment => { history.replaceState(null, '', `#${fragment}`); }", fragment)
            whole = content(m, names, served).replace(plotly_script(), "")
            page.evaluate("html => { document.open(); document.write(html); document.close(); }", whole)
            page.locator("#compared tr").first.wait_for()
            shown.append(key)
        settle(page)
        return page

    yield open_page
    assert faults == []


def settle(page):
    """Until what was changed is shown."""
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))))")


def weights(page):
    return [float(page.locator(f"#weight-{i} + input").input_value()) for i in range(page.locator("#weights .slider").count())]


def slide(page, index, value):
    page.locator(f"#weight-{index}").fill(str(value))
    settle(page)


def column(page, at):
    """The numbers of a column of the table."""
    cells = page.locator(f"#compared tr > :nth-child({at})").all_inner_texts()
    return [float(cell.split("\n")[0].replace("\N{MINUS SIGN}", "-")) for cell in cells]


@pytest.mark.parametrize("m", [2, 5])
def test_the_surrogate_is_that_of_moft(opened, m):
    places, asked = scattered(m, 60, (0.125, 64.0), 1, vertices=(1.0,)), scattered(m, 40, (0.125, 64.0), 2)
    means = torch.stack([places.weights[:, 0].sin(), places.dials.log() * 100, 1 / (1 + places.dials)], dim=1).double()
    surrogate = OutcomeSurrogate(places.weights, places.dials, means, torch.tensor([0.1, 500.0, 0.0], dtype=torch.float64))
    script = joined_modules(SCRIPTS / "outcomes" / "surrogate.js")
    given = [surrogate.parameters(), asked.weights.double().tolist(), asked.dials.double().tolist()]
    call = "return weights.map((each, i) => new Surrogate(given).predict(each, dials[i]))"
    call = f"([given, weights, dials]) => {{ {script}; {call}; }}"
    found = torch.tensor(opened(4).evaluate(call, given), dtype=torch.float64)
    torch.testing.assert_close(found, surrogate.predict(asked.weights.double(), asked.dials.double()), rtol=1e-6, atol=1e-6)


def test_a_measured_tradeoff_has_its_own_values_and_interval(opened):
    page = opened(4, fragment="weights=0,1,0,0&dial=1")
    assert page.locator("#kind").inner_text() == "Current: measured."
    value, interval = page.locator("#compared tr").nth(1).locator("td").nth(1).inner_text().split("\n")
    assert (value, interval) == ("0.6438", "0.6238 to 0.6738")


def test_a_drag_with_the_mouse_is_shown_while_it_lasts(opened):
    page = opened(4)
    box = page.locator("#weight-0").bounding_box()
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 0.25 * box["width"], y)
    page.mouse.down()
    seen = set()
    for share in (0.3, 0.5, 0.7, 0.9):
        page.mouse.move(box["x"] + share * box["width"], y)
        settle(page)
        seen.add(column(page, 3)[0])
    page.mouse.up()
    assert len(seen) == 4
    assert weights(page)[0] > 0.8


def test_a_locked_weight_stays(opened):
    page = opened(4, fragment="weights=0.4,0.3,0.2,0.1")
    page.get_by_label("Lock the weight of objective 1").check()
    slide(page, 1, 0.9)
    assert weights(page) == pytest.approx([0.4, 0.6, 0.0, 0.0], abs=1e-3)
    slide(page, 1, 0.0)
    assert weights(page)[0] == 0.4
    assert page.locator("#weight-0").is_disabled()
    page.get_by_role("button", name="Equal weights").click()
    settle(page)
    assert weights(page) == [0.25] * 4


def test_a_wish_is_fulfilled_and_its_bound_drawn(opened):
    page = opened(4, fragment="by=outcomes&keep=main+%3E%3D+90%25+of+base&maximise=objective+2")
    main, base = column(page, 3)[-1], column(page, 2)[-1]
    assert main >= 0.9 * base - 1e-4
    assert weights(page)[1] > 0.95
    assert page.locator("#wish-says").inner_text() == "All bounds are kept by what is expected."
    assert page.locator("#weight-0").is_disabled()
    lines = page.evaluate("document.getElementById('front').layout.shapes.filter(shape => shape.line.dash === 'dash').length")
    assert lines == 4  # main has a panel with each objective
    page.get_by_role("radio", name="maximise").nth(2).check()
    settle(page)
    assert weights(page)[2] > 0.9
    reach = page.locator(".reach-says").nth(0).inner_text()
    assert re.fullmatch(r"Reachable within the other bounds: 0\.\d{4} to 0\.\d{4}\. Base 0\.5000, now 0\.\d{4}\.", reach)


def test_what_is_shown_keeps_the_bounds_and_can_be_reached(opened, made_data):
    (source,) = made_data(2, dials=(1.0,))["sources"]
    for point in source["points"]:
        point["values"][0] -= 0.05  # below what is predicted there
    script = joined_modules(SCRIPTS / "outcomes" / "wishes.js") + joined_modules(SCRIPTS / "outcomes" / "estimates.js")
    make = (
        "estimates = new Estimates(source); wish = new Wishes(estimates, 2, [1, 64], each => each).fulfilled([bound], bound.name)"
    )
    call = f"([source, bound]) => {{ {script}; const {make}; return [wish, estimates.of(wish.weights, wish.dial).values]; }}"
    wish, values = opened(4).evaluate(call, [source, {"name": "objective 1", "value": 0.62, "anchor": None}])
    assert wish["isKept"]
    assert values[0] >= 0.62
    assert all(low <= value <= high for (low, high), value in zip(wish["reachable"], values, strict=True))


def test_a_wish_that_cannot_be_fulfilled_says_what_stands_in_the_way(opened):
    page = opened(4, fragment="by=outcomes&keep=main+%3E%3D+95%25+of+base&keep=objective+1+%3E%3D+0.6&maximise=objective+2")
    assert "Not all bounds can be kept." in page.locator("#wish-says").inner_text()
    obstacles = page.locator("#obstacles li").all_inner_texts()
    assert any(
        re.match(r"objective 1 needs 0\.6000, and reaches 0\.5\d+ where all other bounds are kept", each) for each in obstacles
    )
    expect(page.locator("#said")).to_contain_text("The bounds are not kept.")
    page.get_by_label("keep objective 1 at least").uncheck()
    settle(page)
    assert page.locator("#wish-says").get_attribute("data-kept") == "true"


def test_pinned_stands_beside_current_and_choices_can_be_shown(opened):
    page = opened(4, fragment="weights=1,0,0,0&dial=1")
    first = column(page, 3)
    page.get_by_role("button", name="Pin current").click()
    slide(page, 1, 1.0)
    assert column(page, 5) == first
    assert column(page, 6) == pytest.approx([now - then for now, then in zip(column(page, 3), first, strict=True)], abs=2e-4)
    page.get_by_role("button", name="Show safe").click()
    settle(page)
    assert weights(page) == [1, 0, 0, 0]
    assert page.locator("#dial-number").input_value() == "2"
    page.get_by_role("button", name="Back to pinned").click()
    settle(page)
    assert column(page, 3) == first
    page.get_by_role("button", name="Unpin").click()
    settle(page)
    assert not page.locator("thead .of-pinned").first.is_visible()


def test_the_address_brings_the_state_back(opened):
    page = opened(4)
    slide(page, 2, 0.55)
    page.get_by_label("Lock the weight of objective 3").check()
    page.get_by_role("button", name="Pin current").click()
    page.locator("#dial").fill("2")
    settle(page)
    page.wait_for_url(re.compile(r"dial=4.*pinned="))
    told, table = weights(page), column(page, 3)
    page.reload()
    settle(page)
    assert weights(page) == told
    assert column(page, 3) == table
    assert page.get_by_label("Lock the weight of objective 3").is_checked()
    assert page.locator("#dial-number").input_value() == "4"
    assert page.locator("#pinned-at").inner_text().endswith("objective 3 0.550, objective 4 0.150; dial 1")


@pytest.mark.parametrize(
    ("fragment", "match"),
    [
        ("weights=0.5,0.5", "weights of the link are not 4 numbers"),
        ("weights=1,1,1,1", "weights of the link are not 4 numbers"),
        ("weights=NaN,1,0,-1&dial=-2", "dial of the link is not a number above zero"),
        ("by=outcomes&keep=nobody+%3E%3D+1", "“nobody >= 1” of the link is not of this run"),
        ("by=outcomes&maximise=%3Cimg%3E", "“<img>”, which the link maximises, is not measured here"),
        ("pinned=1,2", "pinned does not fit"),
    ],
)
def test_a_link_of_another_run_is_said_and_left_out(opened, fragment, match):
    page = opened(4, fragment=fragment)
    assert match in page.locator("#problems").inner_text()
    assert sum(weights(page)) == pytest.approx(1, abs=0.01)


def test_it_can_be_used_by_keyboard_alone(opened):
    page = opened(4)
    page.locator("body").press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    before = page.evaluate("location.hash")
    page.keyboard.press("Enter")
    assert page.evaluate("[document.activeElement.id, location.hash]") == ["front-heading", before]
    page.locator("#weight-0").focus()
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    settle(page)
    assert weights(page)[0] == pytest.approx(0.30)
    nameless = "!(each.labels?.length || each.ariaLabel || each.textContent)"
    controls = "[...document.querySelectorAll('input, select, button')]"
    found = page.evaluate(f"{controls}.filter(each => {nameless}).map(each => each.id)")
    assert found == []


def test_the_state_can_be_taken_away(opened):
    page = opened(4, fragment="weights=0.2,0,0.8,0&dial=2")
    words = shlex.split(page.locator("#as-command").inner_text())
    assert words[:4] == ["moft", "score", "runs/my run", "DATA"]
    assert parse_shares(words[5], "--weights") == {"objective 1": 0.2, "objective 3": 0.8}
    assert words[6:] == ["--dial", "2"]
    compile(page.locator("#as-python").inner_text(), "page", "exec")
    first, second = page.locator("#as-request").inner_text().split(" | ")
    assert shlex.split(first) == ["curl", "-s", "http://127.0.0.1:8000/v1/models/my%20run/example"]
    (words,) = (parse_qs(urlsplit(word).query) for word in shlex.split(second) if "?" in word)
    assert (words["weights"], words["dial"]) == (["objective 1=0.2,objective 3=0.8"], ["2"])
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy: Command line").click()
    expect(page.locator("#said")).to_have_text("Copied.")
    assert page.evaluate("navigator.clipboard.readText()") == page.locator("#as-command").inner_text()


@pytest.mark.parametrize("by", ["weights", "outcomes"])
def test_python_has_a_language_model_answer(opened, made_data, by):
    state = {"by": by, "weights": [0.25, 0.75], "dial": 2, "maximise": "main"}
    state["bounds"] = [{"name": "objective 1", "value": 0.5, "anchor": None}]
    script = joined_modules(SCRIPTS / "snippets.js")
    text = opened(4).evaluate(f"words => {{ {script}; return pythonOf(...words); }}", [state, made_data(2, is_text=True)])
    compile(text, "page", "exec")
    given = '{"objective 1": 0.25, "objective 2": 0.75}, "dial": 2' if by == "weights" else 'choice.weights, "dial": choice.dial'
    assert f'extra_body={{"weights": {given}}},' in text
    assert ("run.choose" in text, "run.scores" in text) == (by == "outcomes", False)


def test_controls_stay_in_view_while_the_page_is_scrolled(opened):
    page = opened(10)
    page.evaluate("scrollTo(0, 700)")
    settle(page)
    box = page.locator(".controls").bounding_box()
    assert (box["y"], box["height"]) == (0, WIDE["height"])
    page.locator("#dial").scroll_into_view_if_needed()
    assert page.evaluate("scrollY") == 700


def test_it_follows_the_colours_of_the_system(opened):
    page = opened(4)
    colour = "document.getElementById('front').data[0].marker.color"
    light = page.evaluate(colour)
    page.emulate_media(color_scheme="dark")
    settle(page)
    assert page.evaluate(colour) != light
    page.emulate_media(color_scheme="light")


def test_on_a_phone_one_pair_is_picked(opened):
    page = opened(4)
    page.set_viewport_size(PHONE)
    settle(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.locator("#pair-y").select_option(label="objective 2")
    settle(page)
    assert "objective 2" in page.locator("#front").text_content()
    page.set_viewport_size(WIDE)


@pytest.mark.parametrize("m", [4, 2, 6, 10])
def test_moving_a_weight_moves_the_others_and_what_is_expected(opened, m):
    page = opened(m)
    before = column(page, 3)
    slide(page, 1, 0.7)
    found = weights(page)
    assert found[1] == 0.7
    assert sum(found) == pytest.approx(1, abs=0.001 * m)
    assert found[0] == pytest.approx(0.3 / (m - 1), abs=0.001)
    after = column(page, 3)
    assert after[1] > before[1] + 0.02
    assert column(page, 4) == pytest.approx([now - base for now, base in zip(after, column(page, 2), strict=True)], abs=2e-4)
    names = page.locator("#front").text_content()
    assert f"objective {m}" in names
    assert page.locator("#front .subplot, #front .cartesianlayer > .subplot").count() >= 1
    expect(page.locator("#said")).to_have_text(re.compile(r"^Predicted: objective 1 0\.\d{4}, "))


def test_a_phone_needs_no_scrolling_sideways(opened):
    page = opened(10, fragment="by=outcomes&maximise=objective+3")
    page.set_viewport_size(PHONE)
    settle(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert not page.locator("#pair").is_visible()
    page.set_viewport_size(WIDE)


def test_hostile_names_are_shown_and_never_run(opened):
    page = opened(2, names=HOSTILE, served=SERVED)
    labels = page.locator("#weights label:first-child").all_inner_texts()
    assert labels == list(HOSTILE)
    assert page.locator("main img, main script, #front a").count() == 0
    page.locator('input[value="outcomes"]').check()
    page.get_by_label(f"keep {HOSTILE[0]} at least").check()
    settle(page)
    words = shlex.split(page.locator("#as-command").inner_text())
    bound = parse_bound(words[4], OutcomeNames((*HOSTILE, "main"), "main"))
    assert bound.outcome == HOSTILE[0]
    compile(page.locator("#as-python").inner_text(), "page", "exec")
    titles = page.evaluate("[...document.querySelectorAll('#front .g-xtitle, #front .g-ytitle')].map(each => each.textContent)")
    assert any("<b>" in title for title in titles)
    page.wait_for_url(re.compile("keep="))
    page = opened(2, names=HOSTILE, served=SERVED, fragment=page.evaluate("location.hash.slice(1)"))
    assert page.get_by_label(f"keep {HOSTILE[0]} at least").is_checked()


def test_a_policy_of_several_models_shows_what_the_nearest_one_gives(opened):
    page = opened(2, names=HOSTILE, served=SERVED, fragment="weights=0.4,0.6&dial=1")
    assert page.locator("#served").inner_text().endswith(f"these: {HOSTILE[0]} 0.25, {HOSTILE[1]} 0.75.")
    values = column(page, 3)
    slide(page, 0, 0.3)
    assert column(page, 3) == values

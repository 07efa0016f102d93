"""Scores over HTTP are those of the library, at weights, choices and wishes; and what is wrong gets one sentence."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from moft.run.policy.choices.choice_files import NamedChoice
from moft_serve.http.errors import invalid
from moft_serve.http.limits import Limits
from moft_serve.ranking.arrow import MEDIA, body_of

HALF = {"first": 0.5, "second": 0.5}


def test_scores_are_to_the_bit_those_of_the_file(client, ask, opened, lists, queries):
    content = client().post("/v1/score", json=ask(len(queries), weights={"first": 0.25, "second": 0.75}, dial=2)).json()
    expected = opened.run.scores(lists / "test.txt", {"first": 0.25, "second": 0.75}, dial=2)
    assert [score for result in content["results"] for score in result["scores"]] == list(expected)
    assert content["tradeoff"] == {"weights": {"first": 0.25, "second": 0.75}, "dial": 2.0}
    assert content["model"] == "demo"
    for result in content["results"]:
        assert result["ranking"] == sorted(range(len(result["scores"])), key=lambda place: -result["scores"][place])
        assert "tradeoff" not in result


def test_queries_have_weights_of_their_own(client, opened, queries):
    body = {
        "weights": HALF,
        "dial": 0.5,
        "queries": [
            {
                "id": "a",
                "features": queries[0].tolist(),
                "weights": [1, 0],
                "items": [f"d{row}" for row in range(len(queries[0]))],
            },
            {"id": 2, "features": queries[1].tolist()},
            {"features": queries[2].tolist(), "dial": 3},
            {"features": queries[3].tolist(), "weights": {"first": 3, "second": 1}, "normalize": True},
        ],
    }
    results = client().post("/v1/score", json=body).json()["results"]
    asked = [([1.0, 0.0], 0.5), ([0.5, 0.5], 0.5), ([0.5, 0.5], 3.0), ([0.75, 0.25], 0.5)]
    for result, rows, (weights, dial) in zip(results, queries, asked, strict=False):
        np.testing.assert_allclose(result["scores"], opened.run.scorer(weights, dial=dial)(rows), rtol=0, atol=1e-6)
    assert [result["id"] for result in results] == ["a", 2, None, None]
    assert results[0]["items"] == [f"d{place}" for place in results[0]["ranking"]]
    assert [result.get("tradeoff") for result in results] == [
        {"weights": {"first": 1.0, "second": 0.0}, "dial": 0.5},
        None,
        {"weights": HALF, "dial": 3.0},
        {"weights": {"first": 0.75, "second": 0.25}, "dial": 0.5},
    ]


def test_features_may_be_objects_and_columns(client, ask, opened, queries):
    names, rows = opened.scorer.features, queries[0].tolist()
    forms = [
        rows,
        [dict(zip(names, row, strict=True)) for row in rows],
        dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)),
    ]
    found = [client().post("/v1/score", json=ask(queries=[{"features": form}])).json()["results"] for form in forms]
    assert found[0] == found[1] == found[2]


def test_weights_may_be_in_the_name_of_the_model_and_in_the_address(client, ask):
    own, quarter = client(), {"first": 0.25, "second": 0.75}
    expected = own.post("/v1/score", json=ask(weights=quarter)).json()
    for model in ("demo:first=0.25,second=0.75", "demo:0.25,0.75"):
        assert own.post("/v1/score", json=ask(weights=None, model=model)).json() == expected
    body = ask(weights=None)
    assert own.post("/v1/score?weights=first=0.25,second=0.75&model=demo", json=body).json() == expected
    assert own.post("/v1/score", params={"weights": json.dumps(quarter), "dial": "1"}, json=body).json() == expected


@pytest.fixture
def chosen(opened):
    """The run with a choice."""
    record = {"weights": {"first": 0.25, "second": 0.75}, "dial": 2.0}
    return replace(opened, choices={"mine": NamedChoice("mine", record)})


def test_a_choice_has_weights_and_a_dial(app, ask, chosen):
    from fastapi.testclient import TestClient

    from moft_serve.application import application
    from moft_serve.models.served_models import Models

    own = TestClient(application(Models([chosen]), lambda name, path: chosen))
    expected = own.post("/v1/score", json=ask(weights=[0.25, 0.75], dial=2)).json()["results"]
    for body in (ask(weights=None, choice="mine"), ask(weights=None, model="demo:mine")):
        answer = own.post("/v1/score", json=body).json()
        assert answer["results"] == expected
        assert answer["tradeoff"] == {"weights": {"first": 0.25, "second": 0.75}, "dial": 2.0, "choice": "mine"}
    for body, message in (
        (ask(weights=None, choice="yours"), "choice: 'demo' has no choice 'yours'; its choices are mine."),
        (ask(weights=None, model="demo:yours"), "model: 'demo' has no choice 'yours'; its choices are mine."),
        (ask(weights=None, choice="mine", dial=3), "dial: the choice 'mine' has a dial of its own, 2; leave the dial out."),
        (ask(choice="mine"), "weights: weights and choice are given; give one of weights, choice, wish, such as"),
        (ask(weights="mine"), "weights: must be numbers; a choice is given as `choice`."),
    ):
        answer = own.post("/v1/score", json=body)
        assert answer.status_code == 400
        assert answer.json()["error"]["message"].startswith(message)


def test_a_wish_is_answered_from_predictions(client, ask, opened):
    own = client()
    answer = own.post("/v1/score", json=ask(weights=None, wish={"maximise": "first"}, expect=True)).json()
    assert answer["tradeoff"]["weights"]["first"] > 0.9
    assert answer["tradeoff"]["notes"] == ["Predicted from what was measured on the test split, and not promised."]
    at = opened.run.tradeoffs([(list(answer["tradeoff"]["weights"].values()), None, "")])
    expected = opened.outcomes.expected(at.weights, 1.0)
    assert answer["expected"]["first"]["value"] == pytest.approx(expected["first"].value, abs=1e-5)
    assert set(answer["expected"]) == {"first", "second", "main"}
    impossible = ask(weights=None, wish={"keep": ["first >= 2"], "maximise": "second"})
    assert "No tradeoff is predicted to keep first >= 2" in own.post("/v1/score", json=impossible).json()["tradeoff"]["notes"][0]
    for wish, message in (
        ({}, "wish: a wish needs one goal"),
        ({"maximise": "third"}, "wish: maximise: 'third' is not measured"),
        ({"maximise": "first", "confidence": 0.9}, "wish.confidence: is not a field that is known here."),
        ({"maximise": "first", "dials": [4, 8]}, "wish: dials [4.0, 8.0]: was measured at 1 to 1 alone"),
    ):
        answer = own.post("/v1/score", json=ask(weights=None, wish=wish))
        assert (answer.status_code, answer.json()["error"]["message"][: len(message)]) == (400, message)


ROWS = [[0.0] * 8, [1.0] * 8]
MANY = dict.fromkeys(map(str, range(101)), 1)
BAD = [
    ({"weights": {"first": 0.5, "second": 0.6}}, "weights", "the request: weights must sum to 1, got"),
    ({"weights": [-0.5, 1.5]}, "weights", "the request: weights must be finite and not negative"),
    ({"weights": [1.0]}, "weights", "the request: weights [1.0] must be 2 numbers, one for each of first, second."),
    ({"weights": {"fist": 1.0}}, "weights", "the request: weights: 'fist' is not an objective. Did you mean 'first'?"),
    ({"weights": [True, False]}, "weights", "the request: weights [true, false] must be 2 numbers"),
    ({"weights": [1e999, 0]}, "weights", "the request: weights must be finite"),
    ({"weights": [0, 0], "normalize": True}, "weights", "weights: [0, 0] cannot be normalised"),
    ({"weights": [1e308, 1e308], "normalize": True}, "weights", "weights: [1e+308, 1e+308] cannot be normalised"),
    ({"weights": None}, "weights", "weights: nothing is given; give one of weights, choice, wish, such as {"),
    ({"dial": 0}, "dial", "the request: dial 0 must be between"),
    ({"dial": "2"}, "dial", "dial: must be a number."),
    ({"dial": [1, 2]}, "dial", "betas [1.0, 1.0] are not a multiple of the trained ones"),
    ({"model": "other"}, "model", "model: there is no 'other'; this server has demo."),
    ({"model": 3}, "model", "model: input should be a valid string."),
    ({"model": "demo:first=1"}, "weights", "weights: weights and model are given"),
    ({"weights": None, "model": "demo:first=2"}, "model", "model 'first=2': weights must sum to 1"),
    ({"queries": []}, "queries", "queries: list should have at least 1 item"),
    ({"queries": None}, "queries", "queries: is missing."),
    ({"queries": [{}]}, "queries[0].features", "queries[0].features: is missing."),
    ({"queries": [{"features": ROWS}, {"features": []}]}, "queries[1].features", "queries[1].features: is empty"),
    ({"queries": [{"features": ROWS, "weights": [1]}]}, "queries[0].weights", "queries[0]: weights [1] must be 2 numbers"),
    ({"queries": [{"features": ROWS, "items": ["a"]}]}, "queries[0].items", "queries[0].items: has 1 ids for 2 documents."),
    ({"queries": [{"features": ROWS, "base_scores": [1, 2]}]}, "queries[0].base_scores", "queries[0].base_scores: are not taken"),
    ({"queries": [{"features": [[1.0] * 7]}]}, "queries[0].features[0]", "queries[0].features[0]: has 7 values, and"),
    ({"queries": [{"features": [[1e99] * 8]}]}, "queries[0].features", "queries[0].features: document 0, feature"),
    ({"queries": [{"features": [["a"] * 8]}]}, "queries[0].features", "queries[0].features: document 0, feature"),
    ({"queries": [{"features": ROWS, "items": [[], "a"]}]}, "queries[0].items[0]", "queries[0].items[0]: input should be"),
    ({"wish": {"like": MANY}, "weights": None}, "wish.like", "wish.like: has 101 fields, and 100 are the most."),
    (MANY, None, "the request: has 103 fields, and 100 are the most."),
    ({"more": 1}, "more", "more: is not a field that is known here."),
    ({"expect": "perhaps"}, "expect", "expect: input should be a valid boolean"),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "param", "message"), BAD, ids=lambda value: str(value)[:60])
def test_a_bad_request_gets_one_sentence(client, ask, fields, param, message):
    content = json.dumps(ask(**fields)).replace("Infinity", "1e999")
    answer = client().post("/v1/score", content=content, headers={"content-type": "application/json"})
    error = answer.json()["error"]
    assert error["message"].startswith(message), error
    assert error["param"] == param
    assert error["type"] == "invalid_request_error"
    assert error["code"]
    assert answer.status_code == (404 if "there is no" in message else 400)


@pytest.mark.parametrize(
    ("content", "kind", "status", "message"),
    [
        (b"{", "application/json", 400, "the body is not JSON (Expecting property name"),
        (b"[]", "application/json", 400, "the body must be a JSON object"),
        (b"\xff", "application/json", 400, "the body is not JSON that can be read (not UTF-8"),
        (b'{"dial": 1, "dial": 2}', "application/json", 400, "the body is not JSON that can be read (key 'dial' is given twice)"),
        (b'{"queries": [{"features": [[NaN]]}]}', "application/json", 400, "the body is not JSON that can be read (NaN is not a"),
        (b"[" * 5000, "application/json", 400, "the body is not JSON that can be read (nested deeper"),
        (b"", "application/json", 400, "the body is not JSON"),
        (
            b"{}",
            "text/plain",
            415,
            "content-type: must be application/json or application/vnd.apache.arrow.stream, not 'text/plain'.",
        ),
        (b"{}", MEDIA, 400, "the body is no Arrow stream that can be read"),
    ],
)
def test_a_bad_body_gets_one_sentence(client, content, kind, status, message):
    answer = client().post("/v1/score", content=content, headers={"content-type": kind})
    assert answer.status_code == status
    assert answer.json()["error"]["message"].startswith(message)


def test_limits_of_a_request(client, ask, queries):
    own = client(limits=Limits(max_queries=2, max_documents=3))
    assert own.post("/v1/score", json=ask(3)).json()["error"]["code"] == "too_many_queries"
    answer = own.post("/v1/score", json=ask(queries=[{"features": [[0.0] * 8] * 4}]))
    assert answer.json()["error"]["message"] == "queries[0].features: has 4 documents, and a query may have 3."
    columns = {f"column_{place + 1}": [0.0] * 4 for place in range(8)}
    assert own.post("/v1/score", json=ask(queries=[{"features": columns}])).json()["error"]["code"] == "too_many_documents"
    assert own.post("/v1/score", json=ask(2, queries=[{"features": [[0.0] * 8] * 3}] * 2)).status_code == 200


def stream(table):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def compressed(table):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def arrow_table(opened, queries, **more):
    ids = np.repeat([f"q{number}" for number in range(len(queries))], [len(rows) for rows in queries])
    return pa.table({"query": ids, **dict(zip(opened.scorer.features, np.concatenate(queries).T, strict=True)), **more})


def test_arrow_has_the_same_scores(client, ask, opened, queries):
    own = client()
    expected = own.post("/v1/score", json=ask(len(queries))).json()["results"]
    items = [f"d{row}" for row in range(sum(map(len, queries)))]
    table = arrow_table(opened, queries, item=items)
    headers = {"content-type": MEDIA}
    answer = own.post("/v1/score", params={"weights": "0.5,0.5"}, content=stream(table), headers=headers).json()
    assert [result["scores"] for result in answer["results"]] == [result["scores"] for result in expected]
    assert [result["id"] for result in answer["results"]] == [f"q{number}" for number in range(len(queries))]
    given = {"weights": "0.5,0.5", "dial": "1"}
    binary = own.post("/v1/score", params=given, content=stream(table), headers={**headers, "accept": MEDIA})
    assert binary.headers["content-type"] == MEDIA
    found = pa.ipc.open_stream(binary.content).read_all()
    assert found["score"].to_pylist() == [score for result in expected for score in result["scores"]]
    assert found["query"].to_pylist() == table["query"].to_pylist()
    assert found["item"].to_pylist() == items
    first = found.slice(0, len(queries[0])).to_pylist()
    assert [row["rank"] for row in sorted(first, key=lambda row: -row["score"])] == list(range(1, len(first) + 1))
    told = json.loads(found.schema.metadata[b"moft"])
    assert told["tradeoff"] == {"weights": HALF, "dial": 1.0}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.drop_columns(["query"]), "the body has no column of queries, query, query_id or qid."),
        (lambda table: table.slice(0, 0), "the body has no rows."),
        (
            lambda table: pa.concat_tables([table.slice(0, 7), table.slice(0, 1)]),
            "the body has the rows of a query apart in column 'query'",
        ),
        (lambda table: table.drop_columns(["column_3"]), "queries[0].features: the feature 'column_3' is left out"),
        (
            lambda table: table.append_column("colum_3", [[0.0] * len(table)]),
            "queries[0].features: the run has no feature 'colum_3'; did",
        ),
        (lambda table: table.append_column("more", [[[1]] * len(table)]), "the body has a column 'more' of list<"),
        (lambda table: table.append_column("column_1", table["column_1"]), "the body has two columns of one name."),
    ],
)
def test_a_bad_table_gets_one_sentence(client, opened, queries, change, message):
    content = stream(change(arrow_table(opened, queries)))
    answer = client().post("/v1/score?weights=0.5,0.5", content=content, headers={"content-type": MEDIA})
    assert answer.status_code == 400
    assert answer.json()["error"]["message"].startswith(message)


def test_a_stream_cannot_become_much_larger(client, opened, queries):
    own, headers, address = (
        client(limits=Limits(max_queries=2, max_documents=3)),
        {"content-type": MEDIA},
        "/v1/score?weights=0.5,0.5",
    )
    table = arrow_table(opened, queries)
    coded = table.select(["query"]).append_column("brand", table["query"].dictionary_encode()).select(["brand"])
    for content in (compressed(table), compressed(coded)):
        answer = own.post(address, content=content, headers=headers)
        assert answer.json()["error"]["message"] == "the body is a compressed stream; write it without compression."
    rows = pa.table({"query": pa.nulls(10**9), "column_1": pa.nulls(10**9)})
    answer = own.post(address, content=stream(rows), headers=headers)
    assert answer.json()["error"]["message"] == "the body has 1,000,000,000 rows, and a request may have 6 documents."
    missing = pa.table({"query": pa.array([1, 1, 2]), "absent": pa.nulls(3)})
    values = [query["features"]["absent"] for query in body_of(stream(missing), 3)["queries"]]
    assert [column.tolist() for column in values] == [pytest.approx([np.nan] * size, nan_ok=True) for size in (2, 1)]
    assert [column.base.nbytes for column in values] == [8, 8]  # of any number of rows


def test_ids_and_categories_may_be_dictionaries():
    texts = pa.chunked_array([["x", None, "y"], ["y"]]).dictionary_encode()
    table = pa.table({"qid": pa.array(["b", "b", "a", "a"]).dictionary_encode(), "brand": texts, "a": pa.array([1, None, 2, 3])})
    first, second = body_of(stream(table), 4)["queries"]
    assert (first["id"], second["id"]) == ("b", "a")
    assert (first["features"]["brand"], second["features"]["brand"]) == (["x", None], ["y", "y"])
    np.testing.assert_array_equal(first["features"]["a"], [1, np.nan])


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("/v1/score?weights=1,0", "weights: is in the body and in the address; give it once."),
        ("/v1/score?wieghts=1,0", "wieghts: is no parameter; there are model, weights,"),
        ("/v1/score?dial=2&dial=3", "dial: is given twice; give it once."),
        ("/v1/score?dial=two", "dial: 'two' is not JSON"),
    ],
)
def test_a_bad_address_gets_one_sentence(client, ask, address, message):
    answer = client().post(address, json=ask())
    assert answer.status_code == 400
    assert answer.json()["error"]["message"].startswith(message)


def test_an_example_is_a_request(client):
    own = client()
    example = own.get("/v1/models/demo/example").json()
    answer = own.post("/v1/score?weights=first=1", json=example).json()
    assert sorted(answer["results"][0]["items"]) == sorted(f"document-{number + 1}" for number in range(10))
    assert len(set(answer["results"][0]["scores"])) > 1


def test_expectations_need_weights_and_measurements(client, ask, app, opened, queries):
    from fastapi.testclient import TestClient

    from moft_serve.application import application
    from moft_serve.models.served_models import Models

    own = [{"features": queries[0].tolist(), "weights": HALF}]
    assert (
        "needs weights of the request"
        in client().post("/v1/score", json=ask(weights=None, queries=own, expect=True)).json()["error"]["message"]
    )
    unmeasured = replace(opened, outcomes=None)
    other = TestClient(application(Models([unmeasured]), lambda name, path: unmeasured))
    assert "nothing was measured" in other.post("/v1/score", json=ask(expect=True)).json()["error"]["message"]
    assert (
        "could be read" in other.post("/v1/score", json=ask(weights=None, wish={"maximise": "first"})).json()["error"]["message"]
    )


def test_ids_of_the_wrong_type_make_one_error(client, ask, monkeypatch):
    counted = []
    monkeypatch.setattr("moft_serve.ranking.router.invalid", lambda error: counted.append(error.error_count()) or invalid(error))
    query = ask()["queries"][0] | {"items": [[]] * 1000}
    assert client().post("/v1/score", json=ask(queries=[query])).status_code == 400
    assert counted == [2]  # a text or an integer, of the first

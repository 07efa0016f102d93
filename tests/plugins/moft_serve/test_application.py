"""The OpenAPI document says what requests and answers hold."""

from __future__ import annotations


def test_the_openapi_document_is_whole(client):
    document = client(tokens=("a-token-of-the-tests",)).get("/openapi.json").json()
    assert {"/v1/score", "/v1/models", "/v1/models/{name}", "/v1/models/{name}/reload", "/health", "/metrics"} <= set(
        document["paths"]
    )
    schemas = document["components"]["schemas"]
    body = document["paths"]["/v1/score"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body == {"$ref": "#/components/schemas/ScoreRequest"}
    assert schemas["ScoreRequest"]["properties"]["queries"]["items"] == {"$ref": "#/components/schemas/Query"}
    assert schemas["ScoreRequest"]["examples"]
    text = str(document)
    for name in {part.partition("'")[0] for part in text.split("#/components/schemas/")[1:]}:
        assert name in schemas, name
    assert document["security"] == [{"bearer": []}]
    assert document["paths"]["/v1/score"]["post"]["responses"]["4XX"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/ErrorAnswer"
    }


def test_what_fastapi_refuses_has_the_shape_of_all_errors(app):
    from fastapi.testclient import TestClient

    own = app()

    @own.get("/v1/double")
    async def double(number: int) -> int:
        return 2 * number

    answer = TestClient(own).get("/v1/double?number=two")
    assert answer.status_code == 400
    assert answer.json()["error"] == {
        "message": "number: input should be a valid integer, unable to parse string as an integer.",
        "type": "invalid_request_error",
        "param": "number",
        "code": "invalid_value",
    }


def test_the_example_of_the_document_is_a_request():
    from moft_serve.ranking.bodies import ScoreRequest

    for example in ScoreRequest.model_json_schema()["examples"]:
        ScoreRequest.model_validate(example)

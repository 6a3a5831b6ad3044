from outcrop.commands.postman import collection

DOCUMENT = {
    "openapi": "3.0.1",
    "info": {"title": "shop", "version": "1"},
    "paths": {
        "/pets/{id}": {
            "get": {
                "parameters": [
                    {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}},
                    {"name": "q", "in": "query", "required": True, "schema": {"type": "string", "minLength": 8}},
                    {"name": "x-a", "in": "header", "required": True, "schema": {"type": "string"}},
                    {"name": "optional", "in": "query", "schema": {"type": "string"}},
                ],
                "responses": {"200": {}, "404": {}},
            },
            "x-amazon-apigateway-any-method": {"responses": {}},
        },
        "/pets": {
            "post": {
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}}},
                "security": [{"key": []}, {"iam": []}, {"token": []}],
                "responses": {"201": {}},
            }
        },
    },
    "components": {
        "schemas": {
            "Pet": {
                "type": "object",
                "properties": {
                    "name": {"type": "string"},
                    "age": {"type": "integer", "minimum": 3},
                    "kind": {"enum": ["cat", "dog"]},
                    "tags": {"type": "array", "items": {"type": "boolean"}},
                    "mother": {"$ref": "#/components/schemas/Pet"},
                },
            }
        },
        "securitySchemes": {
            "key": {"type": "apiKey", "name": "x-api-key", "in": "header"},
            "iam": {"type": "apiKey", "name": "Authorization", "x-amazon-apigateway-authtype": "awsSigv4"},
            "token": {"type": "apiKey", "name": "Authorization", "in": "header"},
        },
    },
}


def test_every_operation_is_a_request_with_a_check():
    made = collection(DOCUMENT, "http://localhost/api", {"apiKey": "k"})
    assert made["variable"] == [{"key": "baseUrl", "value": "http://localhost/api"}, {"key": "apiKey", "value": "k"}]
    assert [item["name"] for item in made["item"]] == ["GET /pets/{id}", "GET /pets/{id}", "POST /pets"]
    get = made["item"][0]
    assert get["request"]["url"]["raw"] == "{{baseUrl}}/pets/:id?q=stringxx"
    assert get["request"]["url"]["variable"] == [{"key": "id", "value": "1"}]
    assert get["request"]["header"] == [{"key": "x-a", "value": "string"}]
    assert "oneOf([200, 404])" in get["event"][0]["script"]["exec"][1]
    assert "below(500)" in made["item"][1]["event"][0]["script"]["exec"][1]


def test_bodies_and_credentials_are_filled_in():
    request = collection(DOCUMENT, "http://localhost", {})["item"][2]["request"]
    assert '"age": 3' in request["body"]["raw"]
    assert '"kind": "cat"' in request["body"]["raw"]
    assert {"key": "x-api-key", "value": "{{apiKey}}"} in request["header"]
    assert {"key": "Authorization", "value": "{{authorization}}"} in request["header"]
    assert request["auth"]["type"] == "awsv4"

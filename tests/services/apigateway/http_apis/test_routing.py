import pytest

from outcrop.services.apigateway.http_apis.routing import BadRouteKey, Router, read_route_key


@pytest.fixture
def router():
    router = Router()
    for key in (
        "GET /pets/dog/1",
        "GET /pets/dog/{id}",
        "GET /pets/{proxy+}",
        "ANY /{proxy+}",
        "GET /users/{user}/posts/{post}",
        "POST /users/me/posts/{post}",
        "ANY /ask",
        "GET /ask",
        "GET /",
        "$default",
    ):
        router.add(read_route_key(key), key)
    return router


@pytest.mark.parametrize(
    ("method", "path", "key", "parameters"),
    [
        ("GET", "/pets/dog/1", "GET /pets/dog/1", {}),
        ("GET", "/pets/dog/2", "GET /pets/dog/{id}", {"id": "2"}),
        ("GET", "/pets/cat/1", "GET /pets/{proxy+}", {"proxy": "cat/1"}),
        ("POST", "/test/5", "ANY /{proxy+}", {"proxy": "test/5"}),
        ("POST", "/pets/dog/1", "ANY /{proxy+}", {"proxy": "pets/dog/1"}),
        ("GET", "/users/a/posts/b", "GET /users/{user}/posts/{post}", {"user": "a", "post": "b"}),
        ("GET", "/users/me/posts/b", "GET /users/{user}/posts/{post}", {"user": "me", "post": "b"}),
        ("POST", "/users/me/posts/b", "POST /users/me/posts/{post}", {"post": "b"}),
        ("GET", "/ask", "GET /ask", {}),
        ("PUT", "/ask", "ANY /ask", {}),
        ("GET", "/", "GET /", {}),
        ("POST", "/", "$default", {}),
        ("GET", "/pets/", "ANY /{proxy+}", {"proxy": "pets/"}),
    ],
)
def test_find(router, method, path, key, parameters):
    assert router.find(method, path[1:].split("/")) == (key, parameters)


def test_find_nothing_without_default():
    router = Router()
    router.add(read_route_key("GET /a"), "a")
    assert router.find("GET", ["b"]) is None
    assert router.find("POST", ["a"]) is None
    assert router.find("GET", ["a", ""]) is None
    assert router.find("GET", ["a"] * 10_000) is None


@pytest.mark.parametrize(
    "key",
    [
        "",
        "GET",
        "GET pets",
        "get /pets",
        "FETCH /pets",
        "GET /{a+}/b",
        "GET /{a}/{a}",
        "GET /x{a}",
        "GET /" + "a/" * 200,
    ],
)
def test_read_route_key_refuses(key):
    with pytest.raises(BadRouteKey):
        read_route_key(key)

import pytest

from outcrop.services.s3 import hosts


@pytest.mark.parametrize(
    ("host", "bucket"),
    [
        ("localhost", None),
        ("127.0.0.1", None),
        ("s3.localhost", None),
        ("s3.localhost.localstack.cloud", None),
        ("s3.amazonaws.com", None),
        ("s3.eu-west-1.amazonaws.com", None),
        ("s3-eu-west-1.amazonaws.com", None),
        ("books.localhost", "books"),
        ("books.s3.localhost", "books"),
        ("my.books.s3.localhost", "my.books"),
        ("books.s3.localhost.localstack.cloud", "books"),
        ("books.localhost.localstack.cloud", "books"),
        ("books.s3.amazonaws.com", "books"),
        ("books.s3.us-gov-west-1.amazonaws.com", "books"),
        ("books.s3.dualstack.us-west-2.amazonaws.com", "books"),
        ("books.s3-us-west-2.amazonaws.com", "books"),
        ("abc.execute-api.localhost", None),
        ("abc.execute-api.us-east-1.localhost.localstack.cloud", None),
        ("abc.lambda-url.us-east-1.localhost", None),
        ("000000000000.s3-control.localhost", None),
        ("books.s3-website.localhost", None),
        ("bedrock-runtime.us-east-1.amazonaws.com", None),
        ("s3vectors.us-east-1.amazonaws.com", None),
        ("example.com", None),
    ],
)
def test_api_bucket(host, bucket):
    assert hosts.api_bucket(host) == bucket


@pytest.mark.parametrize(
    ("host", "path", "place"),
    [
        ("books.s3-website.localhost", "/a%20b", ("books", "a b", "/")),
        ("books.s3-website-us-east-1.amazonaws.com", "/", ("books", "", "/")),
        ("books.s3-website.eu-central-1.amazonaws.com", "/", ("books", "", "/")),
        ("my.books.s3-website.localhost.localstack.cloud", "/x/", ("my.books", "x/", "/")),
        ("localhost", "/_website/books/x/y", ("books", "x/y", "/_website/books/")),
        ("localhost", "/_website/books", ("books", "", "/_website/books/")),
        ("localhost", "/books/x", None),
        ("books.s3.localhost", "/x", None),
    ],
)
def test_website(host, path, place):
    assert hosts.website(host, path) == place


def test_place():
    assert hosts.place("localhost", "/books/a%2Fb/c") == ("books", "a/b/c")
    assert hosts.place("books.s3.localhost", "/a") == ("books", "a")
    assert hosts.place("localhost", "/") == ("", "")

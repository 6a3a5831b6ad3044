import pytest

from outcrop.services.hooks import Violation
from outcrop.services.s3 import errors


@pytest.fixture
def hooks(client):
    return client.service.hooks


def test_rewrite(hooks):
    assert hooks.rewrite("books.s3.localhost", "/a%20b") == "/books/a%20b"
    assert hooks.rewrite("books.s3.localhost", "/") == "/books/"
    assert hooks.rewrite("localhost", "/books/a") == "/books/a"
    control = "/v20180820/tags/arn%3Aaws%3As3%3A%3A%3Abooks"
    assert hooks.rewrite("000000000000.localhost", control) == control


def test_claims(hooks):
    assert hooks.claims("GET", "localhost", "/books/a", "", {})
    assert not hooks.claims("GET", "abc.execute-api.localhost", "/a", "", {})
    assert not hooks.claims("GET", "localhost", "/_outcrop/health", "", {})


def test_status(hooks):
    assert hooks.status("get_object", {"ContentRange": "bytes 0-1/2"}) == 206
    assert hooks.status("get_object", {}) is None
    assert hooks.status("list_objects", {"ContentRange": ""}) is None


async def test_headers_for_a_page_of_another_origin(client, hooks, bucket):
    rule = {"AllowedMethods": ["GET"], "AllowedOrigins": ["http://a"], "ExposeHeaders": ["ETag"]}
    await client.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [rule]})
    added = dict(hooks.headers("get_object", {"Bucket": bucket}, {"origin": "http://a"}))
    assert added["Access-Control-Allow-Origin"] == "http://a"
    assert added["Access-Control-Expose-Headers"] == "ETag"
    assert added["x-amz-id-2"]
    for operation, request, sent in (
        ("put_object", {"Bucket": bucket}, {"origin": "http://a"}),
        ("get_object", {"Bucket": bucket}, {"origin": "http://b"}),
        ("get_object", {"Bucket": bucket}, {}),
        ("get_object", {}, {"origin": "http://a"}),
    ):
        assert "Access-Control-Allow-Origin" not in dict(hooks.headers(operation, request, sent))


@pytest.mark.parametrize(
    ("path", "value", "error"),
    [
        ("storageClass", "SHELF", errors.InvalidStorageClass),
        ("checksumAlgorithm", "ROT13", errors.InvalidRequest),
        ("metadataDirective", "KEEP", errors.InvalidArgument),
        ("encodingType", "x", errors.InvalidArgument),
        ("maxKeys", "many", errors.InvalidArgument),
        ("partNumber", "one", errors.InvalidArgument),
        ("delete.objects", None, errors.MalformedXML),
        ("delete", None, errors.MissingRequestBodyError),
        ("corsConfiguration", None, errors.MissingRequestBodyError),
        ("lifecycleConfiguration.rules.1.member.status", "on", errors.MalformedXML),
        ("uploadId", None, errors.InvalidArgument),
    ],
)
def test_invalid(hooks, path, value, error):
    assert type(hooks.invalid("any", [Violation(path, value, "Member must be right")])) is error

"""Which operation a request means: every rule of the routing, on the real models."""

from __future__ import annotations

import pytest

from outcrop.services.contract import Service
from outcrop.wire.binding import BindingError, bind
from outcrop.wire.models import routes
from outcrop.wire.protocols.query import read_form
from outcrop.wire.routing import Asked, Router

KNOWN = routes.load()
SERVICES = bind([Service(name) for name in KNOWN], KNOWN)
ROUTER = Router(SERVICES)


def find(method: str, url: str, signing: str = "", form: str = "", **headers: str):
    path, _, query = url.partition("?")
    pairs = read_form(query.encode())
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    names = frozenset(name for name, _ in pairs)
    asked = Asked(method, path, pairs, sent, signing, read_form(form.encode()), names)
    return ROUTER.find(asked, ROUTER.candidates(asked), SERVICES["s3"])


@pytest.mark.parametrize(
    ("method", "url", "headers", "expected"),
    [
        ("GET", "/", {}, "ListBuckets"),
        ("GET", "/?x-id=ListBuckets", {}, "ListBuckets"),
        ("GET", "/b", {}, "ListObjects"),
        ("GET", "/b/", {}, "ListObjects"),
        ("GET", "/b?list-type=2&prefix=a", {}, "ListObjectsV2"),
        ("GET", "/b?list-type=1", {}, "ListObjects"),
        ("GET", "/b?location", {}, "GetBucketLocation"),
        ("GET", "/b?analytics", {}, "ListBucketAnalyticsConfigurations"),
        ("GET", "/b?analytics&id=1", {}, "GetBucketAnalyticsConfiguration"),
        ("GET", "/b/k", {}, "GetObject"),
        ("GET", "/b/k/", {}, "GetObject"),
        ("GET", "/b//k", {}, "GetObject"),
        ("GET", "/b/k?x-id=GetObject", {}, "GetObject"),
        ("GET", "/b/k?tagging", {}, "GetObjectTagging"),
        ("GET", "/b/k?uploadId=1", {}, "ListParts"),
        ("GET", "/b?uploads", {}, "ListMultipartUploads"),
        ("PUT", "/b", {}, "CreateBucket"),
        ("PUT", "/b/k", {}, "PutObject"),
        ("PUT", "/b/k", {"x_amz_copy_source": "a/b"}, "CopyObject"),
        ("PUT", "/b/k?partNumber=1&uploadId=2", {}, "UploadPart"),
        ("PUT", "/b/k?partNumber=1&uploadId=2", {"x_amz_copy_source": "a/b"}, "UploadPartCopy"),
        ("POST", "/b/k?uploads", {}, "CreateMultipartUpload"),
        ("POST", "/b/k?uploadId=1", {}, "CompleteMultipartUpload"),
        ("POST", "/b/k?select&select-type=2", {}, "SelectObjectContent"),
        ("POST", "/b?delete", {}, "DeleteObjects"),
        ("DELETE", "/b/k?uploadId=1", {}, "AbortMultipartUpload"),
        ("DELETE", "/b/k", {}, "DeleteObject"),
        ("HEAD", "/b", {}, "HeadBucket"),
        ("HEAD", "/b/k", {}, "HeadObject"),
    ],
)
@pytest.mark.parametrize("signing", ["s3", ""])
def test_s3(method, url, headers, expected, signing):
    found = find(method, url, signing, **headers)
    assert (found.bound.name, found.entry.operation) == ("s3", expected)


@pytest.mark.parametrize(
    ("method", "url", "service", "expected"),
    [
        ("POST", "/model/anthropic.claude-v2/converse", "bedrock-runtime", "Converse"),
        (
            "POST",
            "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A%3Afoundation-model%2Fa.b/invoke",
            "bedrock-runtime",
            "InvokeModel",
        ),
        ("POST", "/model/a:0/invoke-with-response-stream", "bedrock-runtime", "InvokeModelWithResponseStream"),
        ("GET", "/foundation-models", "bedrock", "ListFoundationModels"),
        ("GET", "/foundation-models/a.b%3A0", "bedrock", "GetFoundationModel"),
        ("POST", "/knowledgebases/", "bedrock-agent", "ListKnowledgeBases"),
        ("POST", "/knowledgebases", "bedrock-agent", "ListKnowledgeBases"),
        ("PUT", "/knowledgebases/", "bedrock-agent", "CreateKnowledgeBase"),
        ("GET", "/knowledgebases/ABC", "bedrock-agent", "GetKnowledgeBase"),
        ("GET", "/knowledgebases/ABC/", "bedrock-agent", "GetKnowledgeBase"),
        ("PUT", "/knowledgebases/A/datasources/B/ingestionjobs/", "bedrock-agent", "StartIngestionJob"),
        ("POST", "/knowledgebases/ABC/retrieve", "bedrock-agent-runtime", "Retrieve"),
        ("POST", "/retrieveAndGenerate", "bedrock-agent-runtime", "RetrieveAndGenerate"),
    ],
)
@pytest.mark.parametrize("signing", ["bedrock", ""])
def test_bedrock(method, url, service, expected, signing):
    found = find(method, url, signing)
    assert (found.bound.name, found.entry.operation) == (service, expected)


def test_labels_stay_encoded():
    assert find("POST", "/model/a%2Fb/invoke", "bedrock").labels == {"modelId": "a%2Fb"}
    assert find("GET", "/b/a//%20/", "s3").labels == {"Bucket": "b", "Key": "a//%20/"}


@pytest.mark.parametrize(
    ("url", "service", "expected"),
    [
        ("/restapis", "apigateway", "GetRestApis"),
        ("/v2/apis", "apigatewayv2", "GetApis"),
        ("/2015-03-31/functions/a:b", None, None),
    ],
)
def test_api_gateways_share_a_name(url, service, expected):
    found = find("GET", url, "apigateway")
    assert (found.entry and found.bound.name, found.entry and found.entry.operation) == (service, expected)


def test_target():
    found = find("POST", "/", "logs", x_amz_target="Logs_20140328.PutLogEvents")
    assert (found.bound.name, found.protocol.name, found.entry.name) == ("logs", "json", "put_log_events")


def test_cbor_path():
    url = "/service/GraniteServiceVersion20100801/operation/ListMetrics"
    found = find("POST", url, smithy_protocol="rpc-v2-cbor")
    assert (found.bound.name, found.protocol.name, found.entry.name) == (
        "cloudwatch",
        "smithy-rpc-v2-cbor",
        "list_metrics",
    )


@pytest.mark.parametrize("signing", ["iam", ""])
def test_form(signing):
    found = find("POST", "/", signing, "Action=ListUsers&Version=2010-05-08")
    assert (found.bound.name, found.protocol.name, found.entry.name) == ("iam", "query", "list_users")
    assert find("GET", "/?Action=ListUsers&Version=2010-05-08", signing).entry.name == "list_users"


def test_nothing():
    assert find("GET", "/nonsense", "bedrock").entry is None
    assert find("POST", "/", "iam", "Action=Nonsense&Version=2010-05-08").asked == "Nonsense"
    assert find("POST", "/", "sts").entry is None
    assert find("GET", "/nonsense/a/b", "unknown-service").bound.name == "s3"


@pytest.mark.parametrize(
    ("resources", "text"),
    [
        (["list_userz"], "One.list_userz is a public async method, but iam has no such operation"),
        (["list_users", "list_users"], "iam: both One and One have list_users"),
    ],
)
def test_binding_refuses(resources, text):
    async def method(self, ctx, request): ...

    services = [Service("iam", *(type("One", (), {name: method})() for name in resources))]
    with pytest.raises(BindingError, match=text):
        bind(services, KNOWN)


def test_binding_refuses_strange_services():
    with pytest.raises(BindingError, match=r"routes\.json"):
        bind([Service("nonsense")], KNOWN)
    with pytest.raises(BindingError, match="two services"):
        bind([Service("iam"), Service("iam")], KNOWN)

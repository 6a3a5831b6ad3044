import json
from dataclasses import replace

import pytest

from outcrop.services.contract import Principal
from outcrop.services.surface import HttpRequest


@pytest.fixture
def visit(client):
    """Ask the surfaces as wire does: status, headers and body; None if no surface wants the request."""

    async def visit(method, path, host="localhost", body=b"", **headers):
        async def pieces():
            yield body

        names = [(name.replace("_", "-"), value) for name, value in headers.items()]
        request = HttpRequest(method, host, path, "", [("host", f"{host}:4566"), *names], pieces())
        anyone = replace(client.context, principal=Principal("*", "anonymous", kind="anonymous"))
        for surface in client.service.surfaces:
            if surface.matches(request):
                answer = await surface.handle(request, lambda account, region: anyone)
                content = answer.body
                if not isinstance(content, bytes):
                    content = b"".join([piece async for piece in content])
                return answer.status, dict(answer.headers), content
        return None

    return visit


@pytest.fixture
async def site(client, bucket):
    statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::books/*"}
    await client.put_bucket_policy(
        Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    )
    await client.put_bucket_website(Bucket=bucket, WebsiteConfiguration={"IndexDocument": {"Suffix": "index.html"}})
    await client.put_object(
        Bucket=bucket,
        Key="index.html",
        Body=b"<h1>",
        ContentType="text/html",
        CacheControl="no-store",
        Metadata={"a": "1"},
    )
    return "books.s3-website.localhost"


async def test_website_shows_an_object(visit, site):
    status, headers, body = await visit("GET", "/", site)
    assert (status, body) == (200, b"<h1>")
    assert (headers["Content-Type"], headers["Cache-Control"], headers["x-amz-meta-a"]) == (
        "text/html",
        "no-store",
        "1",
    )
    assert (await visit("HEAD", "/", site))[2] == b""


async def test_website_conditions_and_ranges(visit, site):
    _, headers, _ = await visit("GET", "/", site)
    assert (await visit("GET", "/", site, if_none_match=headers["ETag"]))[0] == 304
    assert (await visit("GET", "/", site, if_modified_since=headers["Last-Modified"]))[0] == 304
    assert (await visit("GET", "/", site, if_modified_since="nonsense"))[0] == 200
    status, headers, body = await visit("GET", "/", site, range="bytes=1-2")
    assert (status, headers["Content-Range"], body) == (206, "bytes 1-2/4", b"h1")
    assert (await visit("GET", "/", site, range="bytes=9-"))[0] == 416


@pytest.mark.parametrize(
    ("method", "path", "host", "status", "code"),
    [
        ("GET", "/none", "books.s3-website.localhost", 404, "NoSuchKey"),
        ("POST", "/", "books.s3-website.localhost", 405, "MethodNotAllowed"),
        ("GET", "/", "nowhere.s3-website.localhost", 404, "NoSuchBucket"),
        ("GET", "/_website/plain/", "localhost", 404, "NoSuchWebsiteConfiguration"),
    ],
)
async def test_website_errors(client, visit, site, method, path, host, status, code):
    await client.create_bucket(Bucket="plain")
    answered, headers, body = await visit(method, path, host)
    assert (answered, headers["x-amz-error-code"]) == (status, code)
    assert f"<li>Code: {code}</li>".encode() in body


async def test_website_of_a_private_bucket(client, visit, site):
    await client.delete_bucket_policy(Bucket="books")
    status, _, body = await visit("GET", "/", site)
    assert (status, b"Code: AccessDenied" in body) == (403, True)


async def test_website_error_document(client, visit, site):
    document = {"IndexDocument": {"Suffix": "index.html"}, "ErrorDocument": {"Key": "lost.html"}}
    await client.put_bucket_website(Bucket="books", WebsiteConfiguration=document)
    status, _, body = await visit("GET", "/none", site)
    assert (status, b"Custom Error Document" in body) == (404, True)
    await client.put_object(Bucket="books", Key="lost.html", Body=b"lost")
    assert (await visit("GET", "/none", site))[::2] == (404, b"lost")


async def test_website_redirect_of_an_object(client, visit, site):
    await client.put_object(Bucket="books", Key="moved", Body=b"", WebsiteRedirectLocation="/index.html")
    status, headers, _ = await visit("GET", "/moved", site)
    assert (status, headers["Location"]) == (301, "/index.html")
    status, headers, _ = await visit("GET", "/_website/books/moved")
    assert (status, headers["Location"]) == (301, "/_website/books/index.html")


async def test_website_of_a_folder_without_its_slash(client, visit, site):
    await client.put_object(Bucket="books", Key="docs/index.html", Body=b"docs")
    status, headers, _ = await visit("GET", "/docs", site)
    assert (status, headers["Location"]) == (302, "/docs/")
    assert (await visit("GET", "/docs/", site))[2] == b"docs"


async def test_preflight(client, visit, bucket):
    rule = {"AllowedMethods": ["PUT", "GET"], "AllowedOrigins": ["*"], "AllowedHeaders": ["*"], "MaxAgeSeconds": 5}
    asked = {"origin": "http://a", "access_control_request_method": "PUT"}
    status, _, body = await visit("OPTIONS", "/books/a", **asked)
    assert (status, b"CORS is not enabled" in body) == (403, True)
    await client.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [rule]})
    status, headers, _ = await visit("OPTIONS", "/books/a", **asked, access_control_request_headers="X-A, b")
    assert status == 200
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert headers["Access-Control-Allow-Methods"] == "PUT, GET"
    assert headers["Access-Control-Allow-Headers"] == "x-a, b"
    assert headers["Access-Control-Max-Age"] == "5"
    assert (await visit("OPTIONS", "/a", "books.s3.localhost", **asked))[0] == 200
    assert (await visit("OPTIONS", "/a", "nowhere.s3.localhost", **asked))[0] == 404
    for missing in ("origin", "access_control_request_method"):
        assert (await visit("OPTIONS", "/books/a", **{k: v for k, v in asked.items() if k != missing}))[0] == 400


@pytest.mark.parametrize(
    ("method", "path", "host", "kind"),
    [
        ("OPTIONS", "/model/x/converse", "localhost", ""),
        ("OPTIONS", "/a", "abc.execute-api.localhost", ""),
        ("POST", "/books", "localhost", "text/plain"),
        ("POST", "/books/key", "localhost", "multipart/form-data; boundary=b"),
        ("POST", "/books", "abc.execute-api.localhost", "multipart/form-data; boundary=b"),
        ("GET", "/books", "localhost", ""),
    ],
)
async def test_what_is_for_others(visit, bucket, method, path, host, kind):
    assert await visit(method, path, host, content_type=kind) is None


def _form(**fields):
    parts = [
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields.items()
    ]
    return ("".join(parts) + "--b--\r\n").encode()


KIND = {"content_type": "multipart/form-data; boundary=b"}


async def test_form_of_a_stranger(client, visit, bucket):
    body = _form(key="a", file="content")
    status, _, answer = await visit("POST", "/books", body=body, **KIND)
    assert (status, b"<Code>AccessDenied</Code>" in answer) == (403, True)
    await client.put_bucket_acl(Bucket=bucket, ACL="public-read-write")
    status, headers, _ = await visit("POST", "/books", body=body, **KIND)
    assert (status, headers["Location"]) == (204, "http://127.0.0.1:4566/books/a")
    assert await client.text(Bucket=bucket, Key="a") == b"content"


async def test_form_answers(client, visit, bucket):
    await client.put_bucket_acl(Bucket=bucket, ACL="public-read-write")
    for fields, status in (
        ({"success_action_status": "200"}, 200),
        ({"success_action_status": "201"}, 201),
        ({"success_action_status": "404"}, 204),
        ({"success_action_redirect": "http://a.example/done?x=1"}, 303),
        ({"success_action_redirect": "nowhere"}, 204),
    ):
        answered, headers, _ = await visit("POST", "/books", body=_form(key="a", **fields, file="f"), **KIND)
        assert answered == status
    etag = "%228fa14cdd754f91cc6554c9e71929cce7%22"
    _, headers, _ = await visit(
        "POST", "/", "books.s3.localhost", _form(key="a", redirect="http://a.example/done", file="f"), **KIND
    )
    assert headers["Location"] == f"http://a.example/done?bucket=books&key=a&etag={etag}"


async def test_form_fields_reach_the_object(client, visit, bucket):
    await client.put_bucket_acl(Bucket=bucket, ACL="public-read-write")
    tagging = "<Tagging><TagSet><Tag><Key>t</Key><Value>1</Value></Tag></TagSet></Tagging>"
    fields = {"key": "a", "Content-Type": "text/css", "x-amz-meta-who": "me", "tagging": tagging}
    await visit("POST", "/books", body=_form(**fields, file="f"), **KIND)
    head = await client.head_object(Bucket=bucket, Key="a")
    assert (head["ContentType"], head["Metadata"], head["TagCount"]) == ("text/css", {"who": "me"}, 1)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"file": "f"}, "InvalidArgument"),
        ({"key": "a"}, "InvalidArgument"),
        ({"key": "a", "tagging": "<a>", "file": "f"}, "MalformedXML"),
        ({"key": "a", "tagging": '<!DOCTYPE x [<!ENTITY e "e">]><x>&e;</x>', "file": "f"}, "MalformedXML"),
        ({"key": "a", "x-amz-checksum-crc32": "AAAAAA==", "file": "f"}, "BadDigest"),
        ({"key": "a", "policy": "e30=", "file": "f"}, "InvalidArgument"),
        ({"key": "k" * 1025, "file": "f"}, "KeyTooLongError"),
    ],
)
async def test_form_refused(client, visit, bucket, fields, code):
    await client.put_bucket_acl(Bucket=bucket, ACL="public-read-write")
    status, _, body = await visit("POST", "/books", body=_form(**fields), **KIND)
    assert (status, f"<Code>{code}</Code>".encode() in body) == (400, True)
    assert (await client.list_objects_v2(Bucket=bucket))["KeyCount"] == 0

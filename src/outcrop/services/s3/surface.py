"""Plain HTTP beside the API: static websites, browsers' preflights, and uploads by form."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any
from urllib.parse import urlencode, urlsplit
from xml.sax.saxutils import escape

from outcrop.services.contract import Context, Credential, ServiceError
from outcrop.services.s3 import cors, errors, forms, hosts, website
from outcrop.services.s3.access import Access
from outcrop.services.s3.names import http_date, url_encoded
from outcrop.services.s3.objects import Objects
from outcrop.services.s3.store import Bucket, BucketStore
from outcrop.services.surface import HttpRequest, HttpResponse

_CONTENT_NAMES = {
    "AcceptRanges": "Accept-Ranges",
    "CacheControl": "Cache-Control",
    "ContentDisposition": "Content-Disposition",
    "ContentEncoding": "Content-Encoding",
    "ContentLanguage": "Content-Language",
    "ContentLength": "Content-Length",
    "ContentRange": "Content-Range",
    "ContentType": "Content-Type",
    "ETag": "ETag",
    "Expires": "Expires",
    "VersionId": "x-amz-version-id",
}
_CONTEXT = Callable[[str, str], Context]


class Websites:
    """`BUCKET.s3-website.localhost` and `/_website/BUCKET/`."""

    def __init__(self, buckets: BucketStore, access: Access, objects: Objects) -> None:
        self._buckets = buckets
        self._access = access
        self._objects = objects

    def matches(self, request: HttpRequest) -> bool:
        return hosts.website(request.host, request.raw_path) is not None

    async def handle(self, request: HttpRequest, context: _CONTEXT) -> HttpResponse:
        place = hosts.website(request.host, request.raw_path)
        assert place is not None
        name, path, base = place
        found = self._buckets.get(name)
        ctx = context(found.account if found else "", found.region if found else "")
        try:
            bucket = self._access.find(name)
            config = self._buckets.setting(bucket, "website")
            if config is None:
                raise errors.NoSuchWebsiteConfiguration(BucketName=name)
            if request.method not in ("GET", "HEAD"):
                raise errors.MethodNotAllowed(Method=request.method, ResourceType="OBJECT")
        except errors.S3Error as error:
            return _page(request, ctx, error)
        response = await self._serve(request, ctx, bucket, config, path, base)
        origin = request.header("origin")
        rule = origin and cors.matching(self._buckets.setting(bucket, "cors") or (), origin, request.method)
        return replace(response, headers=[*response.headers, *cors.headers(rule, str(origin))]) if rule else response

    async def _serve(
        self, request: HttpRequest, ctx: Context, bucket: Bucket, config: Mapping[str, Any], path: str, base: str
    ) -> HttpResponse:
        if elsewhere := website.redirect_all(config, path, request.scheme):
            return _redirect(301, elsewhere)
        elsewhere_for = partial(
            website.redirect,
            config,
            path,
            scheme=request.scheme,
            host=request.header("host") or request.host,
            base=base,
        )
        if target := elsewhere_for(None):
            return _redirect(*target)
        key = website.key_of(config, path)
        try:
            shown = await self._objects.get_object(ctx, {"Bucket": bucket.name, "Key": key, **_conditions(request)})
        except errors.NotModified as error:
            return HttpResponse(304, error.headers)
        except ServiceError as error:
            if (
                error.code in ("NoSuchKey", "AccessDenied")
                and key == path
                and await self._exists(ctx, bucket, config, path)
            ):
                return _redirect(302, f"{base}{url_encoded(path)}/")
            if target := elsewhere_for(error.status):
                return _redirect(*target)
            return await self._error(request, ctx, bucket, config, error)
        if location := shown.get("WebsiteRedirectLocation"):
            await shown["Body"].aclose()
            return _redirect(301, base.removesuffix("/") + location if location.startswith("/") else location)
        return await _object(request, 206 if "ContentRange" in shown else 200, shown)

    async def _exists(self, ctx: Context, bucket: Bucket, config: Mapping[str, Any], path: str) -> bool:
        """Whether a path without its slash means a folder that has an index document."""
        try:
            key = f"{path}/{config['IndexDocument']['Suffix']}"
            await self._objects.head_object(ctx, {"Bucket": bucket.name, "Key": key})
        except ServiceError:
            return False
        return True

    async def _error(
        self, request: HttpRequest, ctx: Context, bucket: Bucket, config: Mapping[str, Any], error: ServiceError
    ) -> HttpResponse:
        document = (config.get("ErrorDocument") or {}).get("Key")
        if not document or error.status < 400:
            return _page(request, ctx, error)
        try:
            shown = await self._objects.get_object(ctx, {"Bucket": bucket.name, "Key": document})
        except ServiceError as second:
            return _page(request, ctx, error, second)
        return await _object(request, error.status, shown)


class Preflights:
    """`OPTIONS` on a bucket or an object: may a page of another origin do this?"""

    def __init__(self, buckets: BucketStore) -> None:
        self._buckets = buckets

    def matches(self, request: HttpRequest) -> bool:
        if request.method != "OPTIONS" or hosts.is_foreign(request.host) or request.raw_path.startswith("/_"):
            return False
        return hosts.api_bucket(request.host) is not None or self._bucket(request) is not None

    async def handle(self, request: HttpRequest, context: _CONTEXT) -> HttpResponse:
        ctx = context("", "")
        bucket = self._bucket(request)
        if bucket is None:
            return _failure(errors.NoSuchBucket(BucketName=hosts.place(request.host, request.raw_path)[0]), ctx)
        origin, method = request.header("origin"), request.header("access-control-request-method")
        asked = cors.asked_headers(request.header("access-control-request-headers"))
        if not origin:
            return _failure(errors.BadRequest("Insufficient information. Origin request header needed."), ctx)
        if method not in cors.METHODS:
            return _failure(errors.BadRequest(f"Invalid Access-Control-Request-Method: {method or 'null'}"), ctx)
        rules = self._buckets.setting(bucket, "cors")
        kind = "OBJECT" if hosts.place(request.host, request.raw_path)[1] else "BUCKET"
        if not rules:
            return _failure(errors.AccessForbidden(Method=method, ResourceType=kind), ctx)
        rule = cors.matching(rules, origin, method, asked)
        if rule is None:
            text = (
                "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, "
                "request method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted "
                "by the resource's CORS spec."
            )
            return _failure(errors.AccessForbidden(text, Method=method, ResourceType=kind), ctx)
        return HttpResponse(200, [*cors.headers(rule, origin, asked), ("Content-Length", "0")])

    def _bucket(self, request: HttpRequest) -> Bucket | None:
        name, _ = hosts.place(request.host, request.raw_path)
        return self._buckets.get(name) if name else None


class FormUploads:
    """`POST` of `multipart/form-data` to a bucket: what a presigned POST and an HTML form send."""

    def __init__(
        self,
        buckets: BucketStore,
        access: Access,
        objects: Objects,
        lookup: Callable[[str], Credential | None],
    ) -> None:
        self._buckets = buckets
        self._access = access
        self._objects = objects
        self._lookup = lookup

    def matches(self, request: HttpRequest) -> bool:
        if request.method != "POST" or hosts.is_foreign(request.host) or request.raw_path.startswith("/_"):
            return False
        bucket, key = hosts.place(request.host, request.raw_path)
        return bool(bucket) and not key and forms.boundary(request.header("content-type")) is not None

    async def handle(self, request: HttpRequest, context: _CONTEXT) -> HttpResponse:
        name, _ = hosts.place(request.host, request.raw_path)
        found = self._buckets.get(name)
        ctx = context(found.account if found else "", found.region if found else "")
        added: list[tuple[str, str]] = []
        if found and (origin := request.header("origin")):
            rule = cors.matching(self._buckets.setting(found, "cors") or (), origin, "POST")
            added = cors.headers(rule, origin) if rule else []
        try:
            response = await self._upload(request, ctx, self._access.find(name))
        except ServiceError as error:
            response = _failure(error, ctx)
        return replace(response, headers=[*response.headers, *added])

    async def _upload(self, request: HttpRequest, ctx: Context, bucket: Bucket) -> HttpResponse:
        border = forms.boundary(request.header("content-type"))
        assert border is not None
        form = await forms.read_form(request.body, border)
        if not form.fields.get("key"):
            raise errors.InvalidArgument(
                "Bucket POST must contain a field named 'key'.  If it is specified, please check the order of the "
                "fields.",
                ArgumentName="key",
                ArgumentValue="",
            )
        fields = {**form.fields, "key": form.fields["key"].replace("${filename}", form.filename)}
        smallest, largest = 0, None
        if "policy" in fields:
            permit = forms.verify(fields, bucket.name, self._lookup)
            smallest, largest = permit.smallest, permit.largest
            ctx = replace(ctx, account=permit.credential.account, principal=permit.credential.principal)
        put = {
            "Bucket": bucket.name,
            "Key": fields["key"],
            "Body": forms.measured(form.file, smallest, largest),
            **_put_members(fields),
        }
        shown = await self._objects.put_object(ctx, put)
        return _done(ctx, bucket, fields, shown)


_PUT_FIELDS = {
    "acl": "ACL",
    "cache-control": "CacheControl",
    "content-type": "ContentType",
    "content-disposition": "ContentDisposition",
    "content-encoding": "ContentEncoding",
    "content-language": "ContentLanguage",
    "expires": "Expires",
    "x-amz-storage-class": "StorageClass",
    "x-amz-server-side-encryption": "ServerSideEncryption",
    "x-amz-server-side-encryption-aws-kms-key-id": "SSEKMSKeyId",
    "x-amz-server-side-encryption-customer-algorithm": "SSECustomerAlgorithm",
    "x-amz-server-side-encryption-customer-key": "SSECustomerKey",
    "x-amz-server-side-encryption-customer-key-md5": "SSECustomerKeyMD5",
    "x-amz-website-redirect-location": "WebsiteRedirectLocation",
    "x-amz-tagging": "Tagging",
    "x-amz-checksum-crc32": "ChecksumCRC32",
    "x-amz-checksum-crc32c": "ChecksumCRC32C",
    "x-amz-checksum-crc64nvme": "ChecksumCRC64NVME",
    "x-amz-checksum-sha1": "ChecksumSHA1",
    "x-amz-checksum-sha256": "ChecksumSHA256",
    "content-md5": "ContentMD5",
}


def _put_members(fields: Mapping[str, str]) -> dict[str, Any]:
    """A form's fields as PutObject's members."""
    members: dict[str, Any] = {member: fields[name] for name, member in _PUT_FIELDS.items() if fields.get(name)}
    prefix = "x-amz-meta-"
    members["Metadata"] = {name[len(prefix) :]: fields[name] for name in fields if name.startswith(prefix)}
    if xml := fields.get("tagging"):
        members["Tagging"] = _tagging_header(xml)
    return members


def _tagging_header(xml: str) -> str:
    """`<Tagging>` in a form as the header of a put. Raises MalformedXML."""
    from defusedxml import ElementTree
    from defusedxml.common import DefusedXmlException

    try:
        root = ElementTree.fromstring(xml)
    except (ElementTree.ParseError, DefusedXmlException, ValueError):
        raise errors.MalformedXML from None
    pairs = []
    for node in root.iter():
        if node.tag.rpartition("}")[2] == "Tag":
            texts = {child.tag.rpartition("}")[2]: child.text or "" for child in node}
            if "Key" not in texts or "Value" not in texts:
                raise errors.MalformedXML
            pairs.append((texts["Key"], texts["Value"]))
    return urlencode(pairs)


def _done(ctx: Context, bucket: Bucket, fields: Mapping[str, str], shown: Mapping[str, Any]) -> HttpResponse:
    location = f"{ctx.endpoint}/{bucket.name}/{url_encoded(fields['key'])}"
    headers = [("ETag", shown["ETag"]), ("Location", location)]
    if "VersionId" in shown:
        headers.append(("x-amz-version-id", shown["VersionId"]))
    target = fields.get("success_action_redirect") or fields.get("redirect")
    if target and urlsplit(target).scheme in ("http", "https") and urlsplit(target).netloc:
        query = urlencode({"bucket": bucket.name, "key": fields["key"], "etag": shown["ETag"]})
        headers[1] = ("Location", f"{target}{'&' if urlsplit(target).query else '?'}{query}")
        return HttpResponse(303, [*headers, ("Content-Length", "0")])
    if fields.get("success_action_status") == "201":
        members = {"Location": location, "Bucket": bucket.name, "Key": fields["key"], "ETag": shown["ETag"]}
        return _xml(201, "PostResponse", members, headers)
    status = 200 if fields.get("success_action_status") == "200" else 204
    return HttpResponse(status, [*headers, ("Content-Length", "0")] if status == 200 else headers)


def _failure(error: ServiceError, ctx: Context) -> HttpResponse:
    members = {"Code": error.code, "Message": error.message, **error.members, "RequestId": ctx.request_id}
    return _xml(error.status, "Error", members, [*error.headers, ("x-amz-request-id", ctx.request_id)])


def _xml(status: int, root: str, members: Mapping[str, Any], headers: Sequence[tuple[str, str]]) -> HttpResponse:
    inside = "".join(f"<{name}>{escape(str(value))}</{name}>" for name, value in members.items() if value is not None)
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<{root}>{inside}</{root}>'.encode()
    also = [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))]
    return HttpResponse(status, [*headers, *also], body)


def _page(request: HttpRequest, ctx: Context, error: ServiceError, then: ServiceError | None = None) -> HttpResponse:
    body = website.error_page(error, error.status, ctx.request_id, then)
    headers = [
        ("Content-Type", "text/html; charset=utf-8"),
        ("Content-Length", str(len(body))),
        ("x-amz-error-code", error.code),
        ("x-amz-error-message", error.message),
        ("x-amz-request-id", ctx.request_id),
    ]
    return HttpResponse(error.status, headers, b"" if request.method == "HEAD" else body)


def _redirect(status: int, location: str) -> HttpResponse:
    return HttpResponse(status, [("Location", location), ("Content-Length", "0")])


async def _object(request: HttpRequest, status: int, shown: Mapping[str, Any]) -> HttpResponse:
    headers = [(wire, str(shown[name])) for name, wire in _CONTENT_NAMES.items() if shown.get(name) is not None]
    headers.append(("Last-Modified", http_date(shown["LastModified"])))
    headers += [(f"x-amz-meta-{name}", value) for name, value in shown["Metadata"].items()]
    if request.method == "HEAD":
        await shown["Body"].aclose()
        return HttpResponse(status, headers)
    return HttpResponse(status, headers, shown["Body"])


def _conditions(request: HttpRequest) -> dict[str, Any]:
    """A browser's conditions and range as GetObject's members."""
    members: dict[str, Any] = {}
    for name, member in (("if-match", "IfMatch"), ("if-none-match", "IfNoneMatch"), ("range", "Range")):
        if value := request.header(name):
            members[member] = value
    for name, member in (("if-modified-since", "IfModifiedSince"), ("if-unmodified-since", "IfUnmodifiedSince")):
        try:
            moment = parsedate_to_datetime(request.header(name) or "")
        except ValueError:
            continue
        if moment.tzinfo is not None:
            members[member] = moment
    return members

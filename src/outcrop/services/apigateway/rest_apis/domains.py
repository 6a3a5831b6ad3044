"""Domain names of APIs, and which API answers below which path of one."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from outcrop.services.apigateway.http_apis.errors import BadRequestException, ConflictException, NotFoundException
from outcrop.services.apigateway.http_apis.store import new_id
from outcrop.services.apigateway.rest_apis.finding import find_api, find_thing, page, when
from outcrop.services.apigateway.rest_apis.patching import Fields, patched
from outcrop.services.apigateway.rest_apis.store import RestStore, Thing
from outcrop.services.contract import Context, Request, Result

KEPT = (
    "certificateArn",
    "certificateName",
    "endpointConfiguration",
    "mutualTlsAuthentication",
    "ownershipVerificationCertificateArn",
    "policy",
    "regionalCertificateArn",
    "regionalCertificateName",
    "securityPolicy",
    "tags",
)
FIELDS: Fields = {
    "/certificateArn": "text",
    "/certificateName": "text",
    "/regionalCertificateArn": "text",
    "/regionalCertificateName": "text",
    "/ownershipVerificationCertificateArn": "text",
    "/securityPolicy": "text",
    "/policy": "text",
    "/endpointConfiguration/types/{}": "member",
    "/endpointConfiguration/ipAddressType": "text",
    "/mutualTlsAuthentication/truststoreUri": "text",
    "/mutualTlsAuthentication/truststoreVersion": "text",
}
NONE = "(none)"
"""The base path of a mapping at a domain's root."""


class Domains:
    def __init__(self, store: RestStore, changed: Callable[[], None]) -> None:
        self._store = store
        self._changed = changed

    async def create_domain_name(self, ctx: Context, request: Request) -> Result:
        name = request["domainName"]
        check_domain_name(name)
        if any(thing.id == name for thing in self._store.things_anywhere("domain_name")):
            raise BadRequestException("The domain name you provided already exists.")
        definition = {"endpointConfiguration": {"types": ["EDGE"]}, "securityPolicy": "TLS_1_2", "zone": new_id(14)}
        definition |= {key: request[key] for key in KEPT if key in request}
        return self._keep(ctx, name, definition)

    async def get_domain_name(self, ctx: Context, request: Request) -> Result:
        return _describe(find_thing(self._store, ctx, "domain_name", request["domainName"]))

    async def get_domain_names(self, ctx: Context, request: Request) -> Result:
        return page(request, self._store.things(ctx.account, ctx.region, "domain_name"), _describe)

    async def update_domain_name(self, ctx: Context, request: Request) -> Result:
        domain = find_thing(self._store, ctx, "domain_name", request["domainName"])
        return self._keep(ctx, domain.id, patched(domain.definition, request.get("patchOperations", ()), FIELDS))

    async def delete_domain_name(self, ctx: Context, request: Request) -> Result:
        domain = find_thing(self._store, ctx, "domain_name", request["domainName"])
        for mapping in self._mappings_of(domain):
            self._store.delete_thing(mapping)
        self._store.delete_thing(domain)
        self._changed()
        return {}

    # Base path mappings

    async def create_base_path_mapping(self, ctx: Context, request: Request) -> Result:
        domain = find_thing(self._store, ctx, "domain_name", request["domainName"])
        base_path = request.get("basePath", "") or NONE
        definition = {"domainName": domain.id, "basePath": base_path, "restApiId": request["restApiId"]}
        if request.get("stage"):
            definition["stage"] = request["stage"]
        self._check(ctx, definition)
        mapping_id = f"{domain.id}/{base_path}"
        if self._store.thing(ctx.account, ctx.region, "base_path_mapping", mapping_id):
            raise ConflictException("Base path already exists for this domain name")
        return self._keep_mapping(ctx, mapping_id, definition)

    async def get_base_path_mapping(self, ctx: Context, request: Request) -> Result:
        return _describe_mapping(self._mapping(ctx, request))

    async def get_base_path_mappings(self, ctx: Context, request: Request) -> Result:
        domain = find_thing(self._store, ctx, "domain_name", request["domainName"])
        return page(request, self._mappings_of(domain), _describe_mapping)

    async def update_base_path_mapping(self, ctx: Context, request: Request) -> Result:
        mapping = self._mapping(ctx, request)
        fields = {"/basePath": "text", "/restapiId": "text", "/restApiId": "text", "/stage": "text"}
        definition = patched(mapping.definition, request.get("patchOperations", ()), fields)
        if "restapiId" in definition:
            definition["restApiId"] = definition.pop("restapiId")
        definition["basePath"] = definition.get("basePath") or NONE
        self._check(ctx, definition)
        new_mapping_id = f"{definition['domainName']}/{definition['basePath']}"
        if new_mapping_id != mapping.id:
            if self._store.thing(ctx.account, ctx.region, "base_path_mapping", new_mapping_id):
                raise ConflictException("Base path already exists for this domain name")
            self._store.delete_thing(mapping)
        return self._keep_mapping(ctx, new_mapping_id, definition)

    async def delete_base_path_mapping(self, ctx: Context, request: Request) -> Result:
        self._store.delete_thing(self._mapping(ctx, request))
        self._changed()
        return {}

    def _mappings_of(self, domain: Thing) -> list[Thing]:
        mappings = self._store.things(domain.account, domain.region, "base_path_mapping")
        return [mapping for mapping in mappings if mapping.definition["domainName"] == domain.id]

    def _mapping(self, ctx: Context, request: Request) -> Thing:
        domain = self._store.thing(ctx.account, ctx.region, "domain_name", request["domainName"])
        if domain is None:
            raise NotFoundException("Invalid domain name identifier specified")
        return find_thing(self._store, ctx, "base_path_mapping", f"{domain.id}/{request['basePath'] or NONE}")

    def _check(self, ctx: Context, definition: Any) -> None:
        base_path = definition["basePath"]
        if base_path != NONE and not re.fullmatch(r"[\w$.+!*'(),-]+", base_path, re.ASCII):
            raise BadRequestException(
                "API Gateway V1 doesn't support the slash character (/) in base path mappings. To create a multi-level "
                "base path mapping, use API Gateway V2."
            )
        api = self._store.api(definition["restApiId"])
        if api is None:
            raise BadRequestException("Invalid REST API identifier specified")
        find_api(self._store, ctx, api.id)
        stage = definition.get("stage")
        if stage and self._store.part(api.id, "stage", stage) is None:
            raise BadRequestException("Invalid stage identifier specified")

    def _keep(self, ctx: Context, name: str, definition: Any) -> Result:
        self._store.put_thing(Thing(ctx.account, ctx.region, "domain_name", name, definition))
        self._changed()
        return _describe(find_thing(self._store, ctx, "domain_name", name))

    def _keep_mapping(self, ctx: Context, mapping_id: str, definition: Any) -> Result:
        mapping = Thing(ctx.account, ctx.region, "base_path_mapping", mapping_id, definition)
        self._store.put_thing(mapping)
        self._changed()
        return _describe_mapping(mapping)


def check_domain_name(name: str) -> None:
    if not re.fullmatch(r"(?:\*\.)?[A-Za-z0-9](?:[A-Za-z0-9.-]{0,250}[A-Za-z0-9])?", name):
        raise BadRequestException("The domain name you provided is invalid: it has letters, digits, hyphens and dots")


def _describe(domain: Thing) -> Result:
    definition = dict(domain.definition)
    zone = definition.pop("zone", "")
    regional = definition["endpointConfiguration"]["types"] == ["REGIONAL"]
    kind = "regional" if regional else "distribution"
    suffix = f"execute-api.{domain.region}.localhost" if regional else "cloudfront.localhost"
    described = {
        **definition,
        "domainName": domain.id,
        "domainNameStatus": "AVAILABLE",
        f"{kind}DomainName": f"d-{zone}.{suffix}",
        f"{kind}HostedZoneId": "Z1UJRXOUMOOFQ8" if regional else "Z2FDTNDATAQYW2",
    }
    if definition.get("certificateName") or definition.get("certificateArn"):
        described["certificateUploadDate"] = when(domain.created_at)
    return described


def _describe_mapping(mapping: Thing) -> Result:
    return {key: value for key, value in mapping.definition.items() if key != "domainName"}


class DomainTable:
    """Which API, stage and path a host and path mean; kept in memory until a domain or mapping changes."""

    def __init__(self, store: RestStore) -> None:
        self._store = store
        self._mappings: dict[str, list[tuple[str, str, str]]] | None = None

    def forget(self) -> None:
        self._mappings = None

    def knows(self, host: str) -> bool:
        return self._rows(host) is not None

    def find(self, host: str, raw_path: str) -> tuple[str, str, str] | None:
        """The API's id, its stage (empty: the path names it) and the rest of the path. The longest base path wins."""
        for base_path, api_id, stage in self._rows(host) or ():
            prefix = f"/{base_path}" if base_path else ""
            if raw_path == prefix or raw_path.startswith(f"{prefix}/"):
                return api_id, stage, raw_path.removeprefix(prefix) or "/"
        return None

    def _rows(self, host: str) -> list[tuple[str, str, str]] | None:
        """None for a host that is no domain name here; `*.example.com` takes what no other name does."""
        table = self._table()
        return table[host] if host in table else table.get(f"*.{host.partition('.')[2]}")

    def _table(self) -> dict[str, list[tuple[str, str, str]]]:
        if self._mappings is None:
            table: dict[str, list[tuple[str, str, str]]] = {
                domain.id.lower(): [] for domain in self._store.things_anywhere("domain_name")
            }
            for mapping in self._store.things_anywhere("base_path_mapping"):
                given = mapping.definition
                base_path = "" if given["basePath"] == NONE else given["basePath"]
                table.setdefault(given["domainName"].lower(), []).append(
                    (base_path, given["restApiId"], given.get("stage", ""))
                )
            for rows in table.values():
                rows.sort(key=lambda row: -len(row[0]))
            self._mappings = table
        return self._mappings

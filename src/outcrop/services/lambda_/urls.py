"""Function URLs: what they are. `surface.py` answers them."""

from __future__ import annotations

import secrets
import string
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from outcrop.services.contract import Context, Request, Result
from outcrop.services.lambda_ import lookup, names
from outcrop.services.lambda_.errors import (
    InvalidParameterValueException,
    ResourceConflictException,
    ResourceNotFoundException,
)
from outcrop.services.lambda_.names import FunctionName
from outcrop.services.lambda_.paging import page
from outcrop.services.lambda_.store import Function, LambdaStore, Timed

NAMES = ("AuthType", "Cors", "InvokeMode")


class Urls:
    def __init__(self, store: LambdaStore) -> None:
        self._store = store

    async def create_function_url_config(self, ctx: Context, request: Request) -> Result:
        name, function = self._target(ctx, request)
        if any(url.qualifier == name.qualifier for url in self._store.urls(function.id)):
            raise ResourceConflictException(
                f"Failed to create function url config for [functionArn = {name.qualified_arn}]. Error message:  "
                "FunctionUrlConfig exists for this Lambda function"
            )
        now = time.time()
        letters = string.ascii_lowercase + string.digits
        url_id = "".join(secrets.choice(letters) for _ in range(32))
        url = Timed(name.qualifier, {"InvokeMode": "BUFFERED", **_chosen(request)}, now, now, url_id)
        self._store.put_url(function.id, url)
        shown = _shown(ctx, name, url)
        del shown["LastModifiedTime"]
        return shown

    async def get_function_url_config(self, ctx: Context, request: Request) -> Result:
        name, function = self._target(ctx, request)
        return _shown(ctx, name, self._find(name, function))

    async def update_function_url_config(self, ctx: Context, request: Request) -> Result:
        name, function = self._target(ctx, request)
        url = self._find(name, function)
        url = replace(url, settings={**url.settings, **_chosen(request)}, modified_at=time.time())
        self._store.put_url(function.id, url)
        return _shown(ctx, name, url)

    async def delete_function_url_config(self, ctx: Context, request: Request) -> Result:
        name, function = self._target(ctx, request)
        self._store.delete_url(self._find(name, function).id)
        return {}

    async def list_function_url_configs(self, ctx: Context, request: Request) -> Result:
        name = names.parse(ctx, request["FunctionName"])
        function = lookup.function(self._store, name)
        shown, marker = page(request, self._store.urls(function.id), lambda url: url.qualifier)
        configs = [_shown(ctx, replace(name, qualifier=url.qualifier), url) for url in shown]
        return {"FunctionUrlConfigs": configs, "NextMarker": marker}

    def _target(self, ctx: Context, request: Request) -> tuple[FunctionName, Function]:
        name = lookup.name(ctx, request)
        function = lookup.target(self._store, name)
        if name.qualifier and not self._store.alias(function.id, name.qualifier):
            raise InvalidParameterValueException("A function URL belongs to a function or to an alias.")
        return name, function

    def _find(self, name: FunctionName, function: Function) -> Timed:
        for url in self._store.urls(function.id):
            if url.qualifier == name.qualifier:
                return url
        raise ResourceNotFoundException("The resource you requested does not exist.")


def _chosen(request: Request) -> dict[str, Any]:
    return {name: request[name] for name in NAMES if request.get(name) is not None}


def _shown(ctx: Context, name: FunctionName, url: Timed) -> dict[str, Any]:
    base = urlsplit(ctx.endpoint)
    host = "localhost" if base.hostname in (None, "127.0.0.1", "::1") else base.hostname
    port = f":{base.port}" if base.port else ""
    return {
        "FunctionUrl": f"{base.scheme}://{url.id}.lambda-url.{name.region}.{host}{port}/",
        "FunctionArn": name.qualified_arn,
        "CreationTime": _iso(url.created_at),
        "LastModifiedTime": _iso(url.modified_at),
        **url.settings,
    }


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")

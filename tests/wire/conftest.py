from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from tests.wire.asgi import connect
from tests.wire.sample import Sample

Clients = Callable[..., Any]


@pytest.fixture
def sample() -> Sample:
    return Sample()


@pytest.fixture
def clients(sample: Sample) -> Iterator[Clients]:
    """`clients("s3", key="test", secret="test", sample=…)`: botocore clients of a gateway in this process."""
    with asyncio.Runner() as runner:

        def make(service: str, key: str = "test", secret: str = "test", **options: Any) -> Any:
            target = options.pop("sample", sample)
            settings = {"retries": {"total_max_attempts": 1}} | options.pop("config", {})
            endpoint = options.pop("endpoint", "http://localhost:4566")
            client = boto3.client(
                service,
                endpoint_url=endpoint,
                region_name="eu-central-1",
                aws_access_key_id=key,
                aws_secret_access_key=secret,
                config=Config(**settings),
                **options,
            )
            connect(client, target.gateway, runner)
            return client

        yield make

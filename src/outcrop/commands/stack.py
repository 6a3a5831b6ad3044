"""The stack that runs on a data directory, for commands that speak to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from outcrop.settings import Settings


def client(settings: Settings, service: str, read_timeout: int | None = None) -> Any:
    """A boto3 client of the running stack. With a `read_timeout`, in seconds, requests are made once only. Raises
    RuntimeError if no stack runs."""
    from outcrop.app import is_held, read_state

    state = read_state(settings.data) if is_held(settings.data) else None
    if state is None:
        raise RuntimeError(f"no stack runs on {settings.data}. Start one with: outcrop up")
    import boto3
    from botocore.config import Config

    patient = Config(read_timeout=read_timeout, retries={"total_max_attempts": 1}) if read_timeout else None
    return boto3.client(
        service,
        endpoint_url=str(state["url"]),
        region_name=settings.region,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=patient,
    )

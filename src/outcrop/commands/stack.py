"""The stack that runs on a data directory, for commands that speak to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from outcrop.settings import Settings


def client(settings: Settings, service: str) -> Any:
    """A boto3 client of the running stack. Raises RuntimeError if none runs."""
    from outcrop.app import is_held, read_state

    state = read_state(settings.data) if is_held(settings.data) else None
    if state is None:
        raise RuntimeError(f"no stack runs on {settings.data}. Start one with: outcrop up")
    import boto3

    return boto3.client(
        service,
        endpoint_url=str(state["url"]),
        region_name=settings.region,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )

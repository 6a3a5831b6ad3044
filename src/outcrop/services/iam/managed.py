"""AWS's own policies, as far as this stack has use for them: data in managed_policies.json.

Names, paths and ARNs are AWS's. Short documents are too; of the long ones (ReadOnlyAccess, SecurityAudit …) only what
concerns the services of this stack is kept, as version 1.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import MappingProxyType

from outcrop.services.iam.store import Policy, PolicyVersion


@dataclass(frozen=True, slots=True)
class Managed:
    policy: Policy
    version: PolicyVersion
    """The default version; AWS shows others too, which nobody needs here."""


@functools.cache
def managed_policies() -> Mapping[str, Managed]:
    """By ARN, in order of their names."""
    table = json.loads(Path(__file__).with_name("managed_policies.json").read_text(encoding="utf-8"))
    found = [_managed(full_name, entry) for full_name, entry in table.items()]
    found.sort(key=lambda managed: managed.policy.name)
    return MappingProxyType({managed.policy.arn: managed for managed in found})


def _managed(full_name: str, entry: dict[str, object]) -> Managed:
    folder, _, name = full_name.rpartition("/")
    digest = base64.b32encode(hashlib.sha256(full_name.encode()).digest()).decode()
    created = datetime.fromisoformat(str(entry["created"])).timestamp()
    updated = datetime.fromisoformat(str(entry.get("updated", entry["created"]))).timestamp()
    number = int(str(entry["version"]))
    policy = Policy(
        id=f"ANPA{digest[:17]}",
        account="aws",
        name=name,
        path=f"/{folder}/" if folder else "/",
        arn=f"arn:aws:iam::aws:policy/{full_name}",
        description=str(entry["description"]),
        created_at=created,
        updated_at=updated,
        default_version=number,
        last_version=number,
    )
    return Managed(policy, PolicyVersion(policy.id, number, json.dumps(entry["document"], indent=4), updated))

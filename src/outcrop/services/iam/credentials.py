"""Who owns a key: the one answer for all who check signatures."""

from __future__ import annotations

import re
import time

from outcrop.services.contract import Credential, Principal
from outcrop.services.iam import names
from outcrop.services.iam.store import AccessKey, IamStore
from outcrop.storage import Database

DEVELOPMENT = "test"
"""The access key id, secret and bearer key that work out of the box, as the root of the default account. An access key
id of twelve digits is the root of that account, with the same secret."""

_ACCOUNT = re.compile(r"[0-9]{12}")


class Credentials:
    def __init__(self, database: Database, account: str) -> None:
        self._store = IamStore(database)
        self._account = account

    def lookup(self, access_key_id: str) -> Credential | None:
        """The credential of an access key id or a bearer key; None if there is none, or if it was switched off.
        Whether a temporary one has run out is for the caller to see."""
        if access_key_id == DEVELOPMENT:
            return _root(access_key_id, self._account)
        if _ACCOUNT.fullmatch(access_key_id):
            return _root(access_key_id, access_key_id)
        if access_key_id.startswith("ABSK"):
            return self._bearer(access_key_id)
        key = self._store.access_key(access_key_id)
        if key is None or not key.active:
            return None
        return Credential(key.id, key.secret, key.account, self._principal(key), key.token, key.expires_at)

    def _principal(self, key: AccessKey) -> Principal:
        owner = self._store.entity_by_id(key.owner) if key.owner else None
        if owner is not None and owner.kind == "user" and not key.arn:
            return Principal(owner.arn, owner.id, key.id, "user")
        if key.arn:
            return Principal(key.arn, key.user_id, key.id, key.kind)
        return Principal(names.root_arn(key.account), key.account, key.id, "root")

    def _bearer(self, secret: str) -> Credential | None:
        found = self._store.service_credential_by_secret(secret)
        user = self._store.entity_by_id(found.owner) if found else None
        if found is None or user is None or not found.active:
            return None
        if found.expires_at is not None and found.expires_at <= time.time():
            return None
        return Credential(secret, secret, found.account, Principal(user.arn, user.id, found.id, "user"))


def _root(access_key_id: str, account: str) -> Credential:
    principal = Principal(names.root_arn(account), account, access_key_id, "root")
    return Credential(access_key_id, DEVELOPMENT, account, principal)

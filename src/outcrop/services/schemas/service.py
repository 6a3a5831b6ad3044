"""EventBridge Schemas: the wiring."""

from __future__ import annotations

from outcrop.services.contract import Deps, Service
from outcrop.services.schemas.errors import SchemasHooks
from outcrop.services.schemas.registries import Registries
from outcrop.services.schemas.schemas import Schemas
from outcrop.services.schemas.store import SchemaStore
from outcrop.services.schemas.tags import Tags


def services(deps: Deps) -> tuple[Service, ...]:
    store = SchemaStore(deps.database("schemas"))
    return (Service("schemas", Registries(store), Schemas(store), Tags(store), hooks=SchemasHooks()),)

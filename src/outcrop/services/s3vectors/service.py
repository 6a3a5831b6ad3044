"""S3 Vectors: the wiring."""

from __future__ import annotations

from outcrop.services.contract import Deps, Service
from outcrop.services.s3vectors.buckets import VectorBucketPolicies, VectorBuckets
from outcrop.services.s3vectors.errors import VectorHooks
from outcrop.services.s3vectors.indexes import VectorIndexes
from outcrop.services.s3vectors.queries import Queries
from outcrop.services.s3vectors.store import VectorStore
from outcrop.services.s3vectors.tables import Tables
from outcrop.services.s3vectors.tags import Tags
from outcrop.services.s3vectors.vectors import Vectors


def services(deps: Deps) -> tuple[Service, ...]:
    store = VectorStore(deps.database("s3vectors"))
    tables = Tables(deps.data / "s3vectors", store, deps.tables)
    return (
        Service(
            "s3vectors",
            VectorBuckets(store),
            VectorBucketPolicies(store),
            VectorIndexes(store, tables),
            Vectors(store, tables),
            Queries(store, tables),
            Tags(store),
            hooks=VectorHooks(),
            on_start=tables.sweep,
            on_stop=tables.aclose,
        ),
    )

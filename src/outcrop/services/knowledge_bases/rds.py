"""Knowledge bases in a table of PostgreSQL, where AWS has Aurora."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from outcrop.services.knowledge_bases.errors import ValidationException

if TYPE_CHECKING:
    from outcrop.engines.indexing.postgres import PostgresIndex


def postgres_index(server: str, storage: Mapping[str, Any], dimensions: int) -> PostgresIndex:
    """The table that a storage configuration names, on the server of the settings. Raises ValidationException if none
    is set: the cluster's and the secret's ARNs lead nowhere on this machine."""
    if not server:
        raise ValidationException(
            "Storage RDS needs a PostgreSQL server with pgvector. Start Outcrop with "
            "OUTCROP_POSTGRES=postgresql://USER:PASSWORD@HOST:PORT, or use storage S3_VECTORS."
        )
    try:
        from outcrop.engines.indexing.postgres import Columns, PostgresIndex
    except ImportError:
        raise ValidationException("Storage RDS needs the PostgreSQL driver: pip install 'outcrop[postgres]'.") from None
    configuration = storage["rdsConfiguration"]
    fields = configuration["fieldMapping"]
    columns = Columns(
        fields["primaryKeyField"],
        fields["vectorField"],
        fields["textField"],
        fields["metadataField"],
        fields.get("customMetadataField", "custom_metadata"),
    )
    url = urlsplit(server)._replace(path="/" + quote(configuration["databaseName"])).geturl()
    return PostgresIndex(url, configuration["tableName"], dimensions, columns)

"""State on disk: `Database` for rows, `Blobs` for large bodies. Knows nothing of what either is for."""

from outcrop.storage.blobs import Blob, Blobs, BlobWriter
from outcrop.storage.database import Database, Row

__all__ = ["Blob", "BlobWriter", "Blobs", "Database", "Row"]

"""From a data source's documents to entries of an index."""

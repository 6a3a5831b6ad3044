"""From a document's file to chunks with vectors: here (`hands.py`), or on the machines of a cluster (`cluster.py`)."""

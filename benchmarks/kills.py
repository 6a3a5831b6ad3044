"""`kill -9` during ingestion, many times:  python -m benchmarks.kills [KILLS] [DOCUMENTS] [SEED]

Prints how many jobs it took; fails if a chunk is doubled or lost.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from tests.journeys.test_durability import ordeal

if __name__ == "__main__":
    kills, documents, seed = (int(given) for given in (*sys.argv[1:], "100", "60", "0")[:3])
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        jobs = ordeal(Path(folder), kills, documents, seed)
    print(f"{kills} kills over {jobs} jobs of {documents} documents in {time.perf_counter() - began:.0f} s: all whole")

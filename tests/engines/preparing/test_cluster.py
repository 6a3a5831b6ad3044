"""A local Ray with the extra installed; skipped without it."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

TEXT = "# Osmosis\n\n" + "Osmosis is the movement of water through a membrane. " * 40

SCRIPT = """
import asyncio, json, sys
from pathlib import Path
from outcrop.engines.chunking.chunk import Strategy
from outcrop.engines.parsing.document import ParseError
from outcrop.engines.inference.models import Models
from outcrop.engines.parsing import Parser
from outcrop.engines.preparing.cluster import Cluster
from outcrop.engines.preparing.hands import Hands, Recipe
from outcrop.settings import Settings

MODEL = "amazon.titan-embed-text-v2:0"

async def main(folder):
    settings = Settings.read(data=folder, ray="local")
    cluster, models, parser = Cluster(settings), Models(settings), Parser()
    await parser.open()
    recipe = Recipe("osmosis.md", Strategy("fixed", 60, 10), prefix="course: bio\\n\\n")
    there = await asyncio.gather(*[cluster.prepare(folder / "osmosis.md", recipe, MODEL) for _ in range(3)])
    here = await Hands(parser, await models.embedder(MODEL)).prepare(folder / "osmosis.md", recipe)
    same = [bool((one.vectors == here.vectors).all()) and list(one.chunks) == list(here.chunks) for one in there]
    try:
        await cluster.prepare(folder / "osmosis.md", Recipe("broken.pdf", Strategy()), MODEL)
        failure = ""
    except ParseError as error:
        failure = str(error)
    print(json.dumps({"same": same, "chunks": len(here.chunks), "failure": failure, "processors": cluster.processors}))
    await cluster.aclose()
    await parser.aclose()
    await models.aclose()

asyncio.run(main(Path(sys.argv[1])))
"""


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="the extra `ray` isn't installed")
def test_a_cluster_prepares_what_this_process_would(tmp_path: Path):
    (tmp_path / "osmosis.md").write_text(TEXT)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, tmp_path], capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    answer = json.loads(done.stdout.splitlines()[-1])
    assert answer["same"] == [True] * 3
    assert answer["chunks"] > 5
    assert "PDF" in answer["failure"]
    assert answer["processors"] >= 1

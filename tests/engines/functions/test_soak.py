"""Functions that misbehave in every way at once: the others stay quick, and everything returns to rest."""

import asyncio
import json
import os
import time
from pathlib import Path

from tests.engines.functions.conftest import alive, until

BAD = {
    "crash": "import os\ndef handler(event, context):\n    os._exit(3)",
    "abort": "import os\ndef handler(event, context):\n    os.abort()",
    "raise": "def handler(event, context):\n    raise ValueError('x' * 100_000)",
    "leak": "held = []\ndef handler(event, context):\n    held.append(bytearray(150 << 20))",
    "hang": "import time\ndef handler(event, context):\n    time.sleep(60)",
    "busy": "def handler(event, context):\n    while True: pass",
    "noise": "def handler(event, context):\n    for _ in range(2000): print('y' * 500)",
    "huge": "def handler(event, context):\n    return 'z' * (7 << 20)",
    "orphans": (
        "import os, time\ndef handler(event, context):\n"
        "    for _ in range(5):\n        if os.fork() == 0:\n            os.setsid()\n            time.sleep(60)\n"
        "    os._exit(0)"
    ),
    "files": "import os\ndef handler(event, context):\n    held = [os.open('/dev/null', 0) for _ in range(2000)]",
    "hangup": (
        "import http.client, os, socket\ndef handler(event, context):\n"
        "    for _ in range(20):\n        socket.create_connection(os.environ['AWS_LAMBDA_RUNTIME_API'].split(':'))"
    ),
    "babble": (
        "import os, socket\ndef handler(event, context):\n"
        "    with socket.create_connection(os.environ['AWS_LAMBDA_RUNTIME_API'].split(':')) as connection:\n"
        "        connection.sendall(b'\\xff' * 100_000)"
    ),
}
GOOD = "import os\ndef handler(event, context):\n    return [event, os.getpid()]"


async def test_misbehaving_functions_leave_the_others_and_the_machine_alone(functions):
    quick: list[float] = []
    pids: set[int] = set()
    done = asyncio.Event()

    async def good():
        number = 0
        while not done.is_set():
            number += 1
            began = time.perf_counter()
            answer, pid = json.loads((await functions(number, GOOD)).payload)
            quick.append(time.perf_counter() - began)
            pids.add(pid)
            assert answer == number
            await asyncio.sleep(0.01)

    async def bad(name):
        statuses = [(await functions(None, BAD[name], timeout_s=1.0)).status for _ in range(3)]
        assert set(statuses) <= {"success", "error", "timeout"}
        return name, statuses

    steady = asyncio.create_task(good())
    descriptors = len(os.listdir("/proc/self/fd"))
    results = dict(await asyncio.gather(*map(bad, BAD)))
    done.set()
    await steady
    assert len(pids) == 1, "the good function lost its environment"
    assert sorted(quick)[len(quick) // 2] < 1.0
    assert results["hang"] == results["busy"] == ["timeout"] * 3
    assert results["noise"] == results["hangup"] == ["success"] * 3
    assert {results[name][0] for name in ("crash", "abort", "raise", "huge", "orphans", "files")} == {"error"}
    assert "error" in results["leak"]
    for code in (*BAD.values(), GOOD):
        for spec in [spec for spec in functions.specs.values() if code in spec.key]:
            functions.host.retire(spec.key)
    await until(lambda: functions.host.environments == 0, 20)
    await until(lambda: not any(map(alive, pids)), 20)
    await until(lambda: not leftovers(functions), 20)
    await until(lambda: len(os.listdir("/proc/self/fd")) <= descriptors + 2, 20)


def leftovers(functions):
    """Processes that still work in the folder of one of the functions."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if str(functions.directory).encode() in path.read_bytes():
                found.append(path.parent.name)
        except OSError:
            continue
    return found

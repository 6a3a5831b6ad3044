"""`make demo`: start a stack of its own, render the course's PDFs, and run the walkthrough against it."""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from outcrop.testing import StackProcess

ROOT = Path(__file__).parent.parent


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pdfs", type=Path, help="your own folder of documents instead of the course")
    parser.add_argument("--llm", action="append", default=[], help="as `outcrop up --llm`")
    parser.add_argument("questions", nargs="*")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))

    print("Outcrop: the AWS generative-AI stack on this machine.\n")
    subprocess.run([sys.executable, "-m", "outcrop", "models", "pull", "all-MiniLM-L6-v2"], check=True)
    folder = options.pdfs
    if folder is None:
        folder = ROOT / "build" / "course"
        subprocess.run([sys.executable, ROOT / "tools" / "build_course.py", folder], check=True)

    with tempfile.TemporaryDirectory(prefix="outcrop-demo-") as data:
        with StackProcess(Path(data), *(f"--llm={llm}" for llm in options.llm)) as stack:
            print(f"A stack runs at {stack.url} for this demo.")
            environment = {**os.environ, **stack.environment}
            command = [sys.executable, ROOT / "examples" / "walkthrough.py", folder, *options.questions]
            status = subprocess.run(command, env=environment).returncode
        print("\nThe demo's stack has stopped. Start your own with:  .venv/bin/outcrop up")
    return status


if __name__ == "__main__":
    sys.exit(main())

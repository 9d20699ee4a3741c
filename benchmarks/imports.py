"""Seconds that `import tunesmith` and `tunesmith --help` take beside an empty Python, in turn.

python benchmarks/imports.py [--rounds 15]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "import tunesmith": ["-c", "import tunesmith"],
    "tunesmith --help": ["-m", "tunesmith", "--help"],
}


def seconds(arguments: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=15)
    asked = parser.parse_args()
    rounds = [{name: seconds(a) for name, a in COMMANDS.items()} for _ in range(asked.rounds)]
    for name in COMMANDS:
        print(f"{name}: {statistics.median(r[name] for r in rounds):.3f} s")


if __name__ == "__main__":
    main()

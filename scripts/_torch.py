"""Which torch this project wants, and whether the one that pip would take brings CUDA.

`wanted` prints the requirement; `without-cuda` reads the report of `pip install --dry-run` from
standard input and exits 0 where the torch in it needs no CUDA package.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from pathlib import Path

from pip._vendor.packaging.requirements import Requirement


def wanted() -> str:
    """The torch requirement of pyproject.toml."""
    text = (Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8")
    extra = tomllib.loads(text)["project"]["optional-dependencies"]["text"]
    return str(next(line for line in extra if Requirement(line).name == "torch"))


def needs_cuda(metadata: dict[str, object]) -> bool:
    """Whether a package with this metadata would bring CUDA packages onto this machine."""
    lines = metadata.get("requires_dist", [])
    needs = [Requirement(str(line)) for line in lines if isinstance(lines, list)]
    here = [n.name for n in needs if n.marker is None or n.marker.evaluate({"extra": ""})]
    return any(re.match(r"nvidia|cuda|triton", name) for name in here)


def main() -> int:
    if sys.argv[1:] == ["wanted"]:
        sys.stdout.write(wanted() + "\n")
        return 0
    try:
        report = json.load(sys.stdin)
    except ValueError:
        return 1
    return int(any(needs_cuda(item["metadata"]) for item in report["install"]))


if __name__ == "__main__":
    sys.exit(main())

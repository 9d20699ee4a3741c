"""Does a run that is killed at random moments end as if nothing had been? Fits with a budget of
trials, killed with SIGKILL at moments drawn evenly over the undisturbed run's length, each resumed
by the command line; the scores of all trials and the bytes of the saved weights are compared.

    python benchmarks/kill.py [--kills 50] [--rows 600] [--trials 9] [--checkpoint NAME]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from tunesmith.data.demo import clothing_reviews

COMMAND = [sys.executable, "-m", "tunesmith"]


def start(arguments: list[str], store: Path) -> subprocess.Popen:
    return subprocess.Popen(
        [*COMMAND, *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, "TUNESMITH_STORE": str(store)},
    )


def fingerprint(run: Path) -> tuple[list, dict[str, str]]:
    board = json.loads((run / "leaderboard.json").read_text())
    scores = [(row["trial"], row["learner"], row["score"], row["config"]) for row in board]
    weights = {
        str(file.relative_to(run)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted((run / "best").rglob("*.safetensors"))
    }
    return scores, weights


def recomputed(run: Path) -> int:
    """Trials that were recorded when the run was killed and were run again all the same."""
    kept: set[int] = set()
    again, resumed = 0, False
    for line in (run / "journal.jsonl").read_text().splitlines():
        event = json.loads(line)
        resumed |= event["event"] == "resumed"
        if event["event"] == "resumed":
            kept = set(range(1, event["trials"] + 1))
        if resumed and event["event"] == "trial" and event["trial"] in kept:
            again += 1
    return again


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--rows", type=int, default=600)
    parser.add_argument("--trials", type=int, default=9)
    parser.add_argument("--checkpoint", default="paraphrase-MiniLM-L3-v2")
    asked = parser.parse_args()
    dice = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as made:
        place = Path(made)
        table, _ = clothing_reviews(rows=asked.rows)
        table.to_csv(place / "table.csv", index=False)
        fit = ["fit", str(place / "table.csv"), "--target", "recommended", "--quiet"]
        fit += ["--trials", str(asked.trials), "--offline", "--kind", "text=text"]
        for learner in ("probe", "neural"):
            fit += ["--set", f"{learner}.backbone={asked.checkpoint}"]
            fit += ["--set", f"{learner}.max_length=64"]
        began = time.perf_counter()
        whole = start([*fit, "--folder", str(place / "whole")], place / "store-whole")
        assert whole.wait() == 0, whole.stderr.read().decode()
        length = time.perf_counter() - began
        truth = fingerprint(place / "whole")
        print(f"undisturbed: {length:.1f} s, {len(truth[0])} trials", flush=True)
        same, before, again, resume_seconds = 0, 0, 0, []
        for number in range(asked.kills):
            run, store = place / f"run-{number}", place / f"store-{number}"
            moment = float(dice.uniform(0.3, length))
            process = start([*fit, "--folder", str(run)], store)
            time.sleep(moment)
            process.send_signal(signal.SIGKILL)
            process.wait()
            if not (run / "request.json").exists():
                before += 1  # nothing had begun: the same command begins again
                continue
            began = time.perf_counter()
            resumed = start(["resume", str(run), "--quiet"], store)
            status, told = resumed.wait(), resumed.stderr.read().decode()
            resume_seconds.append(time.perf_counter() - began)
            is_end = "come to its end" in told
            is_same = (status == 0 or is_end) and fingerprint(run) == truth
            same += is_same
            again += recomputed(run)
            if not is_same:
                print(
                    f"killed at {moment:.2f} s: {told.strip()[-300:] or 'another end'}", flush=True
                )
        print(f"killed: {asked.kills}; before anything was written: {before}")
        print(f"same scores and bytes: {same} of {asked.kills - before}")
        print(f"recorded trials that were run again: {again}")
        print(f"resumed within {np.median(resume_seconds):.1f} s in the median")


if __name__ == "__main__":
    main()

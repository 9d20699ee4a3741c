"""What trials side by side are worth: a fixed list of full fine-tunings of MiniLM-L6 on the demo's
reviews, through the runner `processes`, with one process and with two, in turn. Each computes with
one thread, and nothing is stored, so that every trial is the same work wherever it runs.

    python benchmarks/parallel.py [--rows 300] [--trials 6] [--repeats 3]

Told are the seconds of the whole list, the start of the processes counted, and their ratio; and the
ratio of trials a second once all processes are at work.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

os.environ["TUNESMITH_THREADS"] = "1"
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from _reviews import CARD

from tunesmith.core.records import Problem, Trial
from tunesmith.core.runfolder import RunFolder
from tunesmith.core.space import default, to_dict
from tunesmith.data.demo import clothing_reviews
from tunesmith.data.read import read
from tunesmith.learners import learners
from tunesmith.pipeline.frame import frame
from tunesmith.pipeline.trial import Fitting, Job
from tunesmith.run import runners

PINS = {"backbone": CARD, "depth": 1.0, "epochs": 1, "patience": 0, "batch_size": 16}


def timed(problem: Problem, trials: int, processes: int, folder: Path) -> tuple[float, float, list]:
    """Seconds of the list; seconds a trial from the first result on; and the scores."""
    config = to_dict(default(learners["neural"].config, PINS))
    work = Fitting(problem, RunFolder.create(folder), 0, True, stopper="none", cache=False)

    def jobs() -> Iterator[Job]:
        for number in range(1, trials + 1):
            yield Job(Trial(number, "neural", config, "in a list", seed=number))

    began, ends, scores = time.perf_counter(), [], []
    for result in runners["processes"].run(jobs(), work, lambda kind, told: None, processes):
        assert result.score is not None, result.reason
        ends.append(time.perf_counter() - began)
        scores.append((result.trial.number, result.score.value))
    each = (ends[-1] - ends[0]) / (trials - processes if processes < trials else 1)
    return ends[-1], each, sorted(scores)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=300)
    parser.add_argument("--trials", type=int, default=6)
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    table, _ = clothing_reviews(rows=asked.rows)
    problem = frame(read(table[["text", "recommended"]]), "recommended", seed=0)
    ratios, rates = [], []
    with tempfile.TemporaryDirectory() as made:
        for repeat in range(asked.repeats):
            found = {
                count: timed(problem, asked.trials, count, Path(made) / f"{repeat}-{count}")
                for count in ((1, 2) if repeat % 2 == 0 else (2, 1))
            }
            assert found[1][2] == found[2][2], "the scores are not the same"
            ratios.append(found[1][0] / found[2][0])
            rates.append(found[1][1] / found[2][1])
            print(
                f"one process {found[1][0]:.1f} s, two {found[2][0]:.1f} s: {ratios[-1]:.2f} times "
                f"as fast; once at work {rates[-1]:.2f}; scores the same",
                flush=True,
            )
    print(
        f"median: {statistics.median(ratios):.2f} with the start of the processes, "
        f"{statistics.median(rates):.2f} without"
    )


if __name__ == "__main__":
    main()

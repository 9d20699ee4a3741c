"""What a search of ten thousand trials costs the process that proposes them, and whether it keeps a
thousand workers busy: the path of `tune`, with its run folder, journal and trials, over simulated
workers.

    python benchmarks/simulated.py [--trials 10000] [--workers 1000] [--search auto tpe]
        [--stopper median asha] [--failing 0 0.1] [--seconds 1200] [--read]

A trial is real but for its learning: the learner knows its loss, its learning curve and what it
costs, a lognormal with a median of 100 s, and lets a virtual clock pass. That clock also goes on by
the real time that the process of the search takes to propose, to note results and to write them
down, for which workers wait; only what a worker does itself costs no real time. Busy are seconds of
work within seconds of all workers, from the first proposal to the last.
"""

from __future__ import annotations

import argparse
import contextlib
import heapq
import io
import itertools
import json
import math
import os
import resource
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

if __name__ == "__main__":  # a test imports this too, and its threads are its own
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from tunesmith.core.clock import UNLIMITED, Clock
from tunesmith.core.contracts import Fitted, Learner, Runner, Tell, Watch, Work
from tunesmith.core.errors import BudgetError
from tunesmith.core.events import Journal, read_journal
from tunesmith.core.predictions import Values
from tunesmith.core.records import Candidate, Column, Dataset, Problem, Result
from tunesmith.core.runfolder import RunFolder, read_json, write_json
from tunesmith.core.seeds import generator
from tunesmith.core.space import Choice, Int, Linear, Log, config, default, to_dict
from tunesmith.learners import learners
from tunesmith.pipeline import trial
from tunesmith.pipeline.finish import finish, save_best
from tunesmith.pipeline.recorded import NOTHING, Recorded, past
from tunesmith.pipeline.run import Run
from tunesmith.pipeline.trial import Job
from tunesmith.pipeline.tune import tune
from tunesmith.run import runners

NAME = "simulated"
ROWS = 60
MEDIAN_SECONDS = 100.0
SPREAD = 0.5
"""Of the logarithm of what trials cost, beside what their width does to it."""
REPORTS = 9
RESAMPLES = 20
"""Of a score, for its interval: a worker's time, which is not looked at here."""


@config
class Momentum:
    """A branch with a dimension of its own."""

    momentum: Annotated[float, Linear(0.0, 0.99)] = 0.9


@config
class Adaptive:
    """Another."""

    beta: Annotated[float, Log(0.001, 0.2)] = 0.05


@config
class SimulatedConfig:
    """A space as of fine-tuning: numbers, choices and a branch."""

    lr: Annotated[float, Log(1e-5, 1e-1)] = 1e-4
    depth: Annotated[float, Choice(0.0, 0.25, 0.5, 0.75, 1.0)] = 0.25
    width: Annotated[int, Int(16, 1024, log=True)] = 128
    dropout: Annotated[float, Linear(0.0, 0.6)] = 0.1
    schedule: Annotated[str, Choice("cosine", "linear", "constant")] = "cosine"
    optimizer: Momentum | Adaptive = Momentum()


def loss(config: SimulatedConfig, dice: np.random.Generator) -> float:
    """What a trial comes to in the end, at best 0.1."""
    off = (math.log10(config.lr) + 2.7) ** 2 / 4 + (config.dropout - 0.2) ** 2
    off += (math.log2(config.width / 300) / 8) ** 2 + (config.depth - 0.75) ** 2
    off += {"cosine": 0.0, "linear": 0.02, "constant": 0.1}[config.schedule]
    branch = config.optimizer
    if isinstance(branch, Momentum):
        off += 0.05 + (branch.momentum - 0.8) ** 2
    else:
        off += (math.log10(branch.beta) + 1.5) ** 2 / 10
    return 0.1 + 0.9 * (1 - math.exp(-off)) + 0.005 * abs(float(dice.normal()))


@dataclass
class Time:
    """A clock that goes on by real seconds, where these count, and that can be set ahead; or runs
    apart, for one worker."""

    counts_real: bool = True
    ahead: float = 0.0
    apart_seconds: float | None = None

    def __call__(self) -> float:
        if self.apart_seconds is not None:
            return self.apart_seconds
        return self.ahead + (time.perf_counter() if self.counts_real else 0.0)

    def wait_until(self, seconds: float) -> None:
        self.ahead += max(0.0, seconds - self())

    def spend(self, seconds: float) -> None:
        """What a worker takes, by its own clock."""
        assert self.apart_seconds is not None
        self.apart_seconds += seconds

    @contextlib.contextmanager
    def apart(self) -> Iterator[None]:
        """A worker's own time, from now on; nobody else's passes."""
        self.apart_seconds, began = self(), time.perf_counter()
        try:
            yield
        finally:
            self.apart_seconds = None
            self.ahead -= time.perf_counter() - began if self.counts_real else 0.0


@dataclass(frozen=True)
class Known(Fitted):
    """A model whose error is known: off by as much in every row."""

    off: float

    def predict(self, data: Dataset) -> Values:
        return Values(data.values("x") + self.off)

    def save(self, folder: Path) -> None:
        write_json(folder / "model.json", {"off": self.off})


@dataclass
class Simulated(Learner[SimulatedConfig]):
    """Falls towards its loss as a training does. `failing` is the share of trials that fail
    somewhere on their way, half of them as an error, half with their worker."""

    failing: float = 0.0
    config = SimulatedConfig
    can_go_on = True

    def suits(self, problem: Problem) -> str:
        return ""

    def fit(self, problem: Problem, config: SimulatedConfig, seed: int, watch: Watch) -> Known:
        dice = generator(seed, "simulated")
        final, cost = loss(config, dice), seconds_of(config, dice)
        fails_at = dice.random() if dice.random() < self.failing else UNLIMITED
        done = self._done(watch.checkpoint)
        if (1 - done / REPORTS) * cost > watch.clock.left():
            raise BudgetError(f"it takes {cost:.0f} s, {watch.clock.left():.0f} s are left")
        now, at = watch.clock.now, final
        for step in range(done + 1, REPORTS + 1):
            share = step / REPORTS
            now.spend(cost / REPORTS)  # type: ignore[attr-defined]
            if share > fails_at:
                raise ConnectionError if step % 2 else RuntimeError("it diverged")
            at = final + (1.2 - final) * math.exp(-5 * share)
            if not watch.report(-at, share):
                self._keep(watch.checkpoint, step)
                break
        return Known(at)

    def _keep(self, checkpoint: Path | None, step: int) -> None:
        assert checkpoint is not None
        checkpoint.mkdir(parents=True, exist_ok=True)
        write_json(checkpoint / "state.json", {"done": step})

    def _done(self, checkpoint: Path | None) -> int:
        file = checkpoint / "state.json" if checkpoint else None
        return int(read_json(file)["done"]) if file and file.is_file() else 0

    def load(self, folder: Path) -> Known:
        return Known(float(read_json(folder / "model.json")["off"]))


def seconds_of(config: SimulatedConfig, dice: np.random.Generator) -> float:
    """What a trial costs: more where the network is wide."""
    return MEDIAN_SECONDS * (config.width / 128) ** 0.2 * math.exp(SPREAD * dice.normal())


@dataclass
class Places(Runner):
    """Workers on a virtual clock. What was measured of them stays here."""

    time: Time
    count: int
    proposals: list[float] = field(default_factory=list)
    """Real seconds until each job was there."""
    notings: list[float] = field(default_factory=list)
    """Real seconds that each result took to be taken in and written down."""
    asked: int = 0
    jobs: list[Job] = field(default_factory=list)
    spans: list[tuple[float, float]] = field(default_factory=list)
    """When each of them began and ended."""
    under_way: dict[int, Job] = field(default_factory=dict)
    most_under_way: int = 0

    def run(
        self, jobs: Iterator[Job | None], work: Work[Job, Result], tell: Tell, places: int
    ) -> Iterator[Result]:
        news: list[tuple[float, int, Any, Any]] = []
        order, has_more, waits = itertools.count(), True, False
        while True:
            while has_more and not waits and len(self.under_way) < places:
                began = time.perf_counter()
                job = next(jobs, False)
                took = time.perf_counter() - began
                self.asked += 1
                has_more, waits = job is not False, job is None
                if isinstance(job, Job):
                    self.proposals.append(took)
                    self._begin(job, work, news, order)
            if not news:
                return
            at, _, kind, told = heapq.heappop(news)
            self.time.wait_until(at)
            if kind is not None:
                tell(kind, told)
                continue
            del self.under_way[told.trial.number]
            began, waits = time.perf_counter(), False
            yield told
            self.notings.append(time.perf_counter() - began)

    def _begin(self, job: Job, work: Work[Job, Result], news: list[Any], order: Any) -> None:
        """What will be heard of a job: all of it is known at its beginning, as is what it is told
        of others."""
        self.under_way[job.trial.number] = job
        self.jobs.append(job)
        self.most_under_way = max(self.most_under_way, len(self.under_way))
        start = self.time()
        with self.time.apart():
            result = work.do(
                job, lambda kind, f: heapq.heappush(news, (self.time(), next(order), kind, f))
            )
            end = self.time()
            if "ConnectionError" in result.reason:
                result = work.lost(job, "its worker was lost", end - start)
        heapq.heappush(news, (end, next(order), None, result))
        self.spans.append((start, end))

    def busy(self) -> float:
        """The share of the workers' time that was work, from the first job to the last."""
        first, last = self.spans[0][0], max(start for start, _ in self.spans)
        work = sum(min(end, last) - start for start, end in self.spans)
        return work / (self.count * max(last - first, 1e-9))


def problem_of(seed: int) -> Problem:
    """A target that is its input."""
    x = generator(seed, "rows").normal(size=ROWS)
    columns = tuple(Column(name, "number", "made") for name in ("x", "y"))
    data = Dataset("simulated", columns, {"x": x, "y": x}, np.arange(1, ROWS + 1))
    third = np.arange(ROWS).reshape(3, -1)
    parts: Any = dict(zip(("train", "valid", "test"), third, strict=True))
    told = dict.fromkeys(("task", "metric", "split", "inputs"), "made")
    return Problem(data, "regression", "y", ("x",), (), "rmse", parts, seed, told)


def run_of(folder: Path, now: Time, seed: int, *, workers: int, trials: int, seconds: float) -> Run:
    place = RunFolder.open(folder) if (folder / "run.json").exists() else RunFolder.create(folder)
    clock = Clock(seconds, now)
    journal = Journal(place.journal, clock)
    most = trials if seconds == UNLIMITED else None
    return Run(place, journal, clock, seed, True, most, workers, runner=NAME)


def searched(
    run: Run,
    search: str,
    stopper: str,
    *,
    failing: float = 0.0,
    recorded: Recorded = NOTHING,
    pins: Mapping[str, Any] | None = None,
) -> tuple[tuple[Result, ...], Places]:
    """A whole search over simulated workers."""
    assert isinstance(run.clock.now, Time)
    assert run.workers is not None
    problem, places = problem_of(run.seed), Places(run.clock.now, run.workers)
    with standing(places, Simulated(failing)):
        first = to_dict(default(SimulatedConfig, pins))
        results, _ = tune(
            run,
            problem,
            [Candidate(NAME, first, "the default")],
            pins={NAME: pins or {}},
            better=lambda found: save_best(run, problem, found),
            search=search,
            stopper=stopper,
            recorded=recorded,
        )
    return results, places


@contextlib.contextmanager
def standing(places: Places, learner: Simulated) -> Iterator[None]:
    """On their shelves for as long."""
    runners.put(NAME, places)
    learners.put(NAME, learner)
    resamples, trial.TRIAL_RESAMPLES = trial.TRIAL_RESAMPLES, RESAMPLES
    try:
        yield
    finally:
        trial.TRIAL_RESAMPLES = resamples
        del runners._plugins[NAME], learners._plugins[NAME]


@contextlib.contextmanager
def timed(told: dict[str, float], name: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    told[name] = round(time.perf_counter() - began, 2)


def read_back(run: Run, search: str, stopper: str, results: tuple[Result, ...]) -> dict[str, Any]:
    """Seconds that each reader of a run takes, the end of a fit, and going on with it."""
    from tunesmith.cli.progress import line
    from tunesmith.report.history import history, runs
    from tunesmith.report.plots import plot

    folder, told = run.folder.path, dict[str, Any]()
    problem = problem_of(run.seed)
    with standing(Places(run.clock.now, 1), Simulated()), timed(told, "finish"):
        finish(run, problem, results, may_refit=True)
    with timed(told, "journal"):
        events = list(read_journal(run.folder.journal))
    kinds = [event.kind for event in events]
    assert kinds.count("result") >= len(results)
    told["journal_events"] = len(events)
    told["journal_mb"] = round(run.folder.journal.stat().st_size / 1e6, 1)
    with timed(told, "watch"):
        print(*(line(event.kind, event.facts) for event in events), file=io.StringIO())
    with timed(told, "runs"):
        assert len(runs(folder)[0].courses) == len(results)
    with timed(told, "leaderboard"):
        assert len(read_json(folder / "summary.json")["leaderboard"]) == len(results)
    with timed(told, "plot"):
        plot(history(folder), folder / "plot.png")
    with timed(told, "past"):
        recorded = past(run.folder, problem)
    assert recorded.count == len(results)
    again = Run(
        run.folder,
        run.journal,
        run.clock,
        run.seed,
        True,
        len(results) + 100,
        run.workers,
        runner=NAME,
    )
    with timed(told, "resume with 100 more"):
        more, places = searched(again, search, stopper, recorded=recorded)
    assert len(places.proposals) >= 100
    told["resumed_trials"] = len(more)
    return told


def measured(asked: argparse.Namespace, search: str, stopper: str, failing: float) -> None:
    folder = Path(tempfile.mkdtemp(dir=asked.folder)) / "run"
    now = Time()
    seconds = asked.seconds or UNLIMITED
    run = run_of(
        folder, now, asked.seed, workers=asked.workers, trials=asked.trials, seconds=seconds
    )
    began, used = time.perf_counter(), time.process_time()
    results, places = searched(run, search, stopper, failing=failing)
    took = time.perf_counter() - began
    each, note = 1000 * np.array(places.proposals), 1000 * np.array(places.notings)
    status = [result.status for result in results]
    scores = [result.score.value for result in results if result.score is not None]
    print(
        f"{search}, {stopper}, {failing:.0%} failing"
        f"{f', {seconds:.0f} s' if asked.seconds else ''}: {len(results)} trials "
        f"({', '.join(f'{status.count(s)} {s}' for s in ('done', 'stopped', 'failed'))}), "
        f"best {min(scores):.4f}; a proposal {np.median(each):.2f} ms (95 %: "
        f"{np.quantile(each, 0.95):.1f}, mean {each.mean():.1f}, most {each.max():.0f}), a result "
        f"{np.median(note):.1f} ms (95 %: {np.quantile(note, 0.95):.1f}, most {note.max():.0f}); "
        f"busy {places.busy():.1%} of {asked.workers} (most {places.most_under_way}); "
        f"{now() - run.clock.start:.0f} virtual seconds, {took:.0f} real ones, "
        f"{time.process_time() - used:.0f} of the processor, "
        f"memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB",
        flush=True,
    )
    if asked.read:
        print(json.dumps(read_back(run, search, stopper, results)), flush=True)
    shutil.rmtree(folder.parent)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, help="A deadline, in place of trials.")
    parser.add_argument("--search", nargs="*", default=["auto"])
    parser.add_argument("--stopper", nargs="*", default=["median"])
    parser.add_argument("--failing", nargs="*", type=float, default=[0.0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="Where run folders are made.")
    parser.add_argument("--read", action="store_true", help="Time the readers and going on too.")
    asked = parser.parse_args()
    for search, stopper, failing in itertools.product(asked.search, asked.stopper, asked.failing):
        measured(asked, search, stopper, failing)


if __name__ == "__main__":
    main()

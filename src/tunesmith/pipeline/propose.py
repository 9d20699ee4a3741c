"""Which trial comes next: the candidates in their order, then a search by turns."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tunesmith import zoo
from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Study
from tunesmith.core.dimensions import dimensions
from tunesmith.core.errors import ConfigError, TunesmithError, WeightsError
from tunesmith.core.records import Candidate, Problem, Result, Trial
from tunesmith.core.runfolder import write_json
from tunesmith.core.seeds import derive
from tunesmith.core.space import Choice, from_dict, leaves, sample, to_dict
from tunesmith.learners import learners
from tunesmith.nn.shards import active
from tunesmith.pipeline.plan import Pins, fixed, spelled
from tunesmith.pipeline.recorded import NOTHING, Recorded
from tunesmith.pipeline.run import Run
from tunesmith.pipeline.scouting import Scouting, cards_here, scout_problem
from tunesmith.pipeline.standing import (
    again_seconds,
    best_backbone,
    rank,
    signed,
    spare_seconds,
)
from tunesmith.scout.scout import work
from tunesmith.search import named
from tunesmith.zoo.backbones import backbone, release

ROTATION = ("neural", "linear", "neural", "probe")
PATIENCE_TRIALS = 8
MOST_DRAWS = 30
MOST_FAILURES = 2
"""One after another, of one learner; the search then leaves it alone."""
SHORTEST_SECONDS = 6.0
LEAST_SHARE = 0.5
WHOLE_SHARE = 1.2
"""Of what a learner's trials have cost so far, the time that must be left for one more."""
LEAST_TRIAL_SECONDS = 1.0
FETCH_SHARE = 0.4
SCOUT_SHARE = 0.22
FIRST_SCOUT_SECONDS = 10.0
LATER_SCOUT_SHARE = 0.05
"""What the scout may take of the time left, first and of what goes beyond."""
LEAST_SCOUT_SECONDS = 2.0
READ_SHARE = 0.55
FIRST_READ_SECONDS = 30.0
LATER_READ_SHARE = 0.25
"""Of the time left, what the frozen features of all rows may take: more than half where it is short
and nothing else will fit, a quarter and half a minute where there is time to fine-tune as well."""
FEW_SECONDS = 20.0
"""With so much time left a checkpoint is opened though it cannot read every row."""


class Proposals:
    """Trials, one at a time, each drawn when the one before has ended. `results` is the history,
    which the caller appends to."""

    def __init__(
        self,
        run: Run,
        problem: Problem,
        candidates: Sequence[Candidate],
        pins: Pins,
        results: Sequence[Result],
        search: str | Sequence[str],
        recorded: Recorded = NOTHING,
    ) -> None:
        self._run = run
        self._problem = problem
        self._candidates = candidates
        self._pins = pins
        self._results = results
        self._search = search
        self._recorded = recorded
        self._studies: dict[str, Study] = {}
        self._asked: dict[int, tuple[Study, int]] = {}
        self._missing: set[str] = set()
        self._number = 0
        self._scouting: Scouting | None = None
        self._has_scouted = False
        self._picked: dict[str, str] = {}
        self._read_seconds = 0.0
        self._held = _held()

    def __iter__(self) -> Iterator[Trial]:
        if self._run.clock.has_deadline():
            yield from self._before()
        for place, candidate in enumerate(self._candidates):
            if self._number and self._is_spent() and place not in self._recorded.decisions:
                return  # one model there is always time for
            ready = self._decided(place, candidate)
            if ready is not None and not self._was_run(ready):
                yield self._trial(ready.learner, ready.config, ready.reason)
        yield from self._searched()

    def _decided(self, place: int, candidate: Candidate) -> Candidate | None:
        """The candidate as it is to be tried, None where it is left out. What was decided before
        holds; but who was left out under a deadline may fit into the time there is now."""
        before = self._recorded.decisions.get(place)
        if before is not None:
            self._picked.setdefault(before.learner, str(before.config.get("backbone", "")))
            return before
        if place in self._recorded.decisions and not self._run.clock.has_deadline():
            return None
        ready = self._with_weights(self._on_best_backbone(self._scouted(candidate)))
        if ready is not None and not self._fits(ready):
            ready = None
        self._run.journal.write(
            "candidate", place=place, decided=None if ready is None else vars(ready)
        )
        return ready

    def _before(self) -> Iterator[Trial]:
        """The trials that are recorded, and the one that was under way: under a deadline what was
        proposed when cannot be gone through again, so that all are told to the searches as others'
        are."""
        for trial in self._recorded.trials:
            self._number = max(self._number, trial.number)
            yield trial

    def _was_run(self, candidate: Candidate) -> bool:
        """Whether `_before` had this one."""
        if not self._run.clock.has_deadline():
            return False
        wanted = (candidate.learner, dict(candidate.config))
        return any((trial.learner, dict(trial.config)) == wanted for trial in self._recorded.trials)

    def tell(self, result: Result) -> None:
        """How a trial ended."""
        asked = self._asked.pop(result.trial.number, None)
        if asked is not None:
            study, proposal = asked
            scores = (signed(self._problem, result),) if result.score is not None else None
            study.tell(proposal, scores)

    def _searched(self) -> Iterator[Trial]:
        """Take turns among the learners, until none of them has a proposal that fits."""
        may = {c.learner for c in self._candidates if self._space(c.learner)}
        turns = [name for name in ROTATION if name in may] + sorted(may - set(ROTATION))
        turn, passed = 0, 0
        while turns and passed < len(turns) and not self._is_spent():
            name = turns[turn % len(turns)]
            turn += 1
            drawn = self._draw(name) if self._may_search(name) else None
            if drawn is None:
                passed += 1
                continue
            passed = 0
            self._asked[self._number + 1] = drawn[:2]
            yield self._trial(name, to_dict(drawn[2]), f"proposed by {spelled(self._search)}")
        if not self._is_spent():
            self._run.note("the search has ended: nothing new is likely to help in the time left")

    def _is_spent(self) -> bool:
        if self._run.most_trials is not None and self._number >= self._run.most_trials:
            return True
        return self._spare() < LEAST_TRIAL_SECONDS

    def _spare(self) -> float:
        return spare_seconds(self._run, self._problem, self._results)

    def _fits(self, candidate: Candidate) -> bool:
        """Whether a candidate's expected cost is at all near what is left."""
        name, spare = str(candidate.config.get("backbone", "")), self._spare()
        if not name:
            return True
        least = SHORTEST_SECONDS
        if self._results and not self._is_read(name):
            least = max(least, min(candidate.cost_seconds, FEW_SECONDS))
        if spare >= least:
            return True
        self._run.note(
            f"{candidate.learner} on {name} is left out: {spare:.0f} s are left, it takes at least "
            f"{least:.0f} s"
        )
        return False

    def _scouted(self, candidate: Candidate) -> Candidate | None:
        """The candidate on the checkpoint, and with the read-out, that the scout found for this
        data, a second probe on the next one; as it is where one is pinned, or nothing is to
        choose. None where no second one can be afforded."""
        pins = self._pins.get(candidate.learner, {})
        if not candidate.config.get("backbone") or "backbone" in pins:
            return candidate
        if not self._has_scouted:
            self._has_scouted = True
            self._scout()
        if self._scouting is None:
            return candidate
        scouted, rows = self._scouting.scouted, self._scouting.rows
        first = self._picked.get("probe", "") if candidate.learner == "probe" else ""
        limit = self._may_read() if first else self._read_seconds
        name, why = scouted.pick(rows, limit, besides=first)
        if not name:
            return None
        self._picked.setdefault(candidate.learner, name)
        config = {**candidate.config, "backbone": name}
        if candidate.learner == "probe" and "readout" not in pins:
            config["readout"] = scouted.readout(name)
        seconds = scouted.costs[name].read_seconds(rows)
        told = f"frozen features, about {seconds:.0f} s where none is stored"
        about = told if candidate.learner == "probe" else candidate.reason.partition(" (")[0]
        return replace(
            candidate, config=config, reason=f"{about}; scouted: {why}", cost_seconds=seconds
        )

    def _is_read(self, backbone: str) -> bool:
        """Whether much of what a checkpoint answers may be stored: by an earlier fit, or a trial
        of this one."""
        done = (r.trial.config.get("backbone") for r in self._results if r.score is not None)
        return backbone in self._held or backbone in done

    def _may_read(self) -> float:
        """Seconds that frozen features may take now."""
        spare = self._spare()
        return min(READ_SHARE * spare, FIRST_READ_SECONDS + LATER_READ_SHARE * spare)

    def _scout(self) -> None:
        """Rank the checkpoints that are here by frozen features of some training rows."""
        run, problem = self._run, self._problem
        cards, gone = cards_here(None) if any(map(zoo.is_here, zoo.cards("text"))) else ((), {})
        spare = self._spare()
        seconds = min(SCOUT_SHARE * spare, FIRST_SCOUT_SECONDS + LATER_SCOUT_SHARE * spare)
        if len(cards) < 2 or seconds < LEAST_SCOUT_SECONDS:
            return
        run.stage("scouting")
        try:
            backbone(min(cards, key=work).name)  # torch is imported: no part of the scout's time
            clock = Clock(seconds, run.clock.now)
            self._read_seconds = self._may_read()
            scouted = scout_problem(
                problem,
                cards,
                clock=clock,
                seed=run.seed,
                most_seconds=self._read_seconds,
                passes_over=run.clock.has_deadline(),
            )
        except TunesmithError as error:
            run.note(f"the scout gave up: {error}")
            return
        for name, why in {**gone, **scouted.left_out}.items():
            run.note(f"{name} is left out: {why}")
        rows = sum(len(part) for part in problem.parts.values())
        self._scouting = Scouting(scouted, rows, self._spare())
        run.journal.write("scout", **self._scouting.facts)
        write_json(run.folder.path / "scout.json", self._scouting.facts)
        release(keep=scouted.ranking.order[:2])

    def _on_best_backbone(self, candidate: Candidate | None) -> Candidate | None:
        """Fine-tune the checkpoint whose frozen features did best, unless one is pinned."""
        if candidate is None:
            return None
        if candidate.learner != "neural" or "backbone" in self._pins.get("neural", {}):
            return candidate
        name = best_backbone(self._problem, self._results)
        if not name or name == candidate.config.get("backbone"):
            return candidate
        config = {**candidate.config, "backbone": name}
        return replace(candidate, config=config, reason=f"fine-tuned; {name} had the best probe")

    def _with_weights(self, candidate: Candidate | None) -> Candidate | None:
        """The candidate if its checkpoint is on this machine, after fetching where that is
        allowed."""
        if candidate is None:
            return None
        name = str(candidate.config.get("backbone", ""))
        if name in self._missing:
            return None
        if not name or zoo.is_here(zoo.card_for(name)):
            return candidate
        self._run.stage(f"fetching {name}")
        limit = min(600.0, FETCH_SHARE * self._spare())
        try:
            zoo.ready(zoo.card_for(name), offline=self._run.offline, timeout_seconds=limit)
        except WeightsError as error:
            self._run.note(f"{name} is left out: {error}")
            self._missing.add(name)
            return None
        return candidate

    def _trial(self, learner: str, config: Mapping[str, Any], reason: str) -> Trial:
        self._number += 1
        seed = derive(self._run.seed, "trial", self._number)
        return Trial(self._number, learner, dict(config), reason, seed)

    def _space(self, name: str) -> dict[str, Any]:
        ranges = dimensions(learners[name].config, fixed(name, self._problem, self._pins))
        mark = ranges.get("backbone")
        if isinstance(mark, Choice):  # a proposal brings no bytes from elsewhere
            here = [one for one in mark.values if zoo.is_here(zoo.card_for(str(one)))]
            ranges["backbone"] = Choice(*(here or mark.values))
        return ranges

    def _of(self, name: str) -> list[Result]:
        return [result for result in self._results if result.trial.learner == name]

    def _may_search(self, name: str) -> bool:
        """Whether a learner is worth another trial: it has worked, its last proposals were not all
        in vain, the last two did not fail (for want of time, say), and one more is likely to fit
        into the time left."""
        done = [result for result in self._of(name) if result.score is not None]
        if not done or self._since_better(name) >= PATIENCE_TRIALS:
            return False
        if all(result.score is None for result in self._of(name)[-MOST_FAILURES:]):
            return False
        if learners[name].uses_all_time:
            return LEAST_SHARE * statistics.median(r.fit_seconds for r in done) < self._spare()
        return WHOLE_SHARE * max(map(again_seconds, done)) < self._spare()

    def _since_better(self, name: str) -> int:
        """Trials of a learner since its best one."""
        values = [
            signed(self._problem, result) if result.score is not None else float("-inf")
            for result in self._of(name)
        ]
        return len(values) - 1 - max(range(len(values)), key=lambda i: (values[i], -i))

    def _draw(self, name: str) -> tuple[Study, int, Any] | None:
        """A config of a learner that was not tried yet, and whose proposal it is; None where none
        comes up."""
        kind = learners[name].config
        pins = fixed(name, self._problem, self._pins)
        chosen = best_backbone(self._problem, self._results)
        if chosen and "backbone" in kind.__dataclass_fields__:
            pins.setdefault("backbone", chosen)
        held: dict[str, Any] = {}
        if self._reads_anew_too_long(name):
            held = {"max_length": self._best_of(name).trial.config["max_length"]}
        pins |= held
        study = self._study(name, held)
        tried = {repr(from_dict(kind, result.trial.config)): result for result in self._of(name)}
        for _ in range(MOST_DRAWS):
            asked = study.ask()
            if asked is None:
                return None
            proposal, values = asked
            try:
                config = sample(kind, lambda path, mark: values[path], pins)  # noqa: B023
            except ConfigError as error:
                self._run.note(f"a proposal for {name} cannot be: {error}")
                study.tell(proposal, None)
                continue
            known = tried.get(repr(config))
            if known is None:
                return study, proposal, config
            study.tell(proposal, (signed(self._problem, known),) if known.score else None)
        return None

    def _reads_anew_too_long(self, name: str) -> bool:
        """Whether there is no time for features of another length, which are not stored."""
        if learners[name].uses_all_time or "max_length" not in self._space(name):
            return False
        costs = [result.fit_seconds for result in self._of(name)]
        if self._scouting is not None:
            chosen = self._scouting.scouted.costs.get(best_backbone(self._problem, self._results))
            costs += [chosen.read_seconds(self._scouting.rows)] if chosen else []
        return WHOLE_SHARE * max(costs, default=0.0) >= self._spare()

    def _best_of(self, name: str) -> Result:
        return rank(self._problem, self._of(name))[0]

    def _study(self, name: str, held: Mapping[str, Any]) -> Study:
        """The search of one learner with some dimensions held, told of what its trials did."""
        key = f"{name} {sorted(held)}"
        if key not in self._studies:
            ranges = {path: mark for path, mark in self._space(name).items() if path not in held}
            searcher = named(self._search)
            seed = derive(self._run.seed, "search", name)
            if self._run.clock.has_deadline() and self._recorded.results:
                seed = derive(seed, len(self._recorded.results))  # not the same draws again
            self._studies[key] = searcher.begin(ranges, seed=seed)
            for result in self._of(name):
                if result.score is not None:
                    self._add(self._studies[key], result, ranges)
        return self._studies[key]

    def _add(self, study: Study, result: Result, free: Mapping[str, Any]) -> None:
        name = result.trial.learner
        values = leaves(from_dict(learners[name].config, result.trial.config))
        kept = {path: value for path, value in values.items() if path in free}
        if all(free[path].allows(value) for path, value in kept.items()):
            study.add(kept, (signed(self._problem, result),))


def _held() -> frozenset[str]:
    """The checkpoints of whose answers the store has any, by name."""
    store = active()
    found = store.listing() if store is not None else []
    return frozenset(str(one.get("backbone")) for one in found if one["bytes"])

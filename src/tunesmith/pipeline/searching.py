"""The search by turns: whose proposal comes next, by what it should gain, and at what cost."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tunesmith import zoo
from tunesmith.core.blas import one_thread
from tunesmith.core.contracts import Study
from tunesmith.core.dimensions import Values, dimensions, draw
from tunesmith.core.errors import ConfigError
from tunesmith.core.records import Problem, Result, Trial
from tunesmith.core.seeds import derive, generator
from tunesmith.core.space import (
    Choice,
    Range,
    Scalar,
    default_of,
    from_dict,
    leaves,
    sample,
    to_dict,
)
from tunesmith.learners import learners
from tunesmith.pipeline.gain import (
    Gain,
    gain_of_going_on,
    gain_of_larger,
    gain_of_one_more,
    told,
)
from tunesmith.pipeline.goals import goals_of
from tunesmith.pipeline.history import History
from tunesmith.pipeline.larger import Growth
from tunesmith.pipeline.plan import Pins, fixed, spelled
from tunesmith.pipeline.results import again_seconds
from tunesmith.pipeline.run import Run
from tunesmith.pipeline.standing import (
    as_read,
    spare_seconds,
)
from tunesmith.search import known, mutated, named, within
from tunesmith.stoppers import stoppers

PATIENCE_TRIALS = 8
"""Of a learner without a gain, for each that runs at a time: the search then leaves it alone."""
HOW_READ = ("max_length", "size", "picture_size")
"""Of a learner's config, what says how much of a text or a picture is read."""
BESIDE = ("picture_backbone", "picture_size")
"""What says nothing where the network of the learner reads the pictures itself."""
MOST_DRAWS = 30
MOST_FAILURES, MORE_FAILURES = 2, 30
"""One after another, of one learner, which is then left alone too; more where several run at a
time, as the others were begun before anyone knew, but not more than so many."""
LIKELY_SHARE = 0.95
"""Of a learner's trials: what so many of them cost at most is what one more may cost."""
LEAST_SHARE = 0.5
WHOLE_SHARE = 1.2
"""Of what a learner's trials have cost so far, the time that must be left for one more."""
LARGER_SHARE = 1.5
"""Of what a trial with larger pictures is forecast to take, the time that must be left for it: one
that was forecast at 6.1 s took 9.3, as other work came and went."""
LOOK_SHARE = 0.25
"""Of the training rows, what a config is fitted to first, where all are dear."""
LOOK_ROWS, LOOK_ROWS_A_CLASS = 1000, 10
"""A look at fewer says little."""
MANY_TRIALS = 20
"""Where as many whole trials fit into the time left, none is dear."""
TAKEN_UP = 0.25
"""Of the looks, those that are believed to be worth all rows; of configs with small pictures, those
that are tried with larger ones."""


@dataclass(frozen=True)
class Move:
    """A config of a learner, new or with larger pictures, on what share of the training rows, and
    whose proposal it is; or a trial to be taken up again."""

    learner: str
    reason: str
    config: Mapping[str, Any] = field(default_factory=dict)
    share: float = 1.0
    asked: tuple[Study, int] | None = None
    taken_up: Result | None = None


class Search:
    """The studies of all learners, and which of them is asked. `reading_seconds` says what the
    frozen features of the best checkpoint take."""

    def __init__(
        self,
        run: Run,
        problem: Problem,
        pins: Pins,
        history: History,
        names: Sequence[str],
        search: str | Sequence[str],
        stopper: str,
        goals: Sequence[str],
        reading_seconds: Callable[[], float],
    ) -> None:
        self._run = run
        self._problem = problem
        self._pins = pins
        self._history = history
        self._results = history.results
        self._search = search
        self._stopper = stoppers[stopper]
        self._goals = goals
        self._reading_seconds = reading_seconds
        self._names = sorted(name for name in names if self._space(name))
        knows = named(search).knows_shares
        self._growth = Growth(run, problem, pins, self._results, knows)
        self._studies: dict[str, Study] = {}
        self._asked: dict[int, tuple[Study, int]] = {}
        self._tried: dict[str, dict[str, Result | None]] = {}
        self._twins: dict[tuple[str, str], list[tuple[Study, int]]] = {}
        self._known: dict[str, tuple[Values, ...]] = {}

    def next(self, under_way: Sequence[Trial]) -> Move | None:
        """What to do next beside the trials under way; None where nothing is worth it, or can be
        said before one of them has ended."""
        found = self._promoted(under_way)
        if found is not None:
            return found
        gains = [self._one_more(name) for name in self._names if self._may_search(name)]
        if not self._stopper.promotes:
            busy = {trial.number for trial in under_way}
            gains += self._going_on(busy)
        gains += self._larger()
        for gain in sorted(gains, key=lambda one: -one.rate):
            others = [one for one in gains if one is not gain]
            why = told(gain, others, in_seconds=self._run.clock.has_deadline())
            if gain.taken_up is not None:
                return Move(gain.learner, why, taken_up=gain.taken_up)
            if gain.larger is not None:
                return Move(gain.learner, why, gain.larger.config)
            drawn = self._draw(gain.learner)
            if drawn is not None:
                share = self._share(gain.learner)
                reason = f"proposed by {self._whose(gain.learner, drawn[2])}; {why}"
                if share < 1:
                    reason += f"; a look at {share:.0%} of the rows first"
                small = [side for side in self._first(gain.learner).values() if side]
                reason += "".join(f"; at {side} px first" for side in small)
                return Move(gain.learner, reason, to_dict(drawn[2]), share, drawn[:2])
        return None if gains else self._while_nothing_is_known(under_way)

    def _while_nothing_is_known(self, under_way: Sequence[Trial]) -> Move | None:
        """With a place that is idle while no trial of a learner has ended well and some are under
        way, another trial of it; of several learners each has as many."""
        counts = Counter(trial.learner for trial in under_way)
        unknown = [
            name
            for name in self._names
            if counts[name]
            and not self._results.ranked(name)
            and len(self._results.of(name)) < MOST_FAILURES
        ]
        for name in sorted(unknown, key=lambda one: counts[one]):
            drawn = self._draw(name)
            if drawn is not None:
                whose = self._whose(name, drawn[2])
                reason = f"proposed by {whose}; a place was idle, nothing is known"
                return Move(name, reason, to_dict(drawn[2]), asked=drawn[:2])
        return None

    def begin(self, trial: Trial) -> None:
        """A trial is under way, whoever thought of it: nobody proposes it again."""
        config = from_dict(learners[trial.learner].config, trial.config)
        self._tried.setdefault(trial.learner, {}).setdefault(repr(config), None)

    def credit(self, number: int, move: Move) -> None:
        """The trial of that number is what a study proposed."""
        if move.asked is not None:
            self._asked[number] = move.asked

    def tell(self, result: Result) -> None:
        """How a trial ended: to who proposed it."""
        name, number = result.trial.learner, result.trial.number
        config = from_dict(learners[name].config, result.trial.config)
        self._tried.setdefault(name, {})[repr(config)] = result
        for study, proposal in self._twins.pop((name, repr(config)), ()):
            self._tell_known(study, proposal, result)
        scores = self._scores(result) if result.score is not None else None
        asked = self._asked.pop(number, None)
        if asked is not None:
            asked[0].tell(asked[1], scores, self._counted(result), self._work_share(result))
        for key, study in self._studies.items():
            is_its_own = asked is not None and study is asked[0]
            if key.split(" ")[0] == name and not is_its_own and scores is not None:
                self._add(study, result, self._ranges(key))

    def _scores(self, result: Result) -> tuple[float, ...]:
        return goals_of(self._problem, result, self._goals)

    def _counted(self, result: Result) -> float | None:
        """The seconds that a trial took, where time counts."""
        return again_seconds(result) if self._run.clock.has_deadline() else None

    def _promoted(self, under_way: Sequence[Trial]) -> Move | None:
        """A trial that the stopper lets go on after all."""
        busy = {trial.number for trial in under_way}
        for name in self._names if self._stopper.promotes else ():
            place = self._stopper.promoted(self._history.curves(name))
            if place is None:
                continue
            result = self._history.at_place(name, place)
            may = any(result is one for one in self._history.resumable())
            if result.trial.number in busy or not may:
                continue
            share = round(100 * result.progress[-1])
            reason = f"goes on from {share} % of its work: by now it is among the best there"
            return Move(name, reason, taken_up=result)
        return None

    def _one_more(self, name: str) -> Gain:
        seconds = self._cost_seconds(name)
        levelled = self._growth.levelled(name)
        return gain_of_one_more(self._problem, self._results, name, seconds, levelled)

    def _larger(self) -> list[Gain]:
        """Configs that rank among the best at a side, at the next one, as far as there is time."""
        if not self._growth.is_on:
            return []
        has_clock = self._run.clock.has_deadline()
        most = self._spare() / LARGER_SHARE if has_clock else None
        names = [name for name in self._names if not self._has_failed(name)]
        several = [
            larger
            for name in names
            for larger in self._growth.larger(name, partial(self._is_tried, name))
            if most is None or larger.seconds < most
        ]
        gained = self._growth.gained() if several else None
        return [
            gain_of_larger(self._problem, self._results, one, gained, in_seconds=has_clock)
            for one in several
            if gained is not None
        ]

    def _is_tried(self, name: str, config: Mapping[str, Any]) -> bool:
        kind = learners[name].config
        return repr(from_dict(kind, config)) in self._tried.get(name, {})

    def _first(self, name: str) -> dict[str, int]:
        """The side at which new configs of a learner are read, by field; nothing where it is
        searched like all else."""
        if not self._growth.may(name):
            return {}
        return self._growth.first(name, as_read(self._problem, self._results))

    def _cost_seconds(self, name: str) -> float:
        """What one more trial of a learner takes; without a deadline all count alike, so that the
        search can be repeated."""
        if not self._run.clock.has_deadline():
            return 1.0
        usual, share = _middle(self._results.again_seconds(name)), self._share(name)
        if share < 1:
            usual *= share + TAKEN_UP
        usual = self._growth.once_seconds(name, self._first(name), TAKEN_UP) or usual
        return max(0.05, min(usual, self._spare()))

    def _share(self, name: str) -> float:
        """Of the training rows, what the next config of a learner is fitted to: a part, where
        trials on all of them are dear, and the search knows what to make of it."""
        if not self._run.clock.has_deadline() or not named(self._search).knows_shares:
            return 1.0
        if self._problem.folds or self._first(name):
            return 1.0  # small pictures are the look
        rows = LOOK_SHARE * len(self._problem.parts["train"])
        least = max(LOOK_ROWS, LOOK_ROWS_A_CLASS * len(self._problem.classes))
        if learners[name].uses_all_time or rows < least:
            return 1.0
        usual = _middle(self._results.again_seconds(name))
        return LOOK_SHARE if MANY_TRIALS * usual > self._spare() else 1.0

    def _going_on(self, busy: set[int]) -> list[Gain]:
        found = []
        for result in self._history.resumable():
            if result.trial.number in busy or not result.progress:
                continue
            name, done = result.trial.learner, max(result.progress[-1], 1e-3)
            rest, has_clock = (1 - done) / done, self._run.clock.has_deadline()
            seconds = rest * result.fit_seconds if has_clock else min(1.0, rest)
            if result.trial.share < 1:  # it begins anew
                seconds = _middle(self._results.again_seconds(name))
            if has_clock and WHOLE_SHARE * seconds > self._spare():
                continue
            curves = self._history.curves(name)
            found.append(gain_of_going_on(self._problem, self._results, result, curves, seconds))
        return found

    def _spare(self) -> float:
        return spare_seconds(self._run, self._problem, self._results)

    def _fixed(self, name: str) -> dict[str, Any]:
        return fixed(name, self._problem, self._pins, self._run.clock.limit_seconds)

    def _space(self, name: str) -> dict[str, Any]:
        ranges = dimensions(
            learners[name].config,
            fixed(name, self._problem, self._pins, self._run.clock.limit_seconds),
        )
        mark = ranges.get("backbone")
        if isinstance(mark, Choice):  # a proposal brings no bytes from elsewhere
            here = [one for one in mark.values if zoo.is_here(zoo.card_for(str(one)))]
            ranges["backbone"] = Choice(*(here or mark.values))
        return ranges

    def _may_search(self, name: str) -> bool:
        """Whether a learner is worth another trial: it has worked, its last proposals were not all
        in vain, the last two did not fail (for want of time, say), and one more is likely to fit
        into the time left."""
        done = self._results.ranked(name)
        if not done or self._results.since_best(name) >= PATIENCE_TRIALS * self._run.places:
            return False
        if self._has_failed(name):
            return False
        if not self._run.clock.has_deadline():
            return True
        if learners[name].uses_all_time:
            return LEAST_SHARE * _middle(self._results.fit_seconds(name)) < self._spare()
        costs = self._results.again_seconds(name)
        return WHOLE_SHARE * costs[math.ceil(LIKELY_SHARE * len(costs)) - 1] < self._spare()

    def _has_failed(self, name: str) -> bool:
        """Whether the last trials of a learner all did."""
        failures = MOST_FAILURES + min(self._run.places - 1, MORE_FAILURES)
        return all(result.score is None for result in self._results.of(name)[-failures:])

    def _draw(self, name: str) -> tuple[Study, int, Any] | None:
        """A config of a learner that was not tried yet, and whose proposal it is; None where none
        comes up."""
        kind = learners[name].config
        pins = self._fixed(name)
        held: dict[str, Any] = dict(self._first(name))
        of_others = BESIDE if "size" in held else ()
        for path, value in as_read(self._problem, self._results).items():
            if path in kind.__dataclass_fields__ and path not in of_others:
                pins.setdefault(path, value)
        if self._reads_anew_too_long(name):
            best = self._best_of(name).trial.config
            held |= {read: best[read] for read in HOW_READ if read in best}
        pins |= held
        study = self._study(name, held)
        tried = self._tried.get(name, {})
        for _ in range(MOST_DRAWS):
            with one_thread():
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
            if repr(config) not in tried:
                return study, proposal, config
            known = tried[repr(config)]
            if known is None:  # under way: what comes of it will be told for this one too
                self._twins.setdefault((name, repr(config)), []).append((study, proposal))
            else:
                self._tell_known(study, proposal, known)
        return None

    def _tell_known(self, study: Study, proposal: int, known: Result) -> None:
        """What came of a proposal that had been tried, or begun, before."""
        scores = self._scores(known) if known.score is not None else None
        study.tell(proposal, scores, self._counted(known), self._work_share(known))

    def _reads_anew_too_long(self, name: str) -> bool:
        """Whether there is no time for features of another length, which are not stored."""
        if not self._run.clock.has_deadline() or learners[name].uses_all_time:
            return False
        if not any(read in self._space(name) for read in HOW_READ):
            return False
        costs = [result.fit_seconds for result in self._results.of(name)]
        longest = max([*costs, self._reading_seconds()], default=0.0)
        return WHOLE_SHARE * longest >= self._spare()

    def _best_of(self, name: str) -> Result:
        return self._results.ranked(name)[0]

    def _study(self, name: str, held: Mapping[str, Any]) -> Study:
        """The search of one learner with some dimensions held, told of what its trials did."""
        key = " ".join([name, *sorted(held)])
        if key not in self._studies:
            ranges = self._ranges(key)
            seed = derive(self._run.seed, "search", name)
            recorded = self._history.recorded.results
            if recorded and not self._run.is_repeatable():
                seed = derive(seed, len(recorded))  # not the same draws again
            goals = max(1, len(self._goals))
            first = self._known_within(name, ranges)
            self._studies[key] = named(self._search).begin(
                ranges, seed=seed, goals=goals, known=first
            )
            for result in self._results.of(name):
                if result.score is not None:
                    self._add(self._studies[key], result, ranges)
        return self._studies[key]

    def _known_within(self, name: str, ranges: Mapping[str, Range]) -> tuple[Values, ...]:
        """What has done well elsewhere and lies in the ranges; what that leaves open, as in the
        best trial. Where shapes are searched, the best trial with each dimension of them drawn anew
        comes first: it is what is looked for, among many that are not."""
        kind = learners[name].config
        done = self._results.ranked(name)
        best = leaves(from_dict(kind, done[0].trial.config)) if done else {}

        def otherwise(path: str, mark: Range) -> Scalar:
            is_usable = path in best and mark.allows(best[path])
            return best[path] if is_usable else default_of(kind, path, mark)

        usual = draw(ranges, otherwise)
        found = within(known(name).configs, ranges, otherwise)
        self._known[name] = (*self._known.get(name, ()), *found)
        return (*self._reshaped(name, ranges, usual), *found)

    def _reshaped(
        self, name: str, ranges: Mapping[str, Range], usual: Values
    ) -> Iterator[dict[str, Scalar]]:
        """These values with one dimension of the shape of a network after the other drawn anew."""
        dice = generator(self._run.seed, "shapes", name)
        for path in learners[name].shapes:
            if path in usual:
                yield dict(mutated(usual, ranges, dice, path))

    def _whose(self, name: str, config: Any) -> str:
        """Who proposed a config, and whether it has done well elsewhere."""
        values = leaves(config)
        if any(one.items() <= values.items() for one in self._known.get(name, ())):
            others = known(name).data_sets
            return f"{spelled(self._search)}, as known to do well on {others} other data sets"
        return spelled(self._search)

    def _ranges(self, key: str) -> dict[str, Any]:
        """The dimensions of a study, by its key: a learner, and what is held."""
        name, *held = key.split(" ")
        return {path: mark for path, mark in self._space(name).items() if path not in held}

    def _add(self, study: Study, result: Result, free: Mapping[str, Any]) -> None:
        name = result.trial.learner
        values = leaves(from_dict(learners[name].config, result.trial.config))
        kept = {path: value for path, value in values.items() if path in free}
        if all(free[path].allows(value) for path, value in kept.items()):
            share = self._work_share(result)
            study.add(kept, self._scores(result), self._counted(result), share)

    def _work_share(self, result: Result) -> float:
        """Of the whole work, that after which a trial scored as it did: of its epochs or its rows,
        and of the pixels."""
        return work_share(result) * self._growth.share(result)


def work_share(result: Result) -> float:
    """After which share of its work, or on which of the rows, a trial scored as it did."""
    return result.progress[-1] if result.status == "stopped" and result.progress else 1.0


def _middle(ordered: Sequence[float]) -> float:
    """The median of numbers in order."""
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2

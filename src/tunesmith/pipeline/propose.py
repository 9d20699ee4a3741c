"""Which trial comes next: the candidates in their order, then a search by turns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tunesmith import zoo
from tunesmith.core.clock import Clock
from tunesmith.core.errors import TunesmithError, WeightsError
from tunesmith.core.records import Candidate, Problem, Result, Trial
from tunesmith.core.runfolder import write_json
from tunesmith.core.seeds import derive
from tunesmith.learners._with_embeddings import checkpoints
from tunesmith.nn.devices import share_of_threads
from tunesmith.nn.shards import active
from tunesmith.pipeline.history import History
from tunesmith.pipeline.misfit import LEAST_EPOCHS, MOST_EPOCHS, Placed, deepest_first
from tunesmith.pipeline.plan import PLANNED_EPOCHS, SEARCHED, Pins, modality_of
from tunesmith.pipeline.results import again_seconds
from tunesmith.pipeline.run import Run
from tunesmith.pipeline.scouting import Scouting, cards_here, scout_problem
from tunesmith.pipeline.searching import Move, Search
from tunesmith.pipeline.sides import side_read
from tunesmith.pipeline.standing import (
    SHARE_OF_SPARE,
    SHARE_WHILE_OTHERS_WAIT,
    as_read,
    best_backbone,
    reads_with,
    spare_seconds,
)
from tunesmith.scouting.scout import work
from tunesmith.zoo.backbones import backbone, blocks_of, release

SHORTEST_SECONDS = 6.0
LEAST_TRIAL_SECONDS = 1.0
FETCH_SHARE = 0.4
CHEAP_SHARE = 0.05
"""Of the time left, what is searched of quick models before the first checkpoint is read."""
SCOUT_SHARE = 0.22
FIRST_SCOUT_SECONDS = 10.0
LATER_SCOUT_SHARE = 0.05
"""What the scout may take of the time left, first and of what goes beyond."""
PICTURED_SHARE = 0.5
"""Of that, for pictures: the networks of the zoo are nearer to each other than those of texts."""
LEAST_SCOUT_SECONDS = 2.0
FEW_SCOUT_SHARE = 0.5
"""Of the time left, what it may take of few examples: opening checkpoints is nearly all of it, and
neither a search nor fine-tuning follows."""
READ_SHARE = 0.55
FIRST_READ_SECONDS = 30.0
LATER_READ_SHARE = 0.25
"""Of the time left, what the frozen features of all rows may take: more than half where it is short
and nothing else will fit, a quarter and half a minute where there is time to fine-tune as well."""
MANY_ROWS, FIRST_ROWS = 40_000, 10_000
"""With more rows than that, the first model is one of so many of them."""
FEW_SECONDS = 20.0
"""With so much time left a checkpoint is opened though it cannot read every row."""


class Proposals:
    """Trials, each drawn when there is a place for it; None where nothing can be said before one of
    those under way has ended. The caller keeps the history, and tells how each ended."""

    def __init__(
        self,
        run: Run,
        problem: Problem,
        candidates: Sequence[Candidate],
        pins: Pins,
        history: History,
        search: str | Sequence[str],
        stopper: str,
        goals: Sequence[str],
    ) -> None:
        self._run = run
        self._problem = problem
        self._candidates = candidates
        self._pins = pins
        self._results = history.results
        self._recorded = history.recorded
        names = tuple(dict.fromkeys(candidate.learner for candidate in candidates))
        self._search = Search(
            run, problem, pins, history, names, search, stopper, goals, self._reading_seconds
        )
        self._open: dict[int, Trial] = {}
        self._missing: set[str] = set()
        self._number = 0
        self.waiting = len(candidates)
        """Candidates that are still to be tried."""
        self._scouting: Scouting | None = None
        self._has_scouted = False
        self._scouted_size = 0
        self._picked: dict[str, str] = {}
        self._read_seconds = 0.0
        self._held = _held()

    def __iter__(self) -> Iterator[Trial | None]:
        if not self._run.is_repeatable():
            yield from self._before()
        ahead = list(enumerate(self._candidates))
        while ahead:
            (place, candidate), self.waiting = ahead[0], len(ahead) - 1
            if checkpoints(candidate.config):
                yield from self._cheap()
            if self._number and self._is_spent() and place not in self._recorded.decisions:
                return  # one model there is always time for
            while self._waits_for_a_probe(candidate):
                yield None
            ahead, why = self._in_order(ahead)
            ready = self._decided(*ahead.pop(0), why)
            if ready is not None and not self._was_run(ready):
                yield from self._tried(ready)
        yield from self._searched()

    def _in_order(self, ahead: Sequence[Placed]) -> tuple[list[Placed], str]:
        """The candidates that are to come, and why the next one is before others where that was not
        planned: as they came in a run that is gone through again, else by what the probes had."""
        places = [place for place, _ in ahead]
        before = next((place for place in self._recorded.decisions if place in places), None)
        if before is None:
            return deepest_first(ahead, self._problem, self._results, self._has_time)
        return sorted(ahead, key=lambda one: one[0] != before), ""

    def _has_time(self, candidate: Candidate) -> bool:
        """Whether a few epochs of a fine-tuning fit into the time that it would get."""
        if not self._run.clock.has_deadline():
            return True
        return self._epochs_seconds(candidate) <= SHARE_OF_SPARE * self._spare()

    def _learned_anew(self, candidate: Candidate, why: str) -> Candidate:
        """The candidate where features do not fit, for the reason told: what they tell of a
        checkpoint counts for little then, and how often it sees the rows for much. So it is the
        smallest one, for as many epochs as the time that it will get is forecast to hold, from
        those planned up, unless they are pinned."""
        name = self._smallest(candidate)
        told = f"{candidate.reason}; {why}"
        if name != candidate.config["backbone"]:
            told += f"; on {name}, the smallest"
        epochs = int(candidate.config["epochs"])
        is_pinned = "epochs" in self._pins.get(candidate.learner, {})
        if self._run.clock.has_deadline() and not is_pinned:
            each = max(self._epochs_seconds(candidate) / LEAST_EPOCHS, 1e-3)
            fit = int(SHARE_WHILE_OTHERS_WAIT * self._spare() / each)
            epochs = max(epochs, min(fit, MOST_EPOCHS))
        config = {**candidate.config, "backbone": name, "epochs": epochs}
        return replace(candidate, config=config, reason=told)

    def _smallest(self, candidate: Candidate) -> str:
        """The smallest checkpoint that the scout measured; the candidate's own where it is pinned,
        or nothing was measured."""
        if "backbone" in self._pins.get(candidate.learner, {}) or self._scouting is None:
            return str(candidate.config["backbone"])
        costs = self._scouting.scouted.costs
        return min(costs, key=lambda name: costs[name].work)

    def _epochs_seconds(self, candidate: Candidate) -> float:
        """What these few epochs should take, on the smallest checkpoint: by what the scout
        measured here, else as planned."""
        name = self._smallest(candidate)
        known = None if self._scouting is None else self._scouting.scouted.costs.get(name)
        if known is None:
            return candidate.cost_seconds * LEAST_EPOCHS / PLANNED_EPOCHS
        config = {**candidate.config, "backbone": name}
        sides = [
            side_read("neural", {**config, "size": s}) for s in (config["size"], self._scouted_size)
        ]
        trained = blocks_of(float(config["depth"]), known.blocks)
        rows = len(self._problem.parts["train"])
        seconds = known.train_seconds(rows, trained, LEAST_EPOCHS, stored=True)
        return seconds * (sides[0] / sides[1]) ** 2

    def _cheap(self) -> Iterator[Trial | None]:
        """Before a checkpoint is read for the first time, which takes a good part of the time, more
        configs of what was quick: a few per cent of the time, and often all that is gained till
        then."""
        clock, models = self._run.clock, [r for r in self._results.ranked() if r.trial.config]
        if (
            self._problem.is_few
            or not clock.has_deadline()
            or any(checkpoints(r.trial.config) for r in models)
        ):
            return
        end = clock.elapsed() + CHEAP_SHARE * self._spare()
        while models and clock.elapsed() + max(map(again_seconds, models)) < end:
            if self._is_spent():
                return
            move = self._search.next(tuple(self._open.values()))
            if move is None:
                return
            yield self._moved(move)
            models = [r for r in self._results.ranked() if r.trial.config]

    def _tried(self, ready: Candidate) -> Iterator[Trial | None]:
        """A candidate; where there are very many rows first on a part of them, so that there is a
        model soon, and then on all, within the time there is."""
        share = self._first_share(ready)
        if share == 1:
            yield self._trial(ready.learner, ready.config, ready.reason)
            return
        told = f"{ready.reason}; on {share:.1%} of the rows first, to have a model soon"
        look = self._trial(ready.learner, ready.config, told, share)
        yield look
        while look.number in self._open:
            yield None
        found = next(r for r in self._results if r.trial.number == look.number)
        if found.score is not None and not self._is_spent():
            yield self._begun(replace(look, reason=ready.reason, leg=1, share=1.0))

    def _first_share(self, candidate: Candidate) -> float:
        """Of the training rows, what a first model of plain features is fitted to."""
        rows = len(self._problem.parts["train"])
        if rows <= MANY_ROWS or self._problem.folds or not self._run.clock.has_deadline():
            return 1.0
        is_plain = not checkpoints(candidate.config) and candidate.config
        is_first = not any(result.trial.config for result in self._results.ranked())
        return FIRST_ROWS / rows if is_plain and is_first else 1.0

    def _waits_for_a_probe(self, candidate: Candidate) -> bool:
        """Whether the checkpoint to fine-tune hangs on a trial that is under way."""
        probes = any(trial.learner == "probe" for trial in self._open.values())
        return candidate.learner == "neural" and probes

    def _reading_seconds(self) -> float:
        """What the frozen features of the best checkpoint take, as far as the scout knows."""
        if self._scouting is None:
            return 0.0
        cost = self._scouting.scouted.costs.get(best_backbone(self._problem, self._results))
        return cost.read_seconds(self._scouting.rows) if cost else 0.0

    def _decided(self, place: int, candidate: Candidate, why: str) -> Candidate | None:
        """The candidate as it is to be tried, with `why` it comes before others, if it does; None
        where it is left out. What was decided before holds; but who was left out under a deadline
        may fit into the time there is now."""
        before = self._recorded.decisions.get(place)
        if before is not None:
            self._picked.setdefault(before.learner, str(before.config.get("backbone", "")))
            return before
        if place in self._recorded.decisions and self._run.is_repeatable():
            return None
        ready = self._on_best_backbone(self._scouted(candidate))
        ready = self._with_weights(self._learned_anew(ready, why) if ready and why else ready)
        if ready is not None and not self._fits(ready):
            ready = None
        self._run.journal.write(
            "candidate", place=place, decided=None if ready is None else vars(ready)
        )
        return ready

    def _before(self) -> Iterator[Trial]:
        """The trials that are recorded, and those that were under way: under a deadline, or with
        several at a time, what was proposed when cannot be gone through again, so that all are told
        to the searches as others' are."""
        for trial in self._recorded.trials:
            self._number = max(self._number, trial.number)
            yield self._begun(trial)

    def _was_run(self, candidate: Candidate) -> bool:
        """Whether `_before` had this one, on all rows."""
        if self._run.is_repeatable():
            return False
        wanted = (candidate.learner, dict(candidate.config), 1.0)
        return any(
            (trial.learner, dict(trial.config), trial.share) == wanted
            for trial in self._recorded.trials
        )

    def tell(self, result: Result) -> None:
        """How a trial ended."""
        self._open.pop(result.trial.number, None)
        self._search.tell(result)

    def _searched(self) -> Iterator[Trial | None]:
        """What is likeliest to gain, until nothing fits or nothing is left to propose. Of few
        examples nothing: the best of many would be so by luck."""
        if self._problem.is_few:
            self._run.note("no search: with few examples the best of many is so by luck")
            return
        while not self._is_spent():
            move = self._search.next(tuple(self._open.values()))
            if move is not None:
                yield self._moved(move)
            elif self._open:
                yield None
            else:
                self._run.note(
                    "the search has ended: nothing new is likely to help in the time left"
                )
                return

    def _moved(self, move: Move) -> Trial:
        """The trial that a move of the search is."""
        if move.taken_up is not None:
            before = move.taken_up.trial
            leg = before.leg + 1
            return self._begun(replace(before, reason=move.reason, leg=leg, share=1.0))
        self._search.credit(self._number + 1, move)
        return self._trial(move.learner, move.config, move.reason, move.share)

    def _is_spent(self) -> bool:
        if self._run.most_trials is not None and self._number >= self._run.most_trials:
            return True
        return self._spare() < LEAST_TRIAL_SECONDS

    def _spare(self) -> float:
        return spare_seconds(self._run, self._problem, self._results)

    def _fits(self, candidate: Candidate) -> bool:
        """Whether a candidate's expected cost is at all near what is left."""
        names, spare = [*checkpoints(candidate.config).values()], self._spare()
        if not names:
            return True
        name, least = " and ".join(names), SHORTEST_SECONDS
        if self._results and not all(map(self._is_read, names)):
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
        is_fixed = candidate.is_given or "backbone" in pins
        if not candidate.config.get("backbone") or is_fixed:
            return candidate
        if not self._has_scouted:
            self._has_scouted = True
            self._scout(candidate)
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
        if candidate.learner == "probe" and "size" not in pins:
            config["size"] = self._scouted_size  # at which its costs are known and rows are stored
        seconds = scouted.costs[name].read_seconds(rows)
        told = f"frozen features, about {seconds:.0f} s where none is stored"
        about = told if candidate.learner == "probe" else candidate.reason.partition(" (")[0]
        return replace(
            candidate, config=config, reason=f"{about}; scouted: {why}", cost_seconds=seconds
        )

    def _is_read(self, backbone: str) -> bool:
        """Whether much of what a checkpoint answers may be stored: by an earlier fit, or a trial
        of this one."""
        done = (checkpoints(r.trial.config) for r in self._results if r.score is not None)
        return backbone in self._held or any(backbone in one.values() for one in done)

    def _may_read(self) -> float:
        """Seconds that frozen features may take now."""
        spare = self._spare()
        return min(READ_SHARE * spare, FIRST_READ_SECONDS + LATER_READ_SHARE * spare)

    def _may_scout(self) -> float:
        """Seconds that the scout may take now."""
        spare = self._spare()
        if self._problem.is_few:
            return FEW_SCOUT_SHARE * spare
        return min(SCOUT_SHARE * spare, FIRST_SCOUT_SECONDS + LATER_SCOUT_SHARE * spare)

    def _scout(self, candidate: Candidate) -> None:
        """Rank the checkpoints that are here by frozen features of some training rows."""
        run, problem = self._run, self._problem
        kind = modality_of(problem)
        some = any(map(zoo.is_here, zoo.cards(kind)))
        cards, gone = cards_here(None, kind) if some else ((), {})
        seconds = self._may_scout() * (PICTURED_SHARE if kind == "image" else 1.0)
        if len(cards) < 2 or seconds < LEAST_SCOUT_SECONDS:
            return
        if problem.is_unproven:
            run.note("the scout is left out: one example of a class tells no checkpoints apart")
            return
        run.stage("scouting")
        try:
            backbone(min(cards, key=work).name)  # torch is imported: no part of the scout's time
            if self._may_scout() < LEAST_SCOUT_SECONDS:
                run.note(f"the scout is left out: {self._spare():.0f} s are left after opening one")
                return
            clock = Clock(seconds, run.clock.now)
            self._read_seconds = self._may_read()
            self._scouted_size = int(candidate.config.get("size", 0))
            scouted = scout_problem(
                problem,
                cards,
                clock=clock,
                seed=run.seed,
                size=self._scouted_size,
                most_seconds=self._read_seconds,
                passes_over=run.clock.has_deadline(),
                threads=share_of_threads(run.workers) if run.workers else None,
            )
        except TunesmithError as error:
            run.note(f"the scout gave up: {error}")
            return
        finally:
            run.stage("tuning")
        for name, why in {**gone, **scouted.left_out}.items():
            run.note(f"{name} is left out: {why}")
        rows = len(problem.rows)
        self._scouting = Scouting(scouted, rows, self._spare())
        run.journal.write("scout", **self._scouting.facts)
        write_json(run.folder.path / "scout.json", self._scouting.facts)
        release(keep=scouted.ranking.order[:2])

    def _on_best_backbone(self, candidate: Candidate | None) -> Candidate | None:
        """Fine-tune the checkpoint whose frozen features did best, or let that one read the texts
        beside columns, unless one is pinned."""
        if candidate is None or candidate.is_given:
            return candidate
        name = best_backbone(self._problem, self._results)
        if not name:
            return candidate
        is_network = candidate.learner in ("neural", *SEARCHED)
        field = "backbone" if is_network else reads_with(name)
        before = candidate.config.get(field)
        if not before or name == before or field in self._pins.get(candidate.learner, {}):
            return candidate
        config = {**candidate.config, field: name}
        if field == "picture_backbone":
            config["picture_size"] = as_read(self._problem, self._results)["picture_size"]
        about = "fine-tuned" if field == "backbone" else candidate.reason
        return replace(candidate, config=config, reason=f"{about}; {name} had the best probe")

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
        finally:
            self._run.stage("tuning")
        return candidate

    def _trial(
        self, learner: str, config: Mapping[str, Any], reason: str, share: float = 1.0
    ) -> Trial:
        self._number += 1
        seed = derive(self._run.seed, "trial", self._number)
        trial = Trial(self._number, learner, dict(config), reason, seed, share=share)
        return self._begun(trial)

    def _begun(self, trial: Trial) -> Trial:
        self._open[trial.number] = trial
        self._search.begin(trial)
        return trial


def _held() -> frozenset[str]:
    """The checkpoints of whose answers the store has any, by name."""
    store = active()
    found = store.listing() if store is not None else []
    return frozenset(str(one.get("backbone")) for one in found if one["bytes"])

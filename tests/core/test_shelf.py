import sys
import textwrap
from importlib.metadata import EntryPoint

import pytest

from tunesmith.core import shelf as module
from tunesmith.core.errors import ConfigError
from tunesmith.core.shelf import Shelf


@pytest.fixture
def animals(tmp_path, monkeypatch):
    """A package with a shelf, two plug-ins and a private module that must not be imported."""
    folder = tmp_path / "zoo_of_test"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "_shelf.py").write_text(
        "from tunesmith.core.shelf import Shelf\nanimals = Shelf('animals', 'zoo_of_test')\n"
    )
    (folder / "_private.py").write_text("raise RuntimeError('imported')\n")
    for name in ("cat", "dog"):
        (folder / f"{name}.py").write_text(
            textwrap.dedent(f"""
            from zoo_of_test._shelf import animals

            @animals.add("{name}")
            class {name.title()}:
                sound = "{name}!"
            """)
        )
    monkeypatch.syspath_prepend(str(tmp_path))
    yield __import__("zoo_of_test._shelf")._shelf.animals
    for name in [name for name in sys.modules if name.startswith("zoo_of_test")]:
        del sys.modules[name]


def test_a_file_in_the_folder_is_enough_to_stand_on_the_shelf(animals):
    assert list(animals) == ["cat", "dog"]
    assert animals["dog"].sound == "dog!"
    assert "cat" in animals
    assert "cow" not in animals
    assert [(key, plugin.sound) for key, plugin in animals.items()] == [
        ("cat", "cat!"),
        ("dog", "dog!"),
    ]


def test_a_name_that_is_not_there_is_answered_with_the_nearest(animals):
    with pytest.raises(ConfigError, match=r"no animals plug-in 'dgo'\. Did you mean 'dog'\?"):
        animals["dgo"]


def test_two_plug_ins_cannot_have_one_name(animals):
    assert "cat" in animals
    with pytest.raises(ConfigError, match=r"Two plug-ins on the shelf 'animals' are named 'cat'"):
        animals.put("cat", "another cat")


def test_another_package_joins_by_entry_point_but_replaces_nothing(animals, monkeypatch):
    points = {
        "tunesmith.animals": [
            EntryPoint("cow", "builtins:dict", "tunesmith.animals"),
            EntryPoint("dog", "builtins:list", "tunesmith.animals"),
        ]
    }
    monkeypatch.setattr(module, "entry_points", lambda group: points.get(group, []))
    assert list(animals) == ["cat", "cow", "dog"]
    assert animals["cow"] == {}
    assert animals["dog"].sound == "dog!"


def test_the_folder_is_not_imported_before_the_shelf_is_read():
    Shelf("nothing", "a_package_nobody_has")
    with pytest.raises(ModuleNotFoundError):
        list(Shelf("nothing", "a_package_nobody_has"))

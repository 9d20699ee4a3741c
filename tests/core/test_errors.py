import pytest

from tunesmith.core import errors


def test_the_nearest_word_and_every_word_are_named():
    sentence = errors.did_you_mean("momentun", ["momentum", "damp"])
    assert sentence == " Did you mean 'momentum'? Known: damp, momentum."


def test_nothing_is_guessed_where_nothing_is_near():
    assert errors.did_you_mean("zebra", ["lr"]) == " Known: lr."
    assert errors.did_you_mean("zebra", []) == " Known: none."


def test_a_long_list_is_cut_and_counted():
    sentence = errors.did_you_mean("none of these", [f"word{i:02d}" for i in range(25)])
    assert sentence.endswith("word19 and 5 more.")


def test_a_package_that_is_there_is_imported_by_its_full_path():
    assert errors.need("json.decoder", extra="text").JSONDecoder


def test_a_package_that_is_not_there_comes_with_its_pip_line():
    with pytest.raises(errors.MissingExtra, match=r'pip install "tunesmith\[remote\]"'):
        errors.need("a_package_nobody_has.inner", extra="remote")


@pytest.mark.parametrize(
    "kind",
    ["DataError", "ConfigError", "BudgetError", "MissingExtra", "WeightsError", "UnsafeArtifact"],
)
def test_one_name_catches_every_error_a_user_can_put_right(kind):
    assert issubclass(getattr(errors, kind), errors.TunesmithError)

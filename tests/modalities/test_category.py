import json

import numpy as np

from tunesmith.modalities.category import MOST_LEVELS, Category


def fit_and_turn(train, values):
    state = json.loads(json.dumps(Category().fit(np.array(train, dtype=object))))
    return Category().transform(np.array(values, dtype=object), state)


def test_every_row_has_one_mark():
    turned = fit_and_turn(["a", "b", None, "a"], ["b", "new", None, "a"])
    assert turned.dtype == np.float32
    assert turned.tolist() == [[0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [1, 0, 0, 0]]


def test_the_order_of_rows_does_not_change_the_columns():
    assert (fit_and_turn(["x", "y", "x"], ["x", "y"]) == fit_and_turn(["y", "x"], ["x", "y"])).all()


def test_only_the_commonest_levels_have_a_column_of_their_own():
    common = [f"level{i:03d}" for i in range(MOST_LEVELS)]
    turned = fit_and_turn([*common * 2, "a rare one"], [*common, "a rare one"])
    assert turned.shape == (MOST_LEVELS + 1, MOST_LEVELS + 2)
    assert (turned[:MOST_LEVELS, :MOST_LEVELS] == np.eye(MOST_LEVELS)).all()
    assert turned[-1, MOST_LEVELS] == 1


def test_no_rows_keep_their_width():
    assert fit_and_turn(["a", "b"], []).shape == (0, 4)


def test_a_level_called_none_is_not_a_missing_cell():
    turned = fit_and_turn(["None", "a"], ["None", None])
    assert turned.argmax(axis=1).tolist() == [0, 3]

"""A user's text where it is shown."""

from tunesmith.core.showing import for_spreadsheet, for_terminal


def test_what_would_move_the_cursor_is_shown_instead():
    assert for_terminal("red \x1b[31m text\x07\x9b") == "red \\x1b[31m text\\x07\\x9b"
    assert for_terminal("two\nlines\tand a tab") == "two lines and a tab"
    assert for_terminal("turned \u202e round") == "turned \\u202e round"


def test_letters_of_every_script_stay():
    for text in ("plain", "naïve", "日本語", "שלום", "👩‍🚀", "a—b"):
        assert for_terminal(text) == text


def test_a_formula_becomes_text():
    assert for_spreadsheet("=1+1") == "'=1+1"
    assert for_spreadsheet("-2") == "'-2"
    assert for_spreadsheet("good") == "good"

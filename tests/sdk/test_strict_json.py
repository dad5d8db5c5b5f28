"""The one reader of strangers' JSON."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.strict_json import parsed, written

LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    LEAVES | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@given(JSON)
def test_plain_values_come_back(value):
    """From any writer, with escapes or without; our own writes no mark."""
    assert parsed(json.dumps(value)) == parsed(json.dumps(value, ensure_ascii=False)) == value
    assert parsed(written(value)) == value
    assert "<" not in written(value)


@given(st.text(alphabet='{}[]":,0123456789.eE+- aNIinfty\\ud80\n'))
def test_any_text_is_a_value_or_an_error(text):
    """One error, and what is read can be written again."""
    try:
        value = parsed(text)
    except ValueError:
        return
    assert parsed(json.dumps(value, allow_nan=False)) == value


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "no JSON: .* at character 1"),
        ("", "no JSON"),
        ('{"a": {"b": 1, "b": 1}}', "gives 'b' twice"),
        ("[NaN]", "NaN is no JSON"),
        ("-Infinity", "-Infinity is no JSON"),
        ("-1e400", "-1e400 is no number"),
        ("9" * 5000, "number of 5,000 digits is too long"),
        ('["\\ud800"]', "half a character"),
        ('{"\\udfff": 1}', "half a character"),
        ("[" * 200_000, "nested too deeply"),
        (" " * (2**18 + 1), "262,145 characters"),
    ],
)
def test_what_is_not_plain_is_refused(text, why):
    """With the reason."""
    with pytest.raises(ValueError, match=why):
        parsed(text)


def test_fractions_may_be_refused():
    """Where only whole numbers are kept; a bound may be smaller too."""
    assert parsed("[1, -2]", fractions=False) == [1, -2]
    with pytest.raises(ValueError, match=r"1\.5 is not a whole number"):
        parsed("[1.5]", fractions=False)
    with pytest.raises(ValueError, match="more than 2"):
        parsed("[1]", most=2)


@pytest.mark.parametrize("value", [float("nan"), object(), {"a": b"b"}, "\ud800"])
def test_what_is_no_json_is_not_written(value):
    """Numbers that JSON has not, objects, half characters."""
    with pytest.raises(ValueError):  # noqa: PT011 - the reason is that of the writer
        written(value)

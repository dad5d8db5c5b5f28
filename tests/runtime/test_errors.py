"""The error tree."""

import pytest

from sightline_runtime import errors


def tree(cls):
    """A class and all below it that stand in the tree itself; rooms may refine one, under its code."""
    below = [child for child in cls.__subclasses__() if child.__module__ == errors.__name__]
    return [cls, *(deep for child in below for deep in tree(child))]


def test_every_error_has_a_code_of_its_own():
    """Codes are unique, so they can stand in a protocol."""
    codes = [error.code for error in tree(errors.SightlineError)]
    assert len(set(codes)) == len(codes)


def test_input_errors_are_value_errors():
    """A caller who knows no Sightline can still catch a bad argument."""
    with pytest.raises(ValueError, match="too few"):
        raise errors.InputError("too few", hint="give more")
    assert issubclass(errors.NotFoundError, LookupError)


def test_a_message_shows_its_hint():
    """What is true, then what to do."""
    assert str(errors.ModelError("no weights", hint="install them")) == "no weights (install them)"

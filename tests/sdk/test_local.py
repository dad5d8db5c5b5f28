"""From a name to a runtime."""

import pytest

import sightline as sl


def test_the_same_model_is_loaded_once(embedded):
    """Loading again gives the same runtime."""
    assert sl.load() is embedded
    assert sl.load("embedded") is embedded


def test_a_folder_is_loaded_by_its_path(tiny_folder):
    """A path names a model as well."""
    assert sl.load(tiny_folder).info.model == "model"


def test_a_closed_model_is_loaded_again(tiny_folder):
    """Closing a shared runtime ends it for those who have it, not for those who load it next."""
    closed = sl.load(tiny_folder)
    closed.close()
    again = sl.load(tiny_folder)
    closed.close()
    assert sl.load(tiny_folder) is again
    with sl.Session(runtime=again, seed=1) as s:
        assert s.generate("a star").images


def test_an_unknown_name_says_what_there_is():
    """No such model is an InputError that names the default."""
    with pytest.raises(sl.InputError) as caught:
        sl.load("blip9")
    assert "embedded" in caught.value.hint


@pytest.mark.parametrize("device", ["banana", "mps", "cuda"])
def test_a_device_that_is_not_there_is_refused(tmp_path, device):
    """The device is judged before any file is read, and the hint names what there is."""
    torch = pytest.importorskip("torch")
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if there.get(device):
        pytest.skip(f"this machine has {device}")
    with pytest.raises(sl.InputError, match=f"there is no device '{device}'") as caught:
        sl.load(tmp_path, device=device)
    assert "cpu" in caught.value.hint


def test_a_folder_of_something_else_is_refused(tmp_path):
    """A folder without a config is not a model."""
    with pytest.raises(sl.ModelError, match=r"config\.json"):
        sl.load(tmp_path)


def test_a_session_without_a_runtime_uses_the_embedded_model(embedded):
    """The default works with nothing said."""
    with sl.Session(seed=1) as s:
        assert s.runtime.info.fingerprint == embedded.info.fingerprint
        drawn = s.generate("a star")
        assert drawn.image.size == (64, 64)
        assert s.replay().ok

"""A list of files as one folder: by name, whether they are files or links to files."""

import pytest

from sightline_runtime.errors import InputError
from sightline_runtime.models.gathered import gathered


def snapshot(folder):
    """Files as the hub's cache keeps them: links to blobs that are named by their digest."""
    links = []
    for number, name in enumerate(("config.json", "part/config.json", "model.safetensors")):
        blob, link = folder / "blobs" / f"b{number}", folder / "snapshots" / "main" / name
        for path in (blob, link):
            path.parent.mkdir(parents=True, exist_ok=True)
        blob.write_text(name)
        link.symlink_to(blob)
        links.append(link)
    return links


def test_links_keep_their_names_and_places(tmp_path):
    """A cached snapshot listed file by file is a folder of the same names."""
    with gathered(snapshot(tmp_path)) as folder:
        assert folder.name == "main"
        for name in ("config.json", "part/config.json", "model.safetensors"):
            assert (folder / name).read_text() == name
    assert not folder.exists()


def test_relative_files_are_found(tmp_path, monkeypatch):
    """From the folder where the caller stands, upwards too."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "config.json").write_text("{}")
    monkeypatch.chdir(tmp_path / "deep")
    with gathered(["../config.json"]) as folder:
        assert (folder / "config.json").read_text() == "{}"


def test_two_files_of_one_name_are_refused(tmp_path):
    """They would stand in one place."""
    files = []
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        for name in ("config.json", "x"):
            (tmp_path / place / name).write_text(place)
            files.append(tmp_path / place / name)
    with pytest.raises(InputError, match="two files are named config"), gathered(files):
        pass

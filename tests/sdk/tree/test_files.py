"""A session that strangers call opens no file."""

import pytest

from sightline.errors import InputError
from sightline.session import Session
from sightline_tools.image import encode_png


@pytest.mark.parametrize("kind", ["text", "path"])
@pytest.mark.parametrize("call", ["add", "edit", "understand", "region"])
def test_no_text_names_a_file_in_a_session_without_files(fake, tmp_path, call, kind):
    """A picture that is there on disk is refused in every place where a picture may stand."""
    with Session(runtime=fake, files=False) as s:
        drawn = s.generate("a red star")
        file = tmp_path / "secret.png"
        file.write_bytes(encode_png(drawn.image.numpy()))
        given = str(file) if kind == "text" else file
        calls = {
            "add": lambda: s.add(given),
            "edit": lambda: s.edit(given, "make the star blue"),
            "understand": lambda: s.understand(given, "what color is the star ?"),
            "region": lambda: s.edit(drawn, "make the star blue", region=given),
        }
        with pytest.raises(InputError, match="not a picture of this session"):
            calls[call]()
        assert s.add(file.read_bytes()).image.ref.pixels == drawn.image.ref.pixels

"""A list of files as one model folder, for weights that do not lie together."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from sightline_runtime.errors import InputError


@contextmanager
def gathered(files: Sequence[str | Path]) -> Iterator[Path]:
    """A folder of links to the files, for as long as the block lasts.

    The config.json nearest to the root says where the folder is: files below it keep their
    place, others come in by their name. Raises InputError if a file is not there, two
    would stand in one place, or none is a config.json.
    """
    # links keep their names: a cached snapshot is links to files that are named by their digest
    paths = [Path(os.path.normpath(Path(file).expanduser().absolute())) for file in files]
    missing = [str(path) for path in paths if not path.is_file()]
    if missing:
        raise InputError(f"no such files: {', '.join(missing)}", hint="list files, not folders")
    roots = sorted((len(p.parts), p.parent) for p in paths if p.name == "config.json")
    if not roots:
        raise InputError(
            f"none of the {len(paths)} files is a config.json", hint="list the model's config.json as well"
        )
    root = roots[0][1]
    with TemporaryDirectory(prefix="sightline-") as scratch:
        folder = Path(scratch) / root.name
        for path in paths:
            place = folder / (path.relative_to(root) if path.is_relative_to(root) else path.name)
            place.parent.mkdir(parents=True, exist_ok=True)
            if place.is_symlink():
                raise InputError(f"two files are named {place.name}", hint="list each file once")
            place.symlink_to(path)
        yield folder

"""From a name to a folder of files: the models of the catalogue, hub repositories, local folders.

Only files of the kinds in `catalogue.FETCHED` are fetched. A snapshot that is whole in the cache is used
as it is, without asking the network, unless a branch or a tag is named: a model does not change between
two runs. A connection that breaks is taken up where it broke; files that a stopped call has finished are
kept for the next one. Everything that can go wrong on the way is one error of Sightline's tree.
"""

import errno
import io
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sightline_runtime.errors import InputError, ModelError, NotFoundError, SightlineError
from sightline_runtime.models.catalogue import (
    CATALOGUE,
    FETCHED,
    HOW_TO_CONVERT,
    PICKLES,
    Model,
    by_hub_id,
    lacking,
    pickles_only,
    unmet,
)

if TYPE_CHECKING:
    from huggingface_hub import ModelInfo

Step = Callable[[str, int, int], None]
"""Told (what is done, bytes so far, bytes in all)."""

_ANSWER_WITHIN = 30.0
"""Seconds in which the hub must answer what a repository holds."""

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class _Wanted:
    """A snapshot that is asked for: repository, revision, cache folder, files it cannot be without."""

    repo: str
    revision: str | None
    cache: Path | None
    needs: tuple[str, ...]
    about_bytes: int = 0

    def __str__(self) -> str:
        return self.repo if self.revision is None else f"{self.repo} at {self.revision}"


def resolve(
    name: str | Path,
    *,
    revision: str | None = None,
    offline: bool = False,
    progress: Step | None = None,
    cache: Path | None = None,
) -> Path:
    """The folder of a model: of the catalogue, of the hub ("org/name"), or a local folder, which is itself.

    `revision` is a branch, a tag or a commit; `cache` a folder instead of the hub library's own; `offline`,
    or HF_HUB_OFFLINE in the environment, uses what is cached alone. Raises NotFoundError for a name, a
    repository or a revision that is not there, ModelError if the files cannot be had.
    """
    model = CATALOGUE.get(name) if isinstance(name, str) else None
    if model is not None and model.hub_id is None:
        return _shipped(model)
    if model is None and Path(name).expanduser().is_dir():
        return Path(name).expanduser()
    wanted = _wanted(name, model, revision, cache)
    return _cached(wanted, "this call is offline") if _offline() or offline else _fetched(wanted, progress)


def located(model: Model, *, cache: Path | None = None) -> Path | None:
    """Where a named model lies whole on this machine, None if it does not."""
    try:
        return resolve(model.name, offline=True, cache=cache)
    except SightlineError:
        return None


def _shipped(model: Model) -> Path:
    folder = Path(str(resources.files("sightline_runtime") / model.name))
    if missing := lacking(folder, model.needs):
        raise ModelError(
            f"the {model.name} model is not whole in this installation: {', '.join(missing)} is missing",
            hint="install sightline again from a wheel",
        )
    return folder


def _wanted(name: str | Path, model: Model | None, revision: str | None, cache: Path | None) -> _Wanted:
    if model is None and isinstance(name, str) and _HUB_ID.fullmatch(name):
        model = by_hub_id(name)
        if model is None:
            return _Wanted(name, revision, cache, Model.needs)
        return _Wanted(name, revision, cache, model.needs, model.download_bytes)
    if model is None and Path(name).expanduser().is_file():
        raise InputError(
            f"{name} is a file, not a model folder",
            hint=HOW_TO_CONVERT if str(name).endswith(PICKLES) else "give its folder, or a list of all files",
        )
    if model is None or model.hub_id is None:
        raise NotFoundError(
            f"there is no model named {str(name)!r}, nor a folder of that name",
            hint=f"use {', '.join(CATALOGUE)}, a hub id like org/name, or the path of a model folder",
        )
    return _Wanted(model.hub_id, revision, cache, model.needs, model.download_bytes)


# --- what is here ----------------------------------------------------------------------------


def _offline() -> bool:
    """Whether the environment forbids the network; ModelError without the library that reaches it."""
    try:
        from huggingface_hub import constants
    except ImportError as error:
        raise ModelError(
            f"a model of the hub needs a package that is not installed: {error.name}",
            hint="pip install 'sightline[local]'",
        ) from error
    return bool(constants.HF_HUB_OFFLINE)


def _cached(wanted: _Wanted, why: str) -> Path:
    """The snapshot in the cache; ModelError, saying why the network was not used, if it is not whole."""
    from huggingface_hub import errors, snapshot_download

    asked = "allow the network (HF_HUB_OFFLINE=0) and call again, or give a folder that holds the files"
    try:
        folder = snapshot_download(
            wanted.repo,
            revision=wanted.revision,
            cache_dir=wanted.cache,
            allow_patterns=list(FETCHED),
            local_files_only=True,
        )
    except errors.LocalEntryNotFoundError as error:
        part = isinstance(error, getattr(errors, "IncompleteSnapshotError", ()))
        found = "only a part of it is cached" if part else "it is not cached"
        raise ModelError(f"{wanted} is not on this machine: {found} and {why}", hint=asked) from error
    if missing := lacking(Path(folder), wanted.needs):
        raise ModelError(f"{wanted} is cached without {', '.join(missing)}, and {why}", hint=asked)
    return Path(folder)


def _held(wanted: _Wanted) -> Path | None:
    """A whole cached snapshot that need not be asked for again: no revision is named, or a commit is."""
    if wanted.revision is not None and not _COMMIT.fullmatch(wanted.revision):
        return None
    try:
        return _cached(wanted, "the network was not asked")
    except ModelError:
        return None


# --- what is fetched -------------------------------------------------------------------------


def _fetched(wanted: _Wanted, progress: Step | None) -> Path:
    """The snapshot, fetched as far as it is not cached."""
    from huggingface_hub import errors, snapshot_download

    if held := _held(wanted):
        return held
    try:
        listed = _listed(wanted)
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError) as error:
        raise _refused(error, wanted) from error
    except Exception as error:  # noqa: BLE001 - the library's transports raise errors of their own
        return _cached(wanted, f"the hub could not be asked ({_brief(error)})")
    sizes = {file.rfilename: file.size or 0 for file in listed.siblings or () if _allowed(file.rfilename)}
    _check_offer(wanted, [file.rfilename for file in listed.siblings or ()], list(sizes))
    left = _left(wanted, listed.sha or "", sizes)
    _check_room(wanted, left)
    with _explained(wanted):
        folder = snapshot_download(
            wanted.repo,
            revision=wanted.revision,
            cache_dir=wanted.cache,
            allow_patterns=list(FETCHED),
            tqdm_class=_bar(progress, left),
        )
    if progress is not None and left:
        progress("download", left, left)
    if missing := lacking(Path(folder), wanted.needs):
        raise ModelError(f"{wanted} lacks {', '.join(missing)}", hint="choose another revision of it")
    return Path(folder)


def _listed(wanted: _Wanted) -> "ModelInfo":
    from huggingface_hub import HfApi

    return HfApi().model_info(
        wanted.repo, revision=wanted.revision or "main", timeout=_ANSWER_WITHIN, files_metadata=True
    )


def _allowed(file: str) -> bool:
    return any(not unmet([file], [pattern]) for pattern in FETCHED)


def _check_offer(wanted: _Wanted, files: list[str], allowed: list[str]) -> None:
    """Refuse a repository that is not such a model, before anything of it is fetched."""
    if pickles := pickles_only(files):
        raise ModelError(f"{wanted} holds its weights only in {', '.join(pickles)}", hint=HOW_TO_CONVERT)
    if missing := unmet(allowed, wanted.needs):
        raise ModelError(
            f"{wanted} is not a model that can be loaded: it has no {', '.join(missing)}",
            hint="check the name; `sightline models` lists what is known",
        )


def _left(wanted: _Wanted, commit: str, sizes: dict[str, int]) -> int:
    """Bytes that are not yet in the cache; what the catalogue says where the hub does not."""
    from huggingface_hub import try_to_load_from_cache

    def cached(file: str) -> bool:
        found = try_to_load_from_cache(wanted.repo, file, cache_dir=wanted.cache, revision=commit)
        return isinstance(found, str)

    if not any(sizes.values()):
        return wanted.about_bytes
    return sum(size for file, size in sizes.items() if not cached(file))


def _check_room(wanted: _Wanted, left: int) -> None:
    from huggingface_hub import constants

    cache = (wanted.cache or Path(constants.HF_HUB_CACHE)).expanduser().absolute()
    there = next(folder for folder in (cache, *cache.parents) if folder.exists())
    free = shutil.disk_usage(there).free
    if free < left:
        raise _no_room(f"{wanted} needs {_size(left)} on the disk of {cache}, {_size(free)} are free")


def _size(number: int) -> str:
    return f"{number / 1e9:.1f} GB" if number >= 10**8 else f"{number / 1e6:.1f} MB"


def _bar(progress: Step | None, left: int) -> type[Any]:
    """A tqdm that draws nothing; it tells `progress` how many bytes have come."""
    from huggingface_hub.utils.tqdm import tqdm

    class Bar(tqdm):
        monitor_interval = 0

        def __init__(self, *args: object, **options: object) -> None:
            options |= {"file": io.StringIO(), "disable": False}
            super().__init__(*args, **options)  # type: ignore[no-untyped-call]

        def display(self, *_: object, **__: object) -> None:
            if progress is not None and self.unit == "B":
                progress("download", min(int(self.n), left), left)

    return Bar


# --- what goes wrong -------------------------------------------------------------------------


@contextmanager
def _explained(wanted: _Wanted) -> Iterator[None]:
    """Turn whatever ends a download into one error of the tree."""
    from huggingface_hub import errors

    try:
        yield
    except errors.HfHubHTTPError as error:
        raise _refused(error, wanted) from error
    except Exception as error:
        if _full(error):
            raise _no_room(f"the disk became full while {wanted} was fetched") from error
        raise ModelError(
            f"the download of {wanted} was interrupted: {_brief(error)}",
            hint="call again: files that are whole are kept, the others are fetched",
        ) from error


def _refused(error: Exception, wanted: _Wanted) -> SightlineError:
    """What an answer of the hub other than yes means."""
    from huggingface_hub import errors

    if isinstance(error, errors.GatedRepoError):
        return ModelError(
            f"{wanted} is gated: the hub gives it only to accounts that accepted its licence",
            hint=f"accept the licence on the page of {wanted.repo}, then set HF_TOKEN to a token of yours",
        )
    if isinstance(error, errors.RepositoryNotFoundError):
        return NotFoundError(
            f"there is no repository {wanted.repo} on the hub, nor a folder of that name",
            hint="check the name; a private repository needs HF_TOKEN",
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return NotFoundError(
            f"{wanted.repo} has no revision {wanted.revision!r}", hint="use a branch, a tag or a full commit"
        )
    return ModelError(f"the hub did not give {wanted}: {_brief(error)}", hint="try again later")


def _no_room(message: str) -> ModelError:
    return ModelError(message, hint="free some space, or set HF_HOME to a folder on a larger disk")


def _full(error: BaseException | None) -> bool:
    """Whether an error, or one that led to it, is a full disk."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        error = error.__cause__ or error.__context__
    return False


def _brief(error: BaseException) -> str:
    """An error's name and its first line."""
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}".rstrip(": ")

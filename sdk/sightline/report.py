"""The report: a whole session as one HTML file that opens offline.

Branches are shown one after the other; steps that a branch shares with an
earlier one are shown once. All text is escaped.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from jinja2 import StrictUndefined
from jinja2.sandbox import SandboxedEnvironment

from sightline.errors import CorruptStoreError, InputError, SightlineError
from sightline.results import Picture, data_uri, shown_png
from sightline.store.database import Row, Store
from sightline.store.opening import MAIN
from sightline.tree.execute import Executor
from sightline.tree.explain import status
from sightline.tree.line import rows
from sightline.tree.recipe import plain
from sightline.tree.steps import Step
from sightline_tools.image import Image
from sightline_tools.locality import Locality

_WIDTH = 160
_TOLD = {"image", "images", "before", "text", "confidence", "probabilities", "plans", "warnings", "changed"}
_TOLD |= {"localities"}
"""Outputs that have a place of their own; all others are listed by name."""
_CACHED = {"hit": "found again", "partial": "features kept", "miss": ""}
_BLANK: dict[str, object] = dict.fromkeys(
    ("seconds", "cached", "asked", "answer", "choices", "facts", "plans", "pictures", "details"), ()
)


def report_page(executor: Executor) -> str:
    """The report of a session as HTML."""
    source = resources.files("sightline").joinpath("templates/report.html.j2").read_text()
    environment = SandboxedEnvironment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    branches = _branches(executor)
    return environment.from_string(source).render(
        title=_title(executor.store),
        model=_models(executor),
        branches=branches,
    )


def write_report(executor: Executor, path: Path) -> Path:
    """Write the report of a session and give its path back."""
    page = report_page(executor)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"the report cannot be written to {path}: {error.strerror}", hint="give another path"
        ) from error
    return path


def _title(store: Store) -> str:
    """The name of a session: its own in a store of many, else that of its folder."""
    if store.session != MAIN:
        return store.session
    return store.path.name if store.path else "Sightline session"


def _models(executor: Executor) -> str:
    """The models that made the steps, by the names that were noted: a report needs no runtime."""
    fingerprints = {str(row["fingerprint"]) for row in executor.store.database.steps()} - {""}
    named = (f"{executor.models.name(mark)} {mark[:8]}".strip() for mark in fingerprints)
    return ", ".join(sorted(named)) or "none"


def _branches(executor: Executor) -> list[dict[str, object]]:
    current = executor.store.database.get_ref("head", "HEAD")
    shown: set[object] = set()
    branches: list[dict[str, object]] = []
    tips = executor.refs.branches()
    for name in sorted(tips, key=lambda branch: (branch != "main", branch)):
        steps = rows(executor.store, tips[name])[::-1]
        new = [row for row in steps if row["id"] not in shown]
        shared = new[0]["parent"] if new else (steps[-1]["id"] if steps else None)
        shown |= {row["id"] for row in new}
        is_current = current is not None and current.target == name
        shown_steps = [_shown(executor, row) for row in new]
        branches.append({"name": name, "current": is_current, "shared": shared, "steps": shown_steps})
    return branches


def _shown(executor: Executor, row: Row) -> dict[str, object]:
    try:
        shown = _step(executor, Step.from_row(row))
    except CorruptStoreError as error:  # a damaged step must not hide the others
        shown = {**_BLANK, "warnings": [str(error)]}
    tags = [name for name, step in executor.refs.tags().items() if step == row["id"]]
    return {"id": row["id"], "tool": row["tool"], "tags": tags, **shown}


def _step(executor: Executor, step: Step) -> dict[str, object]:
    outputs = step.values()
    shares = outputs.get("probabilities")
    choices = shares.items() if isinstance(shares, dict) else ()
    names = ("prompt", "question", "instruction", "message")
    asked = next((step.args[name] for name in names if name in step.args), "")
    confidence = outputs.get("confidence")
    return {
        "seconds": f"{step.seconds:.2f} s",
        "cached": _CACHED[status(executor.store, step).status],
        "asked": asked,
        "answer": outputs.get("text", ""),
        "confidence": f"{confidence:.2f}" if isinstance(confidence, float) else "",
        "choices": [{"text": text, "percent": round(100 * share)} for text, share in choices],
        "facts": {name: _fact(value) for name, value in outputs.items() if name not in _TOLD}
        | _local(outputs),
        "plans": [text for text in _texts(outputs.get("plans")) if text],
        "warnings": _texts(outputs.get("warnings")),
        "pictures": _pictures(executor, step),
        "details": json.dumps(
            {"args": plain(step.args), "seeds": step.seeds, "recipe": step.recipe}, indent=1
        ),
    }


def _local(outputs: Mapping[str, object]) -> dict[str, str]:
    """Where an edit changed its pictures."""
    told = outputs.get("localities")
    lines = [str(Locality.model_validate(one)) for one in told] if isinstance(told, list) else []
    return {"change": "; ".join(lines)} if lines else {}


def _fact(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _texts(value: object) -> list[str]:
    return [str(text) for text in value] if isinstance(value, list) else []


def _pictures(executor: Executor, step: Step) -> list[dict[str, object]]:
    read = [] if step.tool == "add" else [digest for arg in step.args.values() for digest in _digests(arg)]
    looked_at = [("looked at" if step.tool == "understand" else "from", digest) for digest in read]
    return [
        _picture(executor, caption, digest)
        for caption, digest in [*looked_at, *(("", d) for d in step.images())]
    ]


def _digests(value: object) -> list[str]:
    """The pictures of an argument: one, or a list of them."""
    items = value if isinstance(value, list) else [value]
    return [str(item["$image"]) for item in items if isinstance(item, dict) and "$image" in item]


def _picture(executor: Executor, caption: str, digest: str) -> dict[str, object]:
    try:
        ref: Image = executor.pictures.reference(digest)
        picture: Picture = executor.pictures.bound(ref)
        uri = data_uri(shown_png(picture.numpy(), _WIDTH))
    except SightlineError as error:  # a damaged picture must not hide the others
        return {"uri": "", "width": _WIDTH, "alt": str(error), "caption": f"{caption} {error.message}"}
    label = f"{caption} {picture.alias or digest[:8]} · {ref.width}x{ref.height}".strip()
    return {"uri": uri, "width": _WIDTH, "alt": f"picture {digest[:8]}", "caption": label}

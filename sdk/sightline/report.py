"""The report: a whole session as one HTML file that opens offline.

Branches are shown one after the other; steps that a branch shares with an
earlier one are shown once. All text is escaped.
"""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

from jinja2 import StrictUndefined
from jinja2.sandbox import SandboxedEnvironment

from sightline.errors import InputError, SightlineError
from sightline.results import Picture, data_uri, shown_png
from sightline.tree.diff import chain
from sightline.tree.execute import Executor
from sightline.tree.recipe import plain
from sightline.tree.steps import Step
from sightline_tools.image import Image

_WIDTH = 160


def write_report(executor: Executor, path: Path) -> Path:
    """Write the report of a session and give its path back."""
    source = resources.files("sightline").joinpath("templates/report.html.j2").read_text()
    environment = SandboxedEnvironment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    branches = _branches(executor)
    page = environment.from_string(source).render(
        title=executor.store.path.name if executor.store.path else "Sightline session",
        model=_models(executor),
        branches=branches,
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"the report cannot be written to {path}: {error.strerror}", hint="give another path"
        ) from error
    return path


def _models(executor: Executor) -> str:
    """The models that made the steps, by their fingerprints: a report needs no runtime."""
    tips = executor.refs.branches().values()
    fingerprints = [step.fingerprint[:8] for tip in tips for step in chain(executor.store, tip)]
    return ", ".join(dict.fromkeys(filter(None, fingerprints))) or "none"


def _branches(executor: Executor) -> list[dict[str, object]]:
    current, _ = executor.refs.head()
    shown: set[str] = set()
    branches: list[dict[str, object]] = []
    tips = executor.refs.branches()
    for name in sorted(tips, key=lambda branch: (branch != "main", branch)):
        steps = chain(executor.store, tips[name])[::-1]
        new = [step for step in steps if step.id not in shown]
        shared = new[0].parent if new and new[0].parent else (steps[-1].id if steps and not new else None)
        shown |= {step.id for step in new}
        shown_steps = [_step(executor, step) for step in new]
        branches.append({"name": name, "current": name == current, "shared": shared, "steps": shown_steps})
    return branches


def _step(executor: Executor, step: Step) -> dict[str, object]:
    outputs = step.values()
    shares = outputs.get("probabilities")
    choices = shares.items() if isinstance(shares, dict) else ()
    asked = next((step.args[name] for name in ("prompt", "question", "instruction") if name in step.args), "")
    confidence = outputs.get("confidence")
    return {
        "id": step.id,
        "tool": step.tool,
        "seconds": f"{step.seconds:.2f} s",
        "cached": step.status == "done"
        and not step.usage
        and step.tool not in ("add",)
        and bool(step.fingerprint),
        "asked": asked,
        "answer": outputs.get("text", ""),
        "confidence": f"{confidence:.2f}" if isinstance(confidence, float) else "",
        "choices": [{"text": text, "percent": round(100 * share)} for text, share in choices],
        "plans": [text for text in _texts(outputs.get("plans")) if text],
        "warnings": _texts(outputs.get("warnings")),
        "pictures": _pictures(executor, step),
        "details": json.dumps(
            {"args": plain(step.args), "seeds": step.seeds, "recipe": step.recipe}, indent=1
        ),
    }


def _texts(value: object) -> list[str]:
    return [str(text) for text in value] if isinstance(value, list) else []


def _pictures(executor: Executor, step: Step) -> list[dict[str, object]]:
    read = [value["$image"] for value in step.args.values() if isinstance(value, dict) and "$image" in value]
    looked_at = [("looked at" if step.tool == "understand" else "from", str(digest)) for digest in read]
    if step.tool == "add":
        looked_at = []
    return [
        _picture(executor, caption, digest)
        for caption, digest in [*looked_at, *(("", d) for d in step.images())]
    ]


def _picture(executor: Executor, caption: str, digest: str) -> dict[str, object]:
    try:
        ref: Image = executor.reference(digest)
        picture: Picture = executor.picture(ref)
        uri = data_uri(shown_png(picture.numpy(), _WIDTH))
    except SightlineError as error:  # a damaged picture must not hide the others
        return {"uri": "", "width": _WIDTH, "alt": str(error), "caption": f"{caption} {error.message}"}
    label = f"{caption} {digest[:8]} · {ref.width}x{ref.height}".strip()
    return {"uri": uri, "width": _WIDTH, "alt": f"picture {digest[:8]}", "caption": label}

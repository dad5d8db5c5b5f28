"""What an MCP client can read: the sessions, each one's tree and report, and its pictures in full size."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote

import mcp_types as types

from sightline.errors import NotFoundError, TooLargeError
from sightline.report import report_page
from sightline.server.placing import executor_of
from sightline.server.tenants import Tenants
from sightline.session import Session
from sightline.toolset.naming import reference
from sightline.tree.execute import Executor
from sightline.tree.outline import Node

SESSIONS = "sightline://sessions"
"""The list of sessions; what belongs to a session has a path: sightline://cats/tree."""

LARGEST = 16 * 2**20
"""Bytes of a resource; what is larger is told how to get it smaller."""
_NODES = 200
"""Steps that a session's JSON shows: the newest."""
_REPORTED = 500
"""Steps of a session whose report is written: it holds every picture, which takes its time."""
_LINES = 2000
"""Lines of a tree that are shown: the newest."""
_DAY = 24 * 3600 * 1000
"""Milliseconds for which a picture by digest may be kept: it never changes."""
_PAGE = 50
"""Sessions on one page of the list."""

_URI = re.compile(r"sightline://([^/?#]{1,64})/(state|tree|report|images/([^/?#]{1,80}))")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Kind:
    """A kind of resource of a session: its address, what it is, and how it is read."""

    path: str
    name: str
    title: str
    media_type: str
    description: str
    read: Callable[[Session, str], str | bytes]


def listed(tenants: Tenants, tenant: str, cursor: str | None) -> types.ListResourcesResult:
    """The list of sessions, and of each session its own resources; pictures are found from there."""
    names = [name for name in tenants.names(tenant) if cursor is None or name > cursor]
    first = (
        []
        if cursor
        else [_resource(SESSIONS, "sessions", "All sessions", _JSON, "the names of all sessions")]
    )
    found = [
        _resource(
            f"sightline://{name}{kind.path}", f"{name} {kind.name}", f"{kind.title} of {name}", *_told(kind)
        )
        for name in names[:_PAGE]
        for kind in _OF_SESSION
    ]
    more = names[_PAGE - 1] if len(names) > _PAGE else None
    return types.ListResourcesResult(
        resources=[*first, *found], next_cursor=more, ttl_ms=0, cache_scope="private"
    )


def _told(kind: Kind) -> tuple[str, str]:
    return kind.media_type, kind.description


def templates() -> list[types.ResourceTemplate]:
    """The addresses of everything that belongs to a session."""
    return [
        types.ResourceTemplate(
            uri_template="sightline://{session}" + kind.path,
            name=kind.name,
            title=kind.title,
            mime_type=kind.media_type,
            description=kind.description,
        )
        for kind in (*_OF_SESSION, _IMAGE)
    ]


def read(tenants: Tenants, tenant: str, uri: str) -> types.ReadResourceResult:
    """What stands at an address; NotFoundError if nothing does, TooLargeError for what cannot be sent."""
    if uri == SESSIONS:
        found = [{"name": name, "uri": f"sightline://{name}/state"} for name in tenants.names(tenant)]
        return _contents(uri, _JSON, json.dumps({"sessions": found}))
    parts = _URI.fullmatch(uri)
    if parts is None:
        raise NotFoundError(
            f"there is no resource {uri[:200]!r}",
            hint=f"{SESSIONS} lists the sessions; /state, /tree, … follow a name",
        )
    name, path, picture = parts.groups()
    kind = _IMAGE if picture else next(kind for kind in _OF_SESSION if kind.path == f"/{path}")
    with tenants.session(tenant, unquote(name), create=False) as session:
        return _contents(uri, kind.media_type, kind.read(session, unquote(picture or "")))


def _contents(uri: str, media_type: str, body: str | bytes) -> types.ReadResourceResult:
    size = len(body if isinstance(body, bytes) else body.encode())
    if size > LARGEST:
        raise TooLargeError(
            f"{uri} has {size} bytes, more than {LARGEST}",
            hint="resize or crop the picture, or read it over HTTP",
        )
    content: types.TextResourceContents | types.BlobResourceContents
    if isinstance(body, bytes):
        blob = base64.b64encode(body).decode()
        content = types.BlobResourceContents(uri=uri, mime_type=media_type, blob=blob)
    else:
        content = types.TextResourceContents(uri=uri, mime_type=media_type, text=body)
    lasts = _DAY if _DIGEST.fullmatch(uri.rsplit("/", 1)[-1]) else 0
    return types.ReadResourceResult(contents=[content], ttl_ms=lasts, cache_scope="private")


def _resource(uri: str, name: str, title: str, media_type: str, description: str) -> types.Resource:
    return types.Resource(uri=uri, name=name, title=title, mime_type=media_type, description=description)


# --- reading ---------------------------------------------------------------------------------


def _session_json(session: Session, _: str) -> str:
    """A session as data: where its branches and tags stand, and its newest steps."""
    outline = session.tree()
    nodes = [_node(executor_of(session), node) for node in outline.nodes[-_NODES:]]
    head = {"branch": outline.head[0], "step": outline.head[1]}
    told = {"session": session.name, "head": head, "branches": dict(outline.branches)}
    return json.dumps({**told, "tags": dict(outline.tags), "count": len(outline.nodes), "steps": nodes})


def _node(executor: Executor, node: Node) -> dict[str, object]:
    pictures = [reference(executor, picture.ref) for picture in node.pictures]
    line = {"id": node.id, "tool": node.tool, "summary": node.summary, "parent": node.parent}
    return {**line, "branches": node.branches, "tags": node.tags, "images": pictures}


def _tree_text(session: Session, _: str) -> str:
    """A session's tree, as `sightline tree` prints it."""
    lines = str(session.tree()).splitlines()
    left_out = len(lines) - _LINES
    return "\n".join([f"… {left_out} earlier lines", *lines[left_out:]] if left_out > 0 else lines)


def _report(session: Session, _: str) -> str:
    """A session's report: one page that needs nothing else."""
    steps = executor_of(session).store.database.count_steps()
    if steps > _REPORTED:
        raise TooLargeError(
            f"the session has {steps} steps, a report here shows at most {_REPORTED}",
            hint="read its tree or its state",
        )
    return report_page(executor_of(session))


def _picture(session: Session, name: str) -> bytes:
    """The file of a picture, byte for byte as it is stored."""
    executor = executor_of(session)
    ref = executor.pictures.named(f"sha256:{name}" if _DIGEST.fullmatch(name) else name)
    return executor.store.objects.get(ref.blob)


_JSON = "application/json"
_OF_SESSION = (
    Kind(
        "/state",
        "state",
        "State",
        _JSON,
        "branches, tags and newest steps, with their pictures",
        _session_json,
    ),
    Kind("/tree", "tree", "Tree", "text/plain", "every branch and step as text", _tree_text),
    Kind("/report", "report", "Report", "text/html", "the whole session as one page", _report),
)
_IMAGE = Kind(
    "/images/{image}",
    "image",
    "Picture",
    "image/png",
    "a picture in full size, by img1, img2 … or the digest of its pixels",
    _picture,
)

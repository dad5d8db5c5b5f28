"""Routes of sessions: make, list and look at them, and move their branches."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from sightline.errors import ConflictError
from sightline.server.borrowing import on_session
from sightline.server.house import House, house_of
from sightline.server.placing import executor_of, on_branch
from sightline.server.problem_forms import refusals
from sightline.server.session_forms import (
    HeadInfo,
    NewRef,
    NewSession,
    RefInfo,
    RefText,
    SessionInfo,
    SessionList,
    SessionName,
    Steps,
    Switch,
)
from sightline.server.showing import session_info
from sightline.server.tool_routes import SessionCaller
from sightline.server.work import run
from sightline.session import Session

router = APIRouter(prefix="/v1/sessions", tags=["sessions"])

_ONE = Steps.model_validate({})
_MADE: dict[int | str, dict[str, object]] = {
    200: {"model": SessionInfo, "description": "it was there already"}
}


@router.post(
    "",
    summary="Make a session",
    status_code=201,
    responses={**_MADE, **refusals(409)},
    response_model=SessionInfo,
)
async def create_session(
    request: Request, caller: SessionCaller, new: NewSession, response: Response
) -> SessionInfo:
    """Make a session, or open the one of that name; 409 if that one has another seed."""
    house = house_of(request)
    info, made = await run(request, house.crew, lambda: _created(house, caller.tenant, new))
    response.status_code = 201 if made else 200
    return info


@router.get("", summary="List the sessions", responses=refusals())
async def list_sessions(request: Request, caller: SessionCaller) -> SessionList:
    """Give the names of all sessions of the caller's tenant."""
    house = house_of(request)
    return SessionList(sessions=await run(request, house.crew, lambda: house.tenants.names(caller.tenant)))


@router.get("/{name}", summary="Look at a session", responses=refusals(404))
async def get_session(request: Request, caller: SessionCaller, name: SessionName) -> SessionInfo:
    """Tell where the branches and tags of a session stand, and how much it holds."""
    return await on_session(request, caller, name, session_info)


@router.post("/{name}/branches", summary="Make a branch", status_code=201, responses=refusals(404))
async def make_branch(request: Request, caller: SessionCaller, name: SessionName, new: NewRef) -> RefInfo:
    """Make a branch at a step; the current branch stays the current one."""

    def work(session: Session) -> RefInfo:
        session.branch(new.name, at=new.at)
        return RefInfo(name=new.name, step=session.branches[new.name])

    return await on_session(request, caller, name, work)


@router.delete("/{name}/branches/{branch:path}", summary="Remove a branch", responses=refusals(404, 409))
async def drop_branch(
    request: Request,
    caller: SessionCaller,
    name: SessionName,
    branch: Annotated[RefText, Path(examples=["try-blue"])],
) -> SessionInfo:
    """Remove a branch that is not the current one; its steps stay."""

    def work(session: Session) -> SessionInfo:
        session.branches  # noqa: B018 - sees where the branch stands now
        session.drop(branch)
        return session_info(session)

    return await on_session(request, caller, name, work)


@router.post("/{name}/tags", summary="Name a step", status_code=201, responses=refusals(404))
async def make_tag(request: Request, caller: SessionCaller, name: SessionName, new: NewRef) -> RefInfo:
    """Give a step a name that stays."""

    def work(session: Session) -> RefInfo:
        session.tag(new.name, at=new.at)
        return RefInfo(name=new.name, step=session.tags[new.name])

    return await on_session(request, caller, name, work)


@router.post("/{name}/checkout", summary="Switch the current branch", responses=refusals(404))
async def check_out(request: Request, caller: SessionCaller, name: SessionName, to: Switch) -> HeadInfo:
    """Make a branch the one that calls without `at` go on, for all clients of the session."""

    def work(session: Session) -> HeadInfo:
        session.checkout(to.branch)
        return HeadInfo(branch=session.head[0], step=session.head[1])

    return await on_session(request, caller, name, work)


@router.post("/{name}/undo", summary="Move a branch back", responses=refusals(404, 409))
async def undo(request: Request, caller: SessionCaller, name: SessionName, steps: Steps = _ONE) -> RefInfo:
    """Move a branch back; nothing is deleted. With `expect` a repeated request moves it only once."""
    return await on_session(request, caller, name, lambda session: _moved(session, steps, back=True))


@router.post("/{name}/redo", summary="Take back an undo", responses=refusals(404, 409))
async def redo(request: Request, caller: SessionCaller, name: SessionName, steps: Steps = _ONE) -> RefInfo:
    """Move a branch forward again to where it was before an undo."""
    return await on_session(request, caller, name, lambda session: _moved(session, steps, back=False))


def _created(house: House, tenant: str, new: NewSession) -> tuple[SessionInfo, bool]:
    made = new.name not in house.tenants.names(tenant)
    with house.tenants.session(tenant, new.name, seed=new.seed) as session:
        if new.seed is not None and executor_of(session).seed != new.seed:
            raise ConflictError(
                f"session {new.name!r} has another seed", hint="leave the seed out, or choose another name"
            )
        return session_info(session), made


def _moved(session: Session, steps: Steps, *, back: bool) -> RefInfo:
    view = on_branch(session, steps.branch, steps.expect)
    step = view.undo(steps.n) if back else view.redo(steps.n)
    return RefInfo(name=view.head[0], step=None if step is None else step.id)

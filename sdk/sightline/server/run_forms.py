"""Forms of runs: work under way, to look at, to follow and to cancel."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from sightline.server.problem_forms import Problem, ProblemDetail
from sightline.server.problems import body_of
from sightline.server.runs import Run
from sightline.server.session_forms import Answer

_RUN = "0b6f7d3a9c1e4f5d8a2b7c6e5f4d3a21"


class RunInfo(BaseModel):
    """A run: its state, and what came of it once it has ended.

    The answer's step is in the session's log before the state says `done`.
    """

    id: str = Field(examples=[_RUN])
    session: str = Field(examples=["cats"])
    tool: str = Field(examples=["generate"])
    state: Literal["running", "done", "failed", "cancelled"] = Field(examples=["running"])
    events: str = Field(description="where to follow it", examples=[f"/v1/runs/{_RUN}/events"])
    answer: Answer | None = Field(None, examples=[None])
    error: ProblemDetail | None = Field(None, examples=[None])


def run_info(run: Run) -> RunInfo:
    """A run as it is now."""
    return RunInfo(
        id=run.id,
        session=run.session,
        tool=run.tool,
        state=run.state,
        events=f"/v1/runs/{run.id}/events",
        answer=run.answer,
        error=None if run.error is None else Problem.model_validate(body_of(run.error)).error,
    )

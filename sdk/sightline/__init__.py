"""Sightline: visual reasoning with one unified multimodal model.

    import sightline as sl

    with sl.Session("cats.sightline", seed=7) as s:
        a = s.generate("a red circle left of a blue square")
        print(s.understand(a, "what color is the square ?").text)
        b = s.edit(a, "make the circle green")

Names load what they need when they are first used: importing sightline is cheap.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sightline.aio import AsyncSession
    from sightline.arrival import import_session
    from sightline.chat.reply import Reply
    from sightline.chat.trim import Trim
    from sightline.errors import (
        BudgetError,
        BusyError,
        CancelledError,
        ConflictError,
        CorruptStoreError,
        DeadlineError,
        EngineError,
        ForbiddenError,
        ImageError,
        InputError,
        ModelError,
        NotFoundError,
        SightlineError,
        StaleHeadError,
        StoreError,
        TooLargeError,
        UnauthorizedError,
    )
    from sightline.lineage import Lineage
    from sightline.local import load
    from sightline.planner.client import Planner
    from sightline.planner.driving import drive
    from sightline.reasoning.brains import Elsewhere, Own
    from sightline.reasoning.claims import Check
    from sightline.reasoning.judges import ClipJudge
    from sightline.reasoning.outcome import Outcome
    from sightline.reasoning.planners import Rules, Written
    from sightline.reasoning.plans.estimate import Estimate
    from sightline.reasoning.plans.plan import Plan
    from sightline.reasoning.plans.running import PlanRun
    from sightline.reasoning.strategies.beam import Beam
    from sightline.reasoning.strategies.best_of import BestOf
    from sightline.reasoning.strategies.direct import Direct
    from sightline.reasoning.strategies.plan_execute import PlanExecute
    from sightline.reasoning.strategies.react import ReAct
    from sightline.reasoning.strategies.refine import Refine
    from sightline.reasoning.strategies.self_consistency import SelfConsistency
    from sightline.reasoning.verify import Verdict
    from sightline.remote import AsyncRuntime, connect
    from sightline.results import Answered, Cache, Drawn, Edited, Made, Picture, Result
    from sightline.session import Session
    from sightline.store.sweep import Swept
    from sightline.streaming import Calling, Done
    from sightline.toolset.budgets import Budget
    from sightline.toolset.toolset import Toolset
    from sightline.tree.bisection import Bisection
    from sightline.tree.diff import Difference
    from sightline.tree.drift import Drift
    from sightline.tree.explain import Explanation
    from sightline.tree.flatten import Flattened
    from sightline.tree.history import Move
    from sightline.tree.mapping import RunReport
    from sightline.tree.outline import Outline
    from sightline.tree.recreation import Recreation
    from sightline.tree.replay import Replay
    from sightline.tree.rerun import Rerun
    from sightline.tree.search import Found
    from sightline.tree.steps import Step
    from sightline.tree.view import View
    from sightline.tree.workflow import Workflow
    from sightline_runtime.protocol import Preview, Progress, Runtime, TextDelta
    from sightline_runtime.testing import FakeRuntime, FaultyRuntime, ScriptedRuntime
    from sightline_tools.image import Image
    from sightline_tools.locality import Locality
    from sightline_tools.region import Region
    from sightline_tools.tool import Tool, ToolContext, tool
    from sightline_tools.toolbox import Toolbox

__version__ = "0.1.0"

_PLACES = {
    "sightline.aio": ("AsyncSession",),
    "sightline.arrival": ("import_session",),
    "sightline.chat.reply": ("Reply",),
    "sightline.chat.trim": ("Trim",),
    "sightline.local": ("load",),
    "sightline.errors": (
        "BudgetError",
        "BusyError",
        "CancelledError",
        "ConflictError",
        "CorruptStoreError",
        "DeadlineError",
        "EngineError",
        "ForbiddenError",
        "ImageError",
        "InputError",
        "ModelError",
        "NotFoundError",
        "SightlineError",
        "StaleHeadError",
        "StoreError",
        "TooLargeError",
        "UnauthorizedError",
    ),
    "sightline.lineage": ("Lineage",),
    "sightline.planner.client": ("Planner",),
    "sightline.planner.driving": ("drive",),
    "sightline.reasoning.brains": ("Elsewhere", "Own"),
    "sightline.reasoning.claims": ("Check",),
    "sightline.reasoning.outcome": ("Outcome",),
    "sightline.reasoning.planners": ("Rules", "Written"),
    "sightline.reasoning.plans.estimate": ("Estimate",),
    "sightline.reasoning.plans.plan": ("Plan",),
    "sightline.reasoning.plans.running": ("PlanRun",),
    "sightline.reasoning.strategies.beam": ("Beam",),
    "sightline.reasoning.strategies.best_of": ("BestOf",),
    "sightline.reasoning.strategies.direct": ("Direct",),
    "sightline.reasoning.strategies.plan_execute": ("PlanExecute",),
    "sightline.reasoning.strategies.react": ("ReAct",),
    "sightline.reasoning.strategies.refine": ("Refine",),
    "sightline.reasoning.strategies.self_consistency": ("SelfConsistency",),
    "sightline.reasoning.verify": ("Verdict",),
    "sightline.reasoning.judges": ("ClipJudge",),
    "sightline.remote": ("AsyncRuntime", "connect"),
    "sightline.results": ("Answered", "Cache", "Drawn", "Edited", "Made", "Picture", "Result"),
    "sightline.session": ("Session",),
    "sightline.streaming": ("Calling", "Done"),
    "sightline.toolset.budgets": ("Budget",),
    "sightline.toolset.toolset": ("Toolset",),
    "sightline.tree.bisection": ("Bisection",),
    "sightline.tree.diff": ("Difference",),
    "sightline.tree.drift": ("Drift",),
    "sightline.tree.explain": ("Explanation",),
    "sightline.tree.flatten": ("Flattened",),
    "sightline.tree.history": ("Move",),
    "sightline.tree.mapping": ("RunReport",),
    "sightline.tree.outline": ("Outline",),
    "sightline.tree.recreation": ("Recreation",),
    "sightline.tree.replay": ("Replay",),
    "sightline.tree.rerun": ("Rerun",),
    "sightline.store.sweep": ("Swept",),
    "sightline.tree.search": ("Found",),
    "sightline.tree.steps": ("Step",),
    "sightline.tree.view": ("View",),
    "sightline.tree.workflow": ("Workflow",),
    "sightline_runtime.protocol": ("Preview", "Progress", "Runtime", "TextDelta"),
    "sightline_runtime.testing": ("FakeRuntime", "FaultyRuntime", "ScriptedRuntime"),
    "sightline_tools.image": ("Image",),
    "sightline_tools.locality": ("Locality",),
    "sightline_tools.region": ("Region",),
    "sightline_tools.tool": ("Tool", "ToolContext", "tool"),
    "sightline_tools.toolbox": ("Toolbox",),
}
_MODULES = {name: module for module, names in _PLACES.items() for name in names}

__all__ = [
    "Answered",
    "AsyncRuntime",
    "AsyncSession",
    "Beam",
    "BestOf",
    "Bisection",
    "Budget",
    "BudgetError",
    "BusyError",
    "Cache",
    "Calling",
    "CancelledError",
    "Check",
    "ClipJudge",
    "ConflictError",
    "CorruptStoreError",
    "DeadlineError",
    "Difference",
    "Direct",
    "Done",
    "Drawn",
    "Drift",
    "Edited",
    "Elsewhere",
    "EngineError",
    "Estimate",
    "Explanation",
    "FakeRuntime",
    "FaultyRuntime",
    "Flattened",
    "ForbiddenError",
    "Found",
    "Image",
    "ImageError",
    "InputError",
    "Lineage",
    "Locality",
    "Made",
    "ModelError",
    "Move",
    "NotFoundError",
    "Outcome",
    "Outline",
    "Own",
    "Picture",
    "Plan",
    "PlanExecute",
    "PlanRun",
    "Planner",
    "Preview",
    "Progress",
    "ReAct",
    "Recreation",
    "Refine",
    "Region",
    "Replay",
    "Reply",
    "Rerun",
    "Result",
    "Rules",
    "RunReport",
    "Runtime",
    "ScriptedRuntime",
    "SelfConsistency",
    "Session",
    "SightlineError",
    "StaleHeadError",
    "Step",
    "StoreError",
    "Swept",
    "TextDelta",
    "TooLargeError",
    "Tool",
    "ToolContext",
    "Toolbox",
    "Toolset",
    "Trim",
    "UnauthorizedError",
    "Verdict",
    "View",
    "Workflow",
    "Written",
    "connect",
    "drive",
    "import_session",
    "load",
    "tool",
]


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module 'sightline' has no attribute {name!r}")
    value = getattr(import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]

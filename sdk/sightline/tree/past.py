"""What a call that reads the dialogue is given: the steps before it, and what the session holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sightline.store.database import Store
from sightline.tree.line import chain
from sightline.tree.naming import alias_of
from sightline.tree.pictures import Pictures
from sightline.tree.steps import Step
from sightline_tools.toolbox import Toolbox


@dataclass(frozen=True)
class Past:
    """The steps of a branch up to a call, oldest first, with the pictures and tools of their session."""

    steps: Sequence[Step]
    store: Store
    pictures: Pictures
    toolbox: Toolbox

    def alias(self, pixels: str) -> str:
        """The short name of a picture of the session, or the beginning of its digest."""
        return alias_of(self.store.database.alias(pixels)) or f"sha256:{pixels[:12]}"


def past_of(store: Store, pictures: Pictures, toolbox: Toolbox, tip: str | None) -> Past:
    """The past of a call that stands after the step `tip`."""
    return Past(chain(store, tip)[::-1], store, pictures, toolbox)

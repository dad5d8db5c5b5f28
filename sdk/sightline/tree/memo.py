"""Was this recipe done before? Equal work is found again, on any branch, after any restart."""

from sightline.errors import CorruptStoreError
from sightline.store.database import Store
from sightline.tree.pictures import Pictures
from sightline.tree.steps import Step


def lookup(store: Store, recipe: str) -> Step | None:
    """A finished step of the recipe whose pictures can all be read, None without one."""
    row = store.database.find_recipe(recipe)
    try:
        step = None if row is None else Step.from_row(row)
    except CorruptStoreError:
        return None  # what is damaged is computed again
    pictures = Pictures(store)
    return step if step is not None and all(map(pictures.whole, step.images())) else None

"""Was this recipe done before? Equal work is found again, on any branch, after any restart."""

from sightline.store.database import Store
from sightline.tree.steps import Step


def lookup(store: Store, recipe: str) -> Step | None:
    """A finished step of the recipe whose pictures are all still there, None without one."""
    row = store.database.find_recipe(recipe)
    if row is None:
        return None
    step = Step.from_row(row)
    images = [store.database.get_image(pixels) for pixels in step.images()]
    whole = all(image is not None and store.objects.has(str(image["blob"])) for image in images)
    return step if whole else None


def producer(store: Store, pixels: str) -> str | None:
    """The newest step that made a picture, None if it was only brought in."""
    return store.database.producer(pixels)

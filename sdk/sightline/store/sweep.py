"""What in a store is garbage: objects that no picture names, left by a crash."""

from sightline.store.database import Store


def sweep(store: Store, *, older_than: float = 3600.0) -> list[str]:
    """Delete objects that no picture names and that are older than so many seconds."""
    named = {str(row["blob"]) for row in store.database.images()}
    garbage = [d for d in store.objects.digests() if d not in named and store.objects.age(d) >= older_than]
    for digest in garbage:
        store.objects.delete(digest)
    return garbage

"""The names of models: a step holds a fingerprint alone, which tells a person little."""

from pathlib import PurePath

from sightline.store.database import Store
from sightline_runtime.protocol import RuntimeInfo


class Models:
    """Notes, once for a store, what the model of a fingerprint is called."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._names = {"": ""}

    def note(self, info: RuntimeInfo) -> None:
        """Remember the name of a model that is used; the first name stays."""
        if not self.name(info.fingerprint):
            name = PurePath(info.model).name[:200]  # never where it lies
            self._names[info.fingerprint] = self._store.database.settle(_key(info.fingerprint), name)

    def name(self, fingerprint: str) -> str:
        """The name of a model; empty if it was never noted, or for no model."""
        name = self._names.get(fingerprint) or self._store.database.get_shared(_key(fingerprint)) or ""
        self._names[fingerprint] = name
        return name


def _key(fingerprint: str) -> str:
    return f"model/{fingerprint}"

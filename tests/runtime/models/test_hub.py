"""From a name to a folder: what is fetched, what is kept, and what each failure says."""

import subprocess
from pathlib import Path

import pytest
from tests.runtime.models.small_hub import Client, Repo, serving

from sightline_runtime.errors import InputError, ModelError, NotFoundError
from sightline_runtime.models import hub as hubs
from sightline_runtime.models.catalogue import CATALOGUE

WEIGHTS = bytes(range(256)) * 1024


def files(**more):
    """A repository like a small model's, with things in it that must stay there."""
    found = {
        "config.json": b"{}",
        "model.safetensors": WEIGHTS,
        "tokenizer.json": b"[]",
        "merges.txt": b"a b",
        "chat_template.jinja": b"hello",
        "unet/diffusion.safetensors": WEIGHTS[::-1],
        "pytorch_model.bin": b"never",
        "pipeline.py": b"never()",
        "README.md": b"never",
    }
    return found | {name.replace("__", "."): data for name, data in more.items()}


@pytest.fixture(scope="module")
def hub():
    """A hub on loopback."""
    with serving() as opened:
        yield opened


@pytest.fixture(scope="module")
def client(hub, tmp_path_factory):
    """A process that may reach the hub."""
    opened = Client(hub.address, tmp_path_factory.mktemp("home"))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def cut_off(tmp_path_factory):
    """A process whose hub does not answer."""
    opened = Client("http://127.0.0.1:1", tmp_path_factory.mktemp("home"))
    yield opened
    opened.close()


def names(folder):
    """The files of a folder, by relative path."""
    return {path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if path.is_file()}


def test_only_configuration_weights_and_tokenizer_are_fetched(hub, client, tmp_path):
    """Pickles, code and prose stay at the hub; progress counts the bytes to the end."""
    hub.repos["org/plain"] = Repo(files())
    found = client.resolve("org/plain", tmp_path)
    kept = {"config.json", "model.safetensors", "tokenizer.json", "merges.txt", "chat_template.jinja"}
    assert names(found["folder"]) == kept | {"unet/diffusion.safetensors"}
    assert (Path(found["folder"]) / "model.safetensors").read_bytes() == WEIGHTS
    done, total = found["told"][-1][1:]
    assert done == total == 2 * len(WEIGHTS) + 12
    assert {file for file, _ in hub.fetched("org/plain")} == names(found["folder"])


def test_a_whole_snapshot_is_used_without_asking_again(hub, client, tmp_path):
    """Without a revision nothing changes under the caller; naming the branch looks for news."""
    hub.repos["org/kept"] = Repo(files())
    first = client.resolve("org/kept", tmp_path)["folder"]
    hub.repos["org/kept"].files["config.json"] = b'{"new": 1}'
    hub.requests.clear()
    assert client.resolve("org/kept", tmp_path)["folder"] == first
    assert hub.requests == []
    newer = client.resolve("org/kept", tmp_path, revision="main")["folder"]
    assert newer != first
    assert hub.fetched("org/kept") == [("config.json", "")]


def test_a_pinned_revision_gives_its_own_files(hub, client, tmp_path):
    """A commit of the past is another folder with the files of then, and needs no network twice."""
    then, commit = files(config__json=b'{"then": 1}'), "a" * 40
    hub.repos["org/pinned"], hub.past[commit] = Repo(files()), then
    pinned = client.resolve("org/pinned", tmp_path, revision=commit)["folder"]
    assert Path(pinned).name == commit
    assert (Path(pinned) / "config.json").read_bytes() == b'{"then": 1}'
    hub.requests.clear()
    assert client.resolve("org/pinned", tmp_path, revision=commit)["folder"] == pinned
    assert hub.requests == []


def test_a_connection_that_breaks_is_taken_up_where_it_broke(hub, client, tmp_path):
    """After half a file the rest alone is asked for, and the file is right."""
    hub.repos["org/cut"] = Repo(files(), cuts=1)
    folder = Path(client.resolve("org/cut", tmp_path)["folder"])
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    assert (folder / "unet" / "diffusion.safetensors").read_bytes() == WEIGHTS[::-1]
    assert [asked for _, asked in hub.fetched("org/cut") if asked] == [f"bytes={len(WEIGHTS) // 2}-"]


def test_an_interrupted_download_goes_on_with_the_next_call(hub, client, tmp_path):
    """A connection that breaks for good is one error; what was whole by then is not sent again."""
    hub.repos["org/dead"] = Repo(files(), cuts=10**6)
    failed = client.resolve("org/dead", tmp_path)
    assert failed["error"] == "ModelError"
    assert "the download of org/dead was interrupted" in failed["message"]
    assert "call again" in failed["hint"]
    hub.repos["org/dead"].cuts = 0
    hub.requests.clear()
    assert "folder" in client.resolve("org/dead", tmp_path)
    assert {file for file, _ in hub.fetched("org/dead")} >= {"model.safetensors"}
    assert "config.json" not in {file for file, _ in hub.fetched("org/dead")}


def test_a_part_is_not_taken_for_the_whole(hub, client, cut_off, tmp_path):
    """What an interrupted download left is refused where the network is away."""
    hub.repos["org/part"] = Repo(files(), cuts=10**6)
    client.resolve("org/part", tmp_path)
    failed = cut_off.resolve("org/part", tmp_path)
    assert failed["error"] == "ModelError"
    assert "only a part of it is cached" in failed["message"]


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("org/gated", {}, ("ModelError", "org/gated is gated", "set HF_TOKEN")),
        ("org/nowhere", {}, ("NotFoundError", "there is no repository org/nowhere", "check the name")),
        ("org/small", {"revision": "v9"}, ("NotFoundError", "org/small has no revision 'v9'", "a tag")),
        ("org/down", {}, ("ModelError", "could not be asked (HfHubHTTPError: Server error '503", "network")),
        (
            "org/pickled",
            {},
            ("ModelError", "its weights only in pytorch_model.bin", "pickles are never read"),
        ),
        ("org/empty", {}, ("ModelError", "it has no config.json, *.safetensors", "sightline models")),
        ("org/small", {"offline": True}, ("ModelError", "is not cached and this call is offline", "network")),
        ("no such name", {}, ("NotFoundError", "no model named 'no such name'", "blip3o-8b")),
        ("./org/small", {}, ("NotFoundError", "nor a folder of that name", "blip3o-8b")),
    ],
    ids=lambda case: case if isinstance(case, str) and "/" in case else "",
)
def test_each_failure_is_one_error_that_says_what_to_do(hub, client, tmp_path, name, options, expected):
    """What was asked, what is true, and the way out; nothing of the library's own errors."""
    hub.repos["org/gated"] = Repo(files(), gated=True)
    hub.repos["org/small"] = Repo(files())
    hub.repos["org/down"] = Repo(files(), down=True)
    hub.repos["org/pickled"] = Repo({"config.json": b"{}", "pytorch_model.bin": b""})
    hub.repos["org/empty"] = Repo({"README.md": b"nothing"})
    error, said, hint = expected
    failed = client.resolve(name, tmp_path, **options)
    assert failed["error"] == error
    assert said in failed["message"]
    assert hint in failed["hint"]


def test_a_hub_that_does_not_answer(hub, client, cut_off, tmp_path):
    """Without a network the cache is used; without both there is one error."""
    hub.repos["org/away"] = Repo(files())
    failed = cut_off.resolve("org/away", tmp_path)
    assert failed["error"] == "ModelError"
    assert "it is not cached and the hub could not be asked (ConnectError" in failed["message"]
    folder = client.resolve("org/away", tmp_path)["folder"]
    assert cut_off.resolve("org/away", tmp_path, revision="main")["folder"] == folder
    assert client.resolve("org/away", tmp_path, offline=True)["folder"] == folder


def test_the_environment_keeps_calls_offline(tmp_path, monkeypatch):
    """HF_HUB_OFFLINE is heard where `offline` is not said."""
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match="BLIP3o/BLIP3o-Model-8B is not on this machine") as caught:
        hubs.resolve("blip3o-8b", cache=tmp_path)
    assert "HF_HUB_OFFLINE=0" in caught.value.hint


def test_a_disk_without_room_is_refused_before_anything_is_fetched(hub, client, tmp_path):
    """What the hub says it weighs is compared with what is free; no file is asked for."""
    hub.repos["org/huge"] = Repo(files(), told_size=10**17)
    failed = client.resolve("org/huge", tmp_path)
    assert failed["error"] == "ModelError"
    assert "org/huge needs 600000000.0 GB on the disk of" in failed["message"]
    assert "HF_HOME" in failed["hint"]
    assert hub.fetched("org/huge") == []


@pytest.fixture
def small_disk(tmp_path):
    """A real disk of 256 KiB, where the machine lets one be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", folder], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("no disk can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_disk_that_becomes_full_is_named(hub, client, small_disk):
    """A real disk that fills half way is a ModelError, not an error of the operating system."""
    hub.repos["org/liar"] = Repo(files(), told_size=10)
    failed = client.resolve("org/liar", small_disk)
    assert failed["error"] == "ModelError"
    assert "the disk became full while org/liar was fetched" in failed["message"]
    assert "free some space" in failed["hint"]


def test_a_download_that_says_the_disk_is_full_is_named(hub, client, tmp_path):
    """The same by a fake download, for machines where no disk can be mounted."""
    hub.repos["org/full"] = Repo(files())
    failed = client.resolve("org/full", tmp_path, fake_full_disk=True)
    assert "the disk became full while org/full was fetched" in failed["message"]


def test_folders_and_the_shipped_model_are_themselves(tmp_path):
    """A path that exists is not asked of any hub; the model in the package is always there."""
    assert hubs.resolve(tmp_path) == tmp_path
    assert hubs.resolve(str(tmp_path)) == tmp_path
    shipped = hubs.resolve("embedded")
    assert (shipped / "config.json").exists()
    assert hubs.located(CATALOGUE["embedded"]) == shipped
    assert hubs.located(CATALOGUE["blip3o-4b"], cache=tmp_path) is None
    with pytest.raises(NotFoundError, match="nor a folder of that name"):
        hubs.resolve(tmp_path / "missing")


@pytest.mark.parametrize(("name", "told"), [("config.json", "give its folder"), ("x.bin", "never read")])
def test_a_file_in_place_of_a_folder_is_told(tmp_path, name, told):
    """It is there, so "no model of that name" would not help."""
    (tmp_path / name).write_text("{}")
    with pytest.raises(InputError, match=f"{name} is a file") as caught:
        hubs.resolve(tmp_path / name)
    assert told in caught.value.hint

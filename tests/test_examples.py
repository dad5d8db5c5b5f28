"""Every example runs."""

import asyncio
import importlib.util
from contextlib import nullcontext
from pathlib import Path

import pytest
from PIL import Image

from sightline.server.house import House
from sightline.server.serving import running

FOLDER = Path(__file__).parent.parent / "examples"


def load(name):
    """An example as a module."""
    spec = importlib.util.spec_from_file_location(f"example_{name}", FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_branches(tmp_path, embedded):
    """Four versions on one sheet."""
    sheet = load("branches").main(tmp_path / "sheet.png")
    with Image.open(sheet) as picture:
        assert picture.size == (4 * 64 + 3 * 6, 64)


def test_check_and_retry(embedded):
    """A picture is drawn and checked."""
    best, attempts = load("check_and_retry").main()
    assert 0 <= best <= 1
    assert 1 <= attempts <= 5


def test_own_tool(embedded):
    """The tool runs in a session, and both questions are answered."""
    before, after = load("own_tool").main()
    assert before
    assert after


def test_what_broke_it(embedded):
    """The edit that took the circle away is found, and the branch without it stands in the tree."""
    broken, tree = load("what_broke_it").main()
    assert broken == "replace the red circle with a star"
    assert "(HEAD → without)" in tree


def test_over_a_folder(tmp_path, embedded):
    """Every picture of the folder is done, and the second run finds all of it."""
    answers, computed = load("over_a_folder").main(tmp_path)
    assert answers == {"a": "black", "b": "black", "c": "black"}
    assert computed == 0


def test_openai_client(embedded):
    """The official client draws, asks, has a tool called and edits, on a server of this process."""
    example, house = load("openai_client"), House(embedded)
    with running(house) as address:
        example.server = lambda data: nullcontext(f"{address}/v1")
        before, call, after = example.main()
    house.close()
    assert (before, after) == ("blue", "red")
    assert call == {"image": "last", "instruction": "make the star red"}


def test_http_sessions(tmp_path):
    """One client on two branches of a server: each answers for itself, and what is sent twice is one step."""
    red, green, tools = load("http_sessions").main(tmp_path)
    assert (red, green) == ("red", "green")
    assert tools == ["understand", "edit", "generate"]
    with Image.open(tmp_path / "green.png") as picture:
        assert picture.size == (64, 64)


def test_mcp_clients(tmp_path):
    """The official client starts the server, works in a session that it names, and fetches a picture."""
    answer, left = asyncio.run(load("mcp_clients").main(tmp_path))
    assert answer == "green"
    assert left == ["generate"]
    with Image.open(tmp_path / "green.png") as picture:
        assert picture.size == (64, 64)


def test_pydantic_ai_mcp(tmp_path):
    """An agent of pydantic-ai draws, edits and asks over MCP."""
    assert asyncio.run(load("pydantic_ai_mcp").main(tmp_path)) == "The circle is now green."


def test_smolagents_mcp(tmp_path):
    """An agent of smolagents draws, edits and asks over MCP."""
    assert "text: green" in load("smolagents_mcp").main(tmp_path)


def test_tools_for_openai(embedded):
    """Every call of the chatbot is answered; its mistake is told, and mended in the next turn."""
    dialogue = load("tools_for_openai").main()
    answers = [message["content"] for message in dialogue if message["role"] == "tool"]
    assert len(answers) == 5
    assert [answer.startswith("Error") for answer in answers] == [False, False, False, True, False]
    assert "Pictures of this session: img2, img1" in answers[3]
    assert answers[4].startswith("img3 (64x64")


def test_no_example_is_forgotten():
    """Each file of the folder has a test here."""
    tested = Path(__file__).read_text()
    assert all(f'load("{path.stem}")' in tested for path in FOLDER.glob("*.py"))


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.name)
def test_examples_use_the_public_api_only(path):
    """No example imports a room of the house."""
    text = path.read_text()
    assert "sightline." not in text.replace("sightline_tools.", "")
    assert "sightline_runtime" not in text


def test_typed_answers(embedded):
    """The model's words are values of their types."""
    look = load("typed_answers").main()
    assert look.stars in range(10)
    assert isinstance(look.ring, bool)


def test_dialogue(embedded):
    """What was drawn is asked about, changed, and looked at again."""
    replies = load("dialogue").main()
    assert [reply.text for reply in replies[:5]] == ["img1", "green", "img2", "black", "img1"]
    assert all(reply.stopped == "done" for reply in replies)


def test_reasoning_chain(embedded):
    """One look is wrong; the chain takes the star away, looks again, and is right."""
    looked, chain = load("reasoning_chain").main()
    assert looked.answer == "no"
    assert (chain.answer, chain.stopped) == ("yes", "done")
    assert len(chain.evidence) == 1
    assert len(chain.steps) == 6


def test_run_plan(embedded, capsys):
    """The plan of the file runs, and is known when it is priced again."""
    made, before, after = load("run_plan").main()
    assert (made.answer, made.stopped) == ("yes", "done")
    assert made.image.width > made.image.height
    assert made.spent.steps == before.worst.steps == 5
    assert len(after.memoised) == 5
    assert "there is no tool 'grid'" in capsys.readouterr().out

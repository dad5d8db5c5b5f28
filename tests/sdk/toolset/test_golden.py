"""What vendors are shown, word for word: a change of it is a change that chatbots see."""

import json
from pathlib import Path

GOLDEN = Path(__file__).parent / "golden"


def check(name, forms):
    """Compare forms with the file of a name; without the file, write it and fail, so that it is reviewed."""
    path = GOLDEN / f"{name}.json"
    text = json.dumps(forms, indent=1, ensure_ascii=False) + "\n"
    if not path.exists():
        path.write_text(text)
        raise AssertionError(f"{path.name} was missing and is written now: look at it, and run this again")
    assert json.loads(path.read_text()) == forms, f"if this is meant, remove {path.name} and run this again"


def test_openai_strict(session):
    """Chat Completions, strict."""
    check("openai_strict", session.toolset().openai())


def test_anthropic_strict(session):
    """Messages, strict: bounds are told in descriptions."""
    ts = session.toolset(include=["generate", "annotate", "look"])
    check("anthropic_strict", ts.anthropic(strict=True))


def test_plain_schemas(session):
    """Arguments and results, as MCP shows them."""
    check("json_schema", session.toolset().json_schema())


def test_no_form_is_large(session):
    """All tools together cost a model few tokens."""
    assert len(json.dumps(session.toolset().openai())) < 20_000

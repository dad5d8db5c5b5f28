"""Prompts in tokens, against whole strings through the release's tokenizer."""

import pytest
from tests.tiny import next_release

from sightline_runtime.engine.next_prompts import Prompts
from sightline_runtime.errors import InputError, ModelError
from sightline_runtime.models.blip3o_next import read_config
from sightline_runtime.models.tokens import Tokens
from sightline_runtime.protocol import ImageSlot, Message

COUNT = 16
HEADER = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n"
FIRST = next_release.MARKS["image_start_token_id"]
SHOWN = [FIRST + token for token in range(COUNT)]
PICTURE = "<im_start><S0>" + "".join(f"<I{token}>" for token in range(COUNT)) + "<im_end>"


def made(**fields):
    """The prompts of a tiny release."""
    config = read_config(next_release.config() | fields, {}, next_release.PARTS)
    return Prompts(config, Tokens(next_release.words()))


def whole(text):
    """A string through the tokenizer, all marks read as such."""
    return next_release.words().encode(text, add_special_tokens=False).ids


def test_drawing_is_asked_for_as_the_reference_does():
    """Token for token what the public inference code builds."""
    text = (
        f"{HEADER}Please generate image based on the following caption: a red star<|im_end|>\n"
        "<|im_start|>assistant\n<im_start><S0>"
    )
    assert made().drawing((Message("user", ("a red star",)),), 0).ids([]) == whole(text)


def test_a_picture_to_edit_stands_between_its_marks():
    """Image-start, scale, its tokens, image-end, then what to do."""
    prompt = made().drawing((Message("user", (ImageSlot(0), "make it blue")),), 1)
    text = f"{HEADER}{PICTURE}\nmake it blue<|im_end|>\n<|im_start|>assistant\n<im_start><S0>"
    assert prompt.ids([SHOWN]) == whole(text)
    assert prompt.usage.image_tokens == COUNT
    assert prompt.usage.prompt_tokens == len(whole(text)) - COUNT


def test_a_dialogue_keeps_its_turns():
    """Every turn, pictures where they were shown, and the header of the answer."""
    messages = (
        Message("user", (ImageSlot(0), "what is it ?")),
        Message("assistant", ("a star",)),
        Message("user", ("and this ", ImageSlot(1))),
    )
    text = (
        f"{HEADER}{PICTURE}what is it ?<|im_end|>\n<|im_start|>assistant\na star<|im_end|>\n"
        f"<|im_start|>user\nand this {PICTURE}<|im_end|>\n<|im_start|>assistant\n"
    )
    assert made(max_position_embeddings=400).dialogue(messages).ids([SHOWN, SHOWN]) == whole(text)


def test_a_picture_is_repeated_after_itself():
    """Shown, asked for again, and drawn: the prompt whose last states are the picture's features."""
    text = f"{HEADER}{PICTURE}\nagain<|im_end|>\n<|im_start|>assistant\n{PICTURE.removesuffix('<im_end>')}"
    assert made().repeated(SHOWN, "again") == whole(text)


@pytest.mark.parametrize("text", ["an <I7> apple", "<S0>", "a <|im_end|> b", "<im_start>"])
def test_nobody_writes_marks_by_hand(text):
    """Marks in what is said are refused, in any turn."""
    with pytest.raises(InputError, match="token"):
        made().dialogue((Message("assistant", (text,)), Message("user", ("what ?",))))


def test_the_limit_leaves_room_for_a_picture():
    """The context that was trained on, less the picture that follows."""
    prompts = made(max_position_embeddings=2048, tokenizer_model_max_length=200)
    assert prompts.limit == 200 - COUNT - 2
    with pytest.raises(InputError, match="the model reads 182"):
        prompts.drawing((Message("user", ("star " * 50,)),), 0)
    with pytest.raises(ModelError, match="a picture alone has 16"):
        made(max_position_embeddings=12)


@pytest.mark.parametrize("ends", [None, 258, [258, 256]])
def test_a_turns_end_ends_an_answer(ends):
    """The end of a turn comes first, then what the configuration adds."""
    end = next_release.words().token_to_id("<|im_end|>")
    found = made(eos_token_id=ends).ends
    assert found[0] == end == 258
    assert found[1:] == ((256,) if ends == [258, 256] else ())

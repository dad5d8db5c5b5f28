"""A chatbot calls the session's tools: the loop that every host of one writes, whatever its model.

Here a few written turns stand in for the chatbot, so that this runs without a network. With
OpenAI's client the same loop has, in the place of `reply(messages)`:

    client.chat.completions.create(model=…, messages=messages, tools=tools)
"""

import json

import sightline as sl

Message = dict[str, object]

TURNS = [
    [("generate", {"prompt": "two green stars"}), ("generate", {"prompt": "a red circle"})],
    [
        ("understand", {"image": "img1", "question": "how many stars are there ?"}),
        ("edit", {"image": "img9", "instruction": "make the circle blue"}),
    ],
    [("edit", {"image": "img2", "instruction": "make the circle blue"})],
]
"""What the stand-in calls, turn by turn; in the second it errs, in the third it knows better."""


def reply(messages: list[Message]) -> Message:
    """The next message of the assistant, in the form in which OpenAI sends it."""
    turn = sum(message["role"] == "assistant" for message in messages)
    if turn == len(TURNS):
        return {"role": "assistant", "content": "Two stars and a blue circle."}
    calls = [
        {
            "id": f"call_{turn}_{number}",
            "type": "function",
            "function": {"name": name, "arguments": json.dumps(arguments)},
        }
        for number, (name, arguments) in enumerate(TURNS[turn])
    ]
    return {"role": "assistant", "content": None, "tool_calls": calls}


def main() -> list[Message]:
    """Let the chatbot work until it calls no more tools; give the whole dialogue."""
    messages: list[Message] = [{"role": "user", "content": "Draw two stars and a circle. Is it right?"}]
    with sl.Session(seed=4) as s:
        ts = s.toolset(exclude=["composite"], budget=sl.Budget(images=10, steps=20))
        tools = ts.openai()  # what the model is shown: strict schemas, pictures by name
        print(f"{len(tools)} tools are offered")
        while True:
            messages.append(reply(messages))
            answers = ts.handle_all(messages[-1])  # every id answered; previews in a message at the end
            if not answers:
                return messages
            messages += answers


if __name__ == "__main__":
    for message in main():
        print(f"{message['role']}: {str(message.get('content') or message.get('tool_calls'))[:400]}\n")

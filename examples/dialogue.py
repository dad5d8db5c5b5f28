"""A dialogue: the model draws, answers and changes what it drew, and goes back when it is told to."""

import sightline as sl

LINES = (
    "draw a green star and a red ring",
    "what color is the star ?",
    "make the background black",
    "what color is the background ?",
    "undo that",
    "remove the ring",
    "how many objects are there ?",
)


def main() -> list[sl.Reply]:
    """Say every line; tell what was called for it, and what was replied."""
    replies = []
    with sl.Session(seed=7) as s:
        for line in LINES:
            reply = s.chat(line)
            print(f"> {line}\n  {reply}   ({'; '.join(map(str, reply.calls))})")
            replies.append(reply)
        for event in s.stream.chat("draw a blue heart"):
            if isinstance(event, sl.Calling):
                print(f"> draw a blue heart\n  … {event.name}({event.arguments['prompt']})")
            elif isinstance(event, sl.Done):
                print(f"  {event.result.image}")
        print(s.tree())
    return replies


if __name__ == "__main__":
    main()

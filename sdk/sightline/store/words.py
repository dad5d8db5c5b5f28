"""The words by which a step is found: those of what was asked and answered.

They are folded here, not in the database, so that every database finds the same:
letters without accents and case, digits, and a word for each Chinese or Japanese
sign, as those languages write no blanks.
"""

import json
import re
import unicodedata
from collections.abc import Mapping

_SAID = (("args", ("prompt", "question", "instruction")), ("outputs", ("text",)))
_WORD = re.compile(
    r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|[^\W_\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+"
)
_LONGEST, _MOST = 60, 4000
"""Signs of a word and words of a step that are kept."""


def words_in(text: str) -> list[str]:
    """Every word of a text once, in order."""
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    plain = "".join(part for part in folded if not unicodedata.combining(part))
    found = dict.fromkeys(word[:_LONGEST] for word in _WORD.findall(plain))
    return list(found)[:_MOST]


def words_of(row: Mapping[str, object]) -> list[str]:
    """The words of a step's row: its prompt, question or instruction, and the answer."""
    said = [text for column, names in _SAID for text in _texts(row[column], names)]
    return words_in(" ".join(said))


def _texts(column: object, names: tuple[str, ...]) -> list[str]:
    try:
        values = json.loads(str(column))
    except ValueError:
        return []
    if not isinstance(values, dict):
        return []
    return [values[name] for name in names if isinstance(values.get(name), str)]

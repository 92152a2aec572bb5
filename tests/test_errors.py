"""The tree of errors, and the hint that their sentences end with."""

import inspect

import pytest

from emoforge import errors
from emoforge.errors import EmoforgeError, SkipClip, nearest


def test_the_drawing_at_the_top_is_the_tree() -> None:
    # Names in the drawing are indented by their depth: 4 columns each.
    drawn: dict[str, str] = {}
    parents: dict[int, str] = {}
    assert errors.__doc__ is not None
    for line in errors.__doc__.splitlines():
        name = line.strip(" │├└─").split(" ")[0]
        if inspect.isclass(getattr(errors, name, None)) and name != "SkipClip":
            column = line.index(name)
            drawn[name] = next(
                (parents[c] for c in sorted(parents, reverse=True) if c < column), ""
            )
            parents = {c: n for c, n in parents.items() if c < column} | {column: name}
    real = {
        name: "" if cls is EmoforgeError else cls.__bases__[0].__name__
        for name, cls in vars(errors).items()
        if inspect.isclass(cls) and issubclass(cls, EmoforgeError)
    }
    assert drawn == real


def test_a_skip_is_not_an_error() -> None:
    assert not issubclass(SkipClip, EmoforgeError)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("espaek", "did you mean 'espeak'? known: espeak, prosody, signal"),
        ("Prosody", "did you mean 'prosody'? known: espeak, prosody, signal"),
        ("xyz", "known: espeak, prosody, signal"),
    ],
)
def test_the_nearest_known_name_is_offered(name: str, hint: str) -> None:
    assert nearest(name, ["signal", "espeak", "prosody"]) == hint

"""The command that the report gives makes the very configuration of the run."""

import json
import shlex
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emoforge.augment.job import AugmentConfig
from emoforge.augment.report.reproduce import _value, command, replay_command
from emoforge.config import compose, plain


def stored(*overrides: str) -> dict[str, Any]:
    """A configuration as the workspace stores it."""
    loaded: dict[str, Any] = json.loads(
        json.dumps(plain(compose("augment", overrides, AugmentConfig)))
    )
    return loaded


@pytest.mark.parametrize(
    "overrides",
    [
        ("workspace=W",),
        ("workspace=W", "seed=11", "generators=[signal]", "generators.signal.snr_db=[10.0,20.0]"),
        (
            "workspace='my folder/a,b'",
            "corpus=nemo",
            "corpus.root='/data/n e m o'",
            "splits=[train,dev]",
        ),
        (
            "workspace=W",
            "corpus=manifest",
            "corpus.manifest=a.csv",
            "++corpus.columns.emotion=label",
        ),
        ("workspace=W", "selector.threshold=0.7", "gates.duration.longest=1.3", "max_failures=12"),
        ("workspace=null_folder", "audio_root=s3://bucket/x", "export=[]", "runner.workers=3"),
    ],
)
def test_command_gives_the_same_configuration(overrides: tuple[str, ...]) -> None:
    config = stored(*overrides)
    line = command(config)
    assert line is not None
    words = shlex.split(line)
    assert words[:2] == ["emoforge", "augment"]
    assert stored(*words[2:]) == config
    # What the user never set is not there: the command stays readable.
    assert len(words) < 14 + len(overrides)


def test_no_command_where_none_gives_the_configuration() -> None:
    config = stored("workspace=W")
    config["corpus"]["name"] = "from a folder of my own"
    config["corpus"]["reader"] = ""
    config["unheard_of"] = 1
    assert command(config) is None
    assert command({"seed": 7}) is None


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8", exclude_categories=("C",)), max_size=20)
    | st.sampled_from(
        [
            "null",
            "true",
            "1e3",
            "1_0",
            "a,b",
            "${x}",
            "it's",
            'say "x"',
            "\\",
            'a\\"',
            "x=y",
            "",
            " ",
        ]
    ),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=60, deadline=None)
@given(values)
def test_values_survive_the_grammar_of_overrides(value: Any) -> None:
    from hydra.core.override_parser.overrides_parser import OverridesParser

    text = f"++key={_value(value)}"
    (parsed,) = OverridesParser.create().parse_overrides([text])
    assert parsed.value() == value


def test_replay_command_can_be_pasted() -> None:
    line = replay_command("my folder/w", None, "0123456789abcdef" * 2)
    assert shlex.split(line) == ["emoforge", "replay", "my folder/w", "0123456789ab"]
    line = replay_command("postgresql://u@h/db", "s3://bucket/x", "0" * 32)
    assert shlex.split(line)[-2:] == ["--audio-root", "s3://bucket/x"]

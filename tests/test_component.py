"""Identity, randomness and the registry: what resuming and replaying stand on."""

import dataclasses
import json
import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emoforge.audio import Audio
from emoforge.clip import Clip
from emoforge.component import (
    KINDS,
    Component,
    Requirement,
    attempt,
    canonical_json,
    component_class,
    create,
    digest,
    registered,
    rng_for,
)
from emoforge.errors import AudioError, ConfigError, RequirementError
from emoforge.label import Label
from emoforge.testing import FakeGenerator

CLIP = Clip(
    id="corpus/one",
    path="one.flac",
    duration=1.0,
    rate=16_000,
    label=Label.of("sad"),
    speaker="s1",
    corpus="corpus",
    digest="d" * 32,
)
GOLDEN = "64656a76aa4dcb101d328351be4a9a73"
GOLDEN_PLAN = "50163499065f8911881b74cd090dd072"
GOLDEN_DRAWS = [723749, 172803, 849017, 485383]

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


# --- identity ---------------------------------------------------------------------------------


def test_digests_are_the_same_in_every_version_of_emoforge() -> None:
    # Every workspace in the world holds such ids: a change here orphans them all.
    assert digest("signal", 1, {"gain": 0.5, "ü": [1, None, True]}, ["d" * 32], "") == GOLDEN
    assert canonical_json({"b": 1.0, "a": "ü"}) == '{"a":"ü","b":1.0}'
    assert FakeGenerator().planned(CLIP, {"gain": 0.5}).id == GOLDEN_PLAN


@given(value=JSON)
def test_canonical_json_is_json_and_does_not_change_by_a_round_trip(value: Any) -> None:
    text = canonical_json(value)
    assert json.loads(text) == value
    assert canonical_json(json.loads(text)) == text
    assert digest(json.loads(text)) == digest(value)


@given(entries=st.dictionaries(st.text(), JSON), seed=st.randoms(use_true_random=False))
def test_the_order_of_keys_does_not_matter(entries: dict[str, Any], seed: random.Random) -> None:
    shuffled = list(entries.items())
    seed.shuffle(shuffled)
    assert digest(dict(shuffled)) == digest(entries)


@given(one=JSON, other=JSON)
def test_different_values_have_different_digests(one: Any, other: Any) -> None:
    assert (digest(one) == digest(other)) == (canonical_json(one) == canonical_json(other))


def test_an_id_depends_on_all_that_the_samples_depend_on_and_on_nothing_else() -> None:
    @dataclasses.dataclass(frozen=True)
    class Next(FakeGenerator):
        version = 2

    @dataclasses.dataclass(frozen=True)
    class Trained(FakeGenerator):
        weights = "abc"

    @dataclasses.dataclass(frozen=True)
    class Other(FakeGenerator):
        name = "other"

    params = {"gain": 0.5}
    same = FakeGenerator().planned(CLIP, params).id
    assert FakeGenerator(seconds=9.0).planned(CLIP, dict(params)).id == same
    elsewhere = dataclasses.replace(CLIP, path="moved.flac", id="corpus/renamed", split="dev")
    assert FakeGenerator().planned(elsewhere, params).id == same
    others = [
        FakeGenerator().planned(CLIP, {"gain": 0.6}).id,
        FakeGenerator().planned(dataclasses.replace(CLIP, digest="e" * 32), params).id,
        *(kind().planned(CLIP, params).id for kind in (Next, Trained, Other)),
    ]
    assert len({same, *others}) == 6


# --- randomness -------------------------------------------------------------------------------


def test_random_draws_are_the_same_in_every_version_of_emoforge() -> None:
    drawn = rng_for(7, "corpus/one", "signal", 0).integers(0, 1_000_000, 4)
    assert drawn.tolist() == GOLDEN_DRAWS


@given(key=st.lists(st.text() | st.integers(), min_size=1))
def test_draws_depend_on_the_key_alone(key: list[Any]) -> None:
    first = rng_for(*key).random(3).tolist()
    rng_for("another", *key).random(100)
    assert rng_for(*key).random(3).tolist() == first
    assert rng_for(*key, 0).random(3).tolist() != first


# --- doing the work ---------------------------------------------------------------------------


def test_a_bad_item_fails_alone() -> None:
    class Half(FakeGenerator):
        def apply(self, clip: Clip, params: Any) -> Audio:
            if clip.id == "expected":
                raise AudioError("one.flac: the file is empty")
            if clip.id == "unexpected":
                raise ZeroDivisionError("division by zero")
            return Audio(np.zeros(3, np.float32), 16_000)

    clips = [dataclasses.replace(CLIP, id=name) for name in ("a", "expected", "unexpected", "b")]
    outcomes = Half().apply_batch(clips, [{}] * 4)
    assert [o.status for o in outcomes] == ["ok", "failed", "failed", "ok"]
    assert (outcomes[1].reason, outcomes[1].detail) == ("AudioError", "one.flac: the file is empty")
    assert outcomes[2].reason == "ZeroDivisionError"
    assert outcomes[2].detail == "ZeroDivisionError: division by zero"
    assert outcomes[3].audio is not None


def test_an_interrupt_is_not_an_outcome() -> None:
    def interrupted(_clip: Clip, _params: Any) -> Audio:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        attempt(interrupted, CLIP, {})


# --- the registry -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_every_registered_component_is_what_its_name_says(kind: str) -> None:
    for name in registered(kind):
        cls = component_class(kind, name)
        assert issubclass(cls, Component)
        assert cls.name == name
        assert cls.version >= 1
        assert dataclasses.is_dataclass(cls)
        members = [{"name": "embedded"}, {"name": "embedded", "head": "x.safetensors"}]
        options: dict[str, Any] = {"members": members} if name == "ensemble" else {}
        made = create(kind, name, {"kbps": 0.0} if kind == "codec" else options)
        with pytest.raises(dataclasses.FrozenInstanceError):
            made.anything = 1  # type: ignore[attr-defined]
        assert isinstance(json.loads(canonical_json(made.options())), dict)


def test_a_wrong_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="there is no generator 'espaek': did you mean 'espeak'"):
        create("generator", "espaek")
    with pytest.raises(ConfigError, match="no component kind 'generators': did you mean 'gener"):
        registered("generators")
    with pytest.raises(ConfigError, match=r"hihgest.*did you mean 'highest'"):
        create("gate", "clipping", {"hihgest": 1})


def test_other_packages_add_components_by_an_entry_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "their_package.py").write_text(
        "from emoforge.testing import FakeGenerator\n\n\n"
        "class Whisper(FakeGenerator):\n"
        "    name = 'whisper'\n\n\n"
        "class Impostor(FakeGenerator):\n"
        "    name = 'signal'\n"
    )
    info = tmp_path / "their_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[emoforge.generator]\nwhisper = their_package:Whisper\nsignal = their_package:Impostor\n"
        "gone = their_package_that_is_gone:Gone\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "their_package" not in sys.modules
    assert "whisper" in registered("generator")
    assert "their_package" not in sys.modules, "listing components imported one"
    assert create("generator", "whisper").name == "whisper"
    assert component_class("generator", "signal").__module__.startswith("emoforge.")
    with pytest.raises(RequirementError, match="generator 'gone' cannot be imported"):
        component_class("generator", "gone")


# --- requirements -----------------------------------------------------------------------------


def test_everything_that_is_missing_is_named_at_once() -> None:
    class Demanding(FakeGenerator):
        name = "demanding"
        requires = (
            Requirement("no_such_module", extra="tts"),
            Requirement("json"),
            Requirement("neither_this"),
            Requirement(check=lambda: "the weights (emoforge fetch demanding)"),
        )

    with pytest.raises(RequirementError) as caught:
        Demanding().check_requirements()
    assert str(caught.value) == (
        "'demanding' cannot run here, it needs "
        "Python package 'no_such_module' (pip install 'emoforge[tts]'); "
        "Python package 'neither_this' (pip install 'neither_this'); "
        "the weights (emoforge fetch demanding)"
    )
    FakeGenerator().check_requirements()

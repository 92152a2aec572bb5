"""Class names of weights onto emoforge's schemes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emoforge.errors import ConfigError
from emoforge.label import FULL, SCHEMES
from emoforge.selection.judges.encoders.native import (
    NO_CLASSES,
    config_classes,
    native_classes,
)

IEMOCAP = ("neu", "hap", "ang", "sad")


def test_outputs_are_put_into_the_order_of_the_scheme() -> None:
    native = native_classes(IEMOCAP, "W")
    heard = native.distributions(np.log([[0.1, 0.2, 0.3, 0.4]]))
    assert list(heard) == ["basic4"]
    assert heard["basic4"] == pytest.approx((0.3, 0.2, 0.1, 0.4))  # angry, happy, neutral, sad


def test_outputs_outside_a_scheme_are_dropped_and_those_of_one_class_added() -> None:
    native = native_classes(("angry", "excited", "happy", "neutral", "sad", "disgust"), "W")
    heard = native.distributions(np.log([[0.1, 0.1, 0.1, 0.1, 0.1, 0.5]]))
    assert heard["basic4"] == pytest.approx((0.2, 0.4, 0.2, 0.2))


def test_a_class_that_is_impossible_to_floating_point_leaves_a_distribution() -> None:
    native = native_classes((*IEMOCAP, "disgust"), "W")
    heard = native.distributions(np.array([[-900.0, -901.0, -902.0, -903.0, 50.0]]))
    assert sum(heard["basic4"]) == pytest.approx(1)
    assert heard["basic4"][2] == max(heard["basic4"])


def test_names_with_translations_underscores_and_marks_are_understood() -> None:
    names = ("生气/angry", "厌恶/disgusted", "恐惧/fearful", "开心/happy", "中立/neutral", "<unk>",
             "难过/sad", "吃惊/surprised", "Calm ", "Pleasant_Surprise")  # fmt: skip
    native = native_classes(names, "W")
    assert set(native.places) == {"wide8", "basic4"}
    assert native.places["wide8"][5] is None
    assert native.places["wide8"][7] == native.places["wide8"][9]


def test_full_needs_every_class_of_it() -> None:
    assert set(native_classes(FULL.classes, "W").places) == set(SCHEMES)
    assert "full" not in native_classes(FULL.classes[:-1], "W").places


def test_a_clip_gets_the_mean_of_its_parts() -> None:
    native = native_classes(IEMOCAP, "W")
    heard = native.distributions(np.log([[0.7, 0.1, 0.1, 0.1], [0.1, 0.1, 0.1, 0.7]]))
    assert heard["basic4"] == pytest.approx((0.1, 0.1, 0.4, 0.4))


@given(st.lists(st.floats(-1e4, 1e4), min_size=8, max_size=8), st.permutations(range(8)))
def test_distributions_sum_to_one_whatever_the_order_of_the_outputs(
    logits: list[float], order: list[int]
) -> None:
    names = SCHEMES["wide8"].classes
    straight = native_classes(names, "W").distributions(np.array([logits]))
    turned = native_classes([names[i] for i in order], "W").distributions(
        np.array([[logits[i] for i in order]])
    )
    for name in ("wide8", "basic4"):
        assert sum(straight[name]) == pytest.approx(1)
        assert straight[name] == pytest.approx(turned[name])


def test_weights_that_do_not_name_their_classes_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"^W: the weights do not name their classes \(LABEL_0, "):
        native_classes(["LABEL_0", "LABEL_1"], "W")


def test_classes_that_cover_no_scheme_are_refused_with_their_names() -> None:
    with pytest.raises(ConfigError, match=r"classes \(angry, yes, no\) cover no scheme.*basic4: a"):
        native_classes(["angry", "yes", "no"], "W")


def test_dimensions_are_no_classes() -> None:
    assert native_classes(["arousal", "dominance", "valence"], "W") == NO_CLASSES
    assert NO_CLASSES.distributions(np.zeros((2, 0))) == {}


def test_names_come_in_the_order_of_the_outputs_not_of_the_file() -> None:
    assert config_classes(
        {"10": "k", **{str(i): "abcdefghij"[i] for i in range(10)}}, "W"
    ) == tuple("abcdefghijk")


@pytest.mark.parametrize("wrong", [{"1": "a", "2": "b"}, {"a": "0"}])
def test_outputs_that_are_not_numbered_from_zero_are_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"W: id2label of config.json must number the outputs"):
        config_classes(wrong, "W")

"""Codecs as a user writes them."""

import pytest

from emoforge.codecs import choose_codecs, codec_names, codec_points
from emoforge.errors import ConfigError, RequirementError


def test_a_codec_at_a_bitrate_and_at_all_that_it_has() -> None:
    chosen = choose_codecs(["opus@16", "amr_nb@all", "opus@16.0", "gsm"], {})
    assert [one.spec for one in chosen] == [
        "opus@16",
        *(f"amr_nb@{kbps:g}" for kbps in (4.75, 5.15, 5.9, 6.7, 7.4, 7.95, 10.2, 12.2)),
        "gsm@13",
    ]
    assert [one.codec.kbps for one in codec_points("amr_nb", {})] == sorted(
        one.codec.kbps for one in chosen[1:-1]
    )
    assert chosen[0].codec.name == "opus"
    # A row of a report is found again however its point was typed.
    for spec in ("opus@6", "opus@6.0", "opus@6.004", "opus@all"):
        assert choose_codecs([spec], {})[0].codec.signature()["kbps"] == 6.0
        assert isinstance(choose_codecs([spec], {})[0].codec.kbps, float)


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ("opsu@16", "there is no codec 'opsu': did you mean 'opus'"),
        ("opus@17", r"codec 'opus' has no 17 kbit/s; it has 6, 8, .*64"),
        ("opus@fast", r"codec 'opus@fast': write name@kbit/s, as in opus@6"),
        ("opus", r"codec 'opus': say which kbit/s, as in opus@6; it has 6, .* \(or opus@all\)"),
        ("transformers@1", "there is no codec 'transformers'"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(spec: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        choose_codecs([spec], {})


def test_settings_name_codecs_of_their_own() -> None:
    settings = {"telephone": {"component": "amr_nb"}, "mine": {"component": "nothing"}}
    assert "telephone" in codec_names(settings)
    [chosen] = choose_codecs(["telephone@7.4"], settings)
    assert (chosen.name, chosen.spec, chosen.codec.name) == ("telephone", "telephone@7.4", "amr_nb")
    with pytest.raises(ConfigError, match="there is no codec 'nothing'"):
        choose_codecs(["mine@1"], settings)


def test_weights_that_are_not_there_say_how_to_get_them() -> None:
    with pytest.raises((RequirementError, ConfigError), match=r"codec\.lyra\.model="):
        choose_codecs(["lyra@3.2"], {})

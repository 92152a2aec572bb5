"""The codec `speechtokenizer` against its own package."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny_a
import torch

from emoforge.audio import Audio, fit, read
from emoforge.codecs import Codec
from emoforge.codecs.speechtokenizer import SpeechTokenizer, _model
from emoforge.errors import RequirementError


@pytest.fixture(scope="module")
def codec(tmp_path_factory: pytest.TempPathFactory) -> Codec:
    return tiny_a.speechtokenizer(tmp_path_factory.mktemp("speechtokenizer"))


@pytest.fixture(scope="session")
def speech(shared: Path) -> Audio:
    return read(str(min((shared / "corpora" / "emodb").rglob("*.flac"))))


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("codebooks", [1, 4, 8])
def test_it_is_what_the_package_gives(codec: Codec, speech: Audio, codebooks: int) -> None:
    folder = Path(codec.model)  # type: ignore[attr-defined]
    original = _model().SpeechTokenizer.load_from_checkpoint(
        str(folder / "config.json"), str(folder / "SpeechTokenizer.pt")
    )
    original.eval()
    length = -(-len(speech.samples) // 320) * 320
    with torch.inference_mode():
        codes = original.encode(
            torch.from_numpy(fit(speech.samples, length))[None, None], n_q=codebooks
        )
        back = original.decode(codes)[0, 0].numpy()
    at_point = replace(codec, kbps=codec.points[codebooks - 1])
    stream = at_point.encode(speech)
    assert np.array_equal(stream.payload.data, codes[:, 0].numpy())
    assert stream.payload.bits == codebooks * length // 320 * 10
    assert np.abs(back).max() > 1e-3
    np.testing.assert_allclose(
        at_point.decode(stream).samples, fit(back, len(speech.samples)).clip(-1, 1), atol=1e-5
    )


def test_a_codebook_is_half_a_kilobit(codec: Codec) -> None:
    assert codec.points == (0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0)
    assert codec.coded_rate(48000) == 16000


def test_the_package_is_left_as_it_was(codec: Codec) -> None:
    """Its own `__init__` has not run, so nobody may find it half done."""
    codec.setup()
    assert "speechtokenizer" not in sys.modules
    assert _model() is _model()


def test_the_folder_of_the_hub_is_read(codec: Codec, tmp_path: Path) -> None:
    published = tmp_path / "speechtokenizer_hubert_avg"
    published.symlink_to(codec.model)  # type: ignore[attr-defined]
    assert SpeechTokenizer(codec.kbps, str(tmp_path)).signature() == codec.signature()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"n_q": None}, "no 'n_q'"),
        ({"activation": "Nothing"}, "not the configuration of a SpeechTokenizer .*Nothing"),
        ({"dimension": 32}, "its weights are not those of the SpeechTokenizer"),
    ],
)
def test_another_configuration_is_one_sentence(
    change: dict[str, object], says: str, tmp_path: Path
) -> None:
    codec = tiny_a.speechtokenizer(tmp_path)
    config = {**tiny_a.SPEECHTOKENIZER, **change}
    kept = {key: value for key, value in config.items() if value is not None}
    (tmp_path / "config.json").write_text(json.dumps(kept), encoding="utf-8")
    with pytest.raises(RequirementError, match=says) as caught:
        codec.setup()
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)

"""The measure `ecapa`: weights in SpeechBrain's format, and what is refused."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from emoforge.audio import Audio, read
from emoforge.component import rng_for
from emoforge.errors import ConfigError, RequirementError
from emoforge.selection.measures.ecapa import EcapaSimilarity
from emoforge.selection.speakers.ecapa_network import Network

EMBEDDING = [0.36013, -0.40226, 0.11865, 0.0234, -0.19494, -0.13254]
COSINE = 0.99805


def weights() -> dict[str, torch.Tensor]:
    """Random weights of a small network by their published names, the same on every machine."""
    shape = {
        "width": 32, "joined": 96, "kernel": 5, "inner": 3, "scale": 4, "squeezed": 8,
        "attention": 16, "out": 24,
    }  # fmt: skip
    return {
        key: torch.from_numpy(drawn(key, value.shape)) if value.ndim else value
        for key, value in Network(**shape).state_dict().items()
    }


def drawn(key: str, shape: Sequence[int]) -> npt.NDArray[np.float32]:
    values = rng_for("ecapa", key).normal(0, 0.2, shape).astype(np.float32)
    return np.abs(values + np.float32(0.3)) if "norm" in key else values


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ecapa")
    torch.save(weights(), folder / "embedding_model.ckpt")
    return folder


@pytest.fixture(scope="module")
def pair(shared: Path) -> tuple[Audio, Audio]:
    folder = shared / "reference" / "codec_mushra" / "audio" / "stim_02"
    original, coded = (read(folder / f"{name}.flac") for name in ("ref", "lyra_32"))
    return original.resampled(16000), coded.resampled(16000)


def test_it_computes_what_speechbrain_does(published: Path, pair: tuple[Audio, Audio]) -> None:
    """Measured with SpeechBrain 1.1.2's bands, normalisation and network, and these weights."""
    measure = EcapaSimilarity(str(published))
    prepared = measure.prepare(pair[0])
    np.testing.assert_allclose(prepared[:6], EMBEDDING, atol=2e-5)
    assert measure.compare(prepared, pair[1])["ecapa_cosine"] == pytest.approx(COSINE, abs=2e-5)


def test_the_same_sound_is_the_same_speaker(published: Path, pair: tuple[Audio, Audio]) -> None:
    measure = EcapaSimilarity(str(published))
    quiet = Audio(0.5 * pair[0].samples, 16000)
    for other in (pair[0], quiet):
        found = measure.compare(measure.prepare(pair[0]), other)
        assert found["ecapa_cosine"] == pytest.approx(1, abs=1e-3)
    nothing = Audio(np.zeros(16000, np.float32), 16000)
    assert np.isnan(measure.compare(measure.prepare(pair[0]), nothing)["ecapa_cosine"])


def test_nothing_but_the_weights_counts(published: Path, tmp_path: Path) -> None:
    (tmp_path / "embedding_model.ckpt").write_bytes(
        (published / "embedding_model.ckpt").read_bytes()
    )
    (tmp_path / "hyperparams.yaml").write_text("pretrainer: !new:os.abort []\n")
    one, other = EcapaSimilarity(str(published)), EcapaSimilarity(str(tmp_path))
    other.setup()
    assert one.signature() == other.signature()


def test_other_weights_are_refused(published: Path, tmp_path: Path) -> None:
    file = tmp_path / "embedding_model.ckpt"
    torch.save({"fc.conv.weight": torch.zeros(3)}, file)
    with pytest.raises(RequirementError, match="not those of SpeechBrain's ECAPA-TDNN"):
        EcapaSimilarity(str(tmp_path)).setup()
    state = weights()
    state["fc.conv.bias"] = torch.zeros(7)
    torch.save(state, file)
    with pytest.raises(RequirementError, match="not those of SpeechBrain's ECAPA-TDNN"):
        EcapaSimilarity(str(tmp_path)).setup()
    with pytest.raises(ConfigError, match=r"add measures\.ecapa\.model="):
        EcapaSimilarity().setup()

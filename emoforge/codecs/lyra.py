"""The codec `lyra`: Lyra v1.3, a neural codec of speech for telephones."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from emoforge.audio import Samples, fit
from emoforge.codecs.codec import Codec, Payload, Tokens
from emoforge.component import INCIDENTAL, Requirement
from emoforge.errors import RequirementError
from emoforge.hub import model_folder, weights_digest

_RATE = 16000
_FRAME = 320
_FRAME_MS = 20
_QUANTISERS = 46
_BITS = 4
_PEAK = 0.7
_FILES = ("soundstream_encoder.tflite", "quantizer.tflite", "lyragan.tflite")


@dataclass(frozen=True)
class Lyra(Codec):
    """Lyra v1.3 (SoundStream, arXiv 2107.03312): 16 kHz, 20 ms frames, streaming, causal.

    A frame is coded by 1 to 46 residual quantisers of 4 bits, 0.2 kbit/s each; the official
    rates are 3.2, 6 and 9.2. Quiet speech is coded badly (on 24 clips of the corpora that
    emoforge is tested on, 0.42 less PESQ at 9.2 kbit/s, up to 1.5), so a clip is coded with its
    peak at 0.7 and gets its level back afterwards: the gain is sent along, 32 bits a clip.

    model: folder with the networks of Lyra v1.3 (`soundstream_encoder.tflite`,
        `quantizer.tflite`, `lyragan.tflite`).
    """

    model: str = field(default="", metadata=INCIDENTAL)

    name: ClassVar[str] = "lyra"
    version: ClassVar[int] = 1
    requires: ClassVar[tuple[Requirement, ...]] = (Requirement("ai_edge_litert", "codecs"),)

    @property
    def points(self) -> tuple[float, ...]:
        """0.2 to 9.2 in steps of 0.2."""
        return tuple(n * _BITS / _FRAME_MS for n in range(1, _QUANTISERS + 1))

    def coded_rate(self, rate: int) -> int:
        """16 kHz."""
        return _RATE

    def delay(self, rate: int) -> int:
        """The same at all bitrates, so measured at the highest, which keeps the waveform best."""
        return Codec.delay(replace(self, kbps=self.points[-1]), rate)

    @cached_property
    def place(self) -> Path:
        """The folder with the networks; raises RequirementError if there is none."""
        if not self.model:
            raise RequirementError(
                "lyra has no weights: take Lyra v1.3 (github.com/google/lyra, Apache-2.0), whose "
                f"folder model_coeffs has {', '.join(_FILES)}, and add codec.lyra.model=DIR"
            )
        return model_folder(self.model, "", [[name] for name in _FILES], key="codec.lyra")

    @property
    def weights(self) -> str:
        """Digest of the three networks."""
        return weights_digest(self.place / name for name in _FILES)

    def setup(self) -> None:
        """Load the networks; raises RequirementError."""
        _networks(self.place)

    def _encode(self, samples: Samples, rate: int) -> Payload:
        gain = float(np.abs(samples).max()) / _PEAK
        frames = -(-len(samples) // _FRAME)
        level = fit(samples / (gain or 1.0), frames * _FRAME)
        quantisers = round(self.kbps * _FRAME_MS / _BITS)
        tokens = _networks(self.place).encode(level.reshape(frames, _FRAME), quantisers)
        return Payload(tokens, tokens.size * _BITS + 32, frames * _FRAME, {"gain": gain})

    def _decode(self, payload: Payload, rate: int) -> Samples:
        assert isinstance(payload.data, np.ndarray)
        gain: float = payload.side["gain"]
        return _networks(self.place).decode(payload.data) * np.float32(gain)


class _Networks:
    """Lyra's networks, in memory."""

    def __init__(self, folder: Path) -> None:
        try:
            self.encoder, quantiser, self.decoder = ((folder / n).read_bytes() for n in _FILES)
        except OSError as error:
            raise RequirementError(f"{folder}: cannot be read ({error.strerror})") from error
        try:
            runner = _interpreter(quantiser).get_signature_runner
            self.quantise, self.dequantise = runner("encode"), runner("decode")
            _interpreter(self.encoder)
            _interpreter(self.decoder)
        except (RuntimeError, ValueError) as error:
            reason = str(error).partition("\n")[0]
            raise RequirementError(
                f"{folder}: damaged, {', '.join(_FILES)} are not Lyra's networks ({reason})"
            ) from error

    def encode(self, frames: Samples, quantisers: int) -> Tokens:
        """Indices [quantisers, frames] of samples [frames, 320]."""
        number = np.int32(quantisers)
        features = _stream(self.encoder, frames[:, None])
        coded = [self.quantise(input_frames=f, num_quantizers=number)["output_0"] for f in features]
        return np.concatenate(coded, axis=1)[:quantisers, :, 0].astype(np.int64)

    def decode(self, tokens: Tokens) -> Samples:
        """Samples [320 · frames] of indices [quantisers, frames]."""
        # −1 stands for a quantiser that is not used.
        indices = np.full((tokens.shape[1], _QUANTISERS, 1, 1), -1, np.int32)
        indices[:, : len(tokens), 0, 0] = tokens.T
        features = [self.dequantise(encoding_indices=frame)["output_0"] for frame in indices]
        samples: Samples = np.concatenate(_stream(self.decoder, features), axis=1)[0]
        return samples


def _interpreter(network: bytes) -> Any:
    from ai_edge_litert.interpreter import Interpreter

    # Workers are processes; threads would fight over their cores.
    made = Interpreter(model_content=network, num_threads=1)
    made.allocate_tensors()
    return made


def _stream(network: bytes, inputs: Iterable[Samples]) -> list[Samples]:
    """What a network that remembers the frames before makes of one after the other."""
    # Its memory is in resource variables, which no call empties (`reset_all_variables` leaves
    # them be): only a new interpreter starts afresh.
    interpreter = _interpreter(network)
    into = interpreter.get_input_details()[0]["index"]
    out = interpreter.get_output_details()[0]["index"]
    made = []
    for one in inputs:
        interpreter.set_tensor(into, one)
        interpreter.invoke()
        made.append(interpreter.get_tensor(out))
    return made


@cache
def _networks(folder: Path) -> _Networks:
    return _Networks(folder)

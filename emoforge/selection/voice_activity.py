"""Where a sound is speech, as the Silero VAD hears it."""

import importlib.util
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emoforge.audio import Audio, level_db
from emoforge.component import Requirement
from emoforge.errors import RequirementError

FRAME_S = 0.032
REQUIRES = (Requirement("silero_vad", "tts"), Requirement("onnxruntime", "tts"))
_RATE, _FRAME, _CONTEXT = 16000, 512, 64
_LEVEL_DB = -26.0


def speech_probability(audio: Audio) -> npt.NDArray[np.float32]:
    """Probability of speech in every 32 ms, [frames]; the last frame is filled up with zeros.

    Silero VAD 6 (github.com/snakers4/silero-vad, MIT), the network that its package carries. Heard
    is the sound at -26 dBFS, so that a gain does not change it; digital silence gives zeros.
    """
    samples = audio.resampled(_RATE).samples
    frames = -(-len(samples) // _FRAME)
    if not np.any(samples):
        return np.zeros(frames, np.float32)
    gain = np.float32(10 ** ((_LEVEL_DB - level_db(samples)) / 20))
    padded = np.pad(samples * gain, (_CONTEXT, frames * _FRAME - len(samples)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, _CONTEXT + _FRAME)[::_FRAME]
    state = np.zeros((1, 1, 128), np.float32)
    inputs = {"input": np.ascontiguousarray(windows), "h": state, "c": state}
    probability: npt.NDArray[np.float32] = load_voice_activity().run(["speech_probs"], inputs)[0]
    return probability


@cache
def load_voice_activity() -> Any:
    """The network, loaded once a process; raises RequirementError if the package lacks it."""
    import onnxruntime

    # The package itself, once imported, sets torch's threads for the whole process.
    found = importlib.util.find_spec("silero_vad")
    folder = found.submodule_search_locations if found else None
    path = Path(folder[0] if folder else "", "data", "silero_vad_16k_sequence.onnx")
    if not path.is_file():
        raise RequirementError(
            f"{path}: Silero's network is not there (pip install 'silero-vad>=6.2')"
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

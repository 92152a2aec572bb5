"""Codecs that libsndfile brings, in process."""

from dataclasses import dataclass
from io import BytesIO
from typing import ClassVar

import soundfile

from emoforge.audio import Samples, fit
from emoforge.codecs.codec import Codec, Payload
from emoforge.codecs.ogg import packet_sizes
from emoforge.component import Requirement, digest
from emoforge.errors import AudioError


def _missing_vorbis() -> str | None:
    if "VORBIS" in soundfile.available_subtypes("OGG"):
        return None
    return "libsndfile with Vorbis (pip install --only-binary soundfile soundfile)"


@dataclass(frozen=True)
class SndfileCodec(Codec):
    """A codec of libsndfile."""

    @property
    def weights(self) -> str:
        """The samples change with the library's version."""
        return digest("libsndfile", soundfile.__libsndfile_version__)


@dataclass(frozen=True)
class Vorbis(SndfileCodec):
    """Vorbis I by libvorbis, which is set by quality: 0, 0.2, … 1.

    Its bitrate is what it happens to be. A point is named by the median over 120 clips of
    RAVDESS, EmoDB and nEMO at 16 kHz; nine clips in ten are between 42 % below it and 34 % above.
    The three header packets (codebooks, 3.6 kB) are not counted: every clip has the same.
    """

    name: ClassVar[str] = "vorbis"
    version: ClassVar[int] = 1
    requires: ClassVar[tuple[Requirement, ...]] = (Requirement("soundfile", check=_missing_vorbis),)
    qualities: ClassVar[dict[float, float]] = {22: 0, 27: 0.2, 35: 0.4, 43: 0.6, 54: 0.8, 65: 1}

    @property
    def points(self) -> tuple[float, ...]:
        return tuple(self.qualities)

    def coded_rate(self, rate: int) -> int:
        rates = (16000, 22050, 24000)
        return next((own for own in rates if own >= rate), rates[-1])

    def _encode(self, samples: Samples, rate: int) -> Payload:
        file = BytesIO()
        try:
            soundfile.write(
                file,
                samples,
                rate,
                format="OGG",
                subtype="VORBIS",
                compression_level=1 - self.qualities[self.kbps],
            )
        except soundfile.LibsndfileError as error:
            raise AudioError(f"libsndfile cannot encode this ({error.error_string})") from error
        stream = file.getvalue()
        return Payload((stream,), 8 * sum(packet_sizes(stream)[3:]), len(samples))

    def _decode(self, payload: Payload, rate: int) -> Samples:
        try:
            samples: Samples = soundfile.read(BytesIO(payload.data[0]), dtype="float32")[0]
        except soundfile.LibsndfileError as error:
            raise AudioError(f"libsndfile cannot decode this ({error.error_string})") from error
        return samples


@dataclass(frozen=True)
class GSM(SndfileCodec):
    """GSM 06.10 full rate (ETSI EN 300 961) by libgsm: frames of 20 ms and 260 bits."""

    name: ClassVar[str] = "gsm"
    version: ClassVar[int] = 1
    requires: ClassVar[tuple[Requirement, ...]] = (Requirement("soundfile"),)

    @property
    def points(self) -> tuple[float, ...]:
        return (13,)

    def coded_rate(self, rate: int) -> int:
        return 8000

    def _encode(self, samples: Samples, rate: int) -> Payload:
        file = BytesIO()
        samples = fit(samples, -(-len(samples) // 160) * 160)
        try:
            soundfile.write(file, samples, rate, format="RAW", subtype="GSM610")
        except soundfile.LibsndfileError as error:
            raise AudioError(f"libsndfile cannot encode this ({error.error_string})") from error
        stream = file.getvalue()
        frames = len(stream) // 33
        # Each frame of 33 bytes begins with 4 bits that only mark it.
        return Payload((stream,), 8 * len(stream) - 4 * frames, 160 * frames)

    def _decode(self, payload: Payload, rate: int) -> Samples:
        try:
            samples: Samples = soundfile.read(
                BytesIO(payload.data[0]),
                dtype="float32",
                format="RAW",
                subtype="GSM610",
                samplerate=rate,
                channels=1,
            )[0]
        except soundfile.LibsndfileError as error:
            raise AudioError(f"libsndfile cannot decode this ({error.error_string})") from error
        return samples

"""What generators, gates, encoders and exporters have in common, and how they are found.

A component is a frozen dataclass: its fields are its options, typed and with defaults, and are
what the configuration of that name may set. Drawing every random choice (`plan`) is split from
doing the work (`apply_batch`), so that a candidate can be made again from its lineage and
planning needs no model.
"""

import dataclasses
import functools
import hashlib
import importlib
import importlib.metadata
import importlib.util
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, cast

import numpy as np

from emoforge.audio import Audio
from emoforge.cast import Cast
from emoforge.clip import Clip
from emoforge.config import build
from emoforge.errors import ConfigError, EmoforgeError, RequirementError, nearest
from emoforge.label import Label

Params = Mapping[str, Any]
"""Resolved parameters of one piece of work: plain JSON values, every random choice drawn."""

Family = Literal["tts", "s2st", "edit", "vc", "codec", "signal"]
Status = Literal["ok", "rejected", "failed", "skipped"]


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest(*parts: Any) -> str:
    """BLAKE2b-128 of the canonical JSON of `parts`, 32 hex digits."""
    return hashlib.blake2b(canonical_json(parts).encode(), digest_size=16).hexdigest()


def rng_for(*key: Any) -> np.random.Generator:
    """A random generator that depends on nothing but `key` (run seed, clip id, component, …)."""
    return np.random.Generator(np.random.PCG64(int(digest(*key), 16)))


INCIDENTAL = {"incidental": True}
"""Metadata of a component's field that does not change its results, such as a device."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one planned candidate.

    reason: a short fixed word to count by (`clipping`, `AudioError`); detail: the sentence.
    audio: the generated audio, where status is `ok`.
    measured: what the component measured about its own work (delay, bitrate, …).
    """

    status: Status
    reason: str = ""
    detail: str = ""
    audio: Audio | None = None
    measured: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Requirement:
    """One thing a component needs: an importable module, and the extra that installs it.

    `check` is for what an import cannot show, such as weights: it returns what is missing and
    how to get it, or None when all is there.
    """

    module: str = ""
    extra: str = ""
    check: Callable[[], str | None] | None = None

    def missing(self) -> str | None:
        """What is missing and how to get it, or None; imports nothing."""
        if self.module and importlib.util.find_spec(self.module) is None:
            target = f"emoforge[{self.extra}]" if self.extra else self.module
            return f"Python package '{self.module}' (pip install '{target}')"
        return self.check() if self.check else None


@functools.cache
def _distributions() -> Mapping[str, list[str]]:
    """Module → the packages that bring it."""
    return importlib.metadata.packages_distributions()


class Component(ABC):
    """Base of every component. Subclasses are frozen dataclasses; fields are options.

    version: raised whenever the same parameters would give another result.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    requires: ClassVar[tuple[Requirement, ...]] = ()

    def setup(self) -> None:  # noqa: B027 - most components have nothing to load
        """Load what `apply` needs (weights, libraries); called once per worker."""

    @property
    def weights(self) -> str:
        """Digest of the weights in use, "" where there are none; needs no `setup`."""
        return ""

    def signature(self) -> dict[str, Any]:
        """Name, version, weights digest and options: what its results depend on."""
        return {
            "name": self.name,
            "version": self.version,
            "weights": self.weights,
            **self.options(),
        }

    def options(self) -> dict[str, Any]:
        """Its options, less those declared with `metadata=INCIDENTAL` (a device, a path)."""
        return {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(cast(Any, self))
            if not field.metadata.get("incidental")
        }

    def versions(self) -> dict[str, str]:
        """Versions of the packages that it requires, with which its results may change."""
        modules = [need.module.partition(".")[0] for need in self.requires if need.module]
        packages = [name for module in modules for name in _distributions().get(module, ())]
        return {name: importlib.metadata.version(name) for name in sorted({*packages})}

    def check_requirements(self) -> None:
        """Raise RequirementError naming everything that is missing."""
        missing = [text for need in self.requires if (text := need.missing())]
        if missing:
            raise RequirementError(f"'{self.name}' cannot run here, it needs {'; '.join(missing)}")


@dataclass(frozen=True, slots=True)
class Promise:
    """What a planned candidate is going to be, known before it is made.

    label: the emotion that it is meant to carry; duration: expected seconds;
    speaker, gender: whose voice it has; text: what is said.
    """

    label: Label
    speaker: str
    duration: float
    text: str | None
    language: str | None
    gender: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """One planned candidate: what will be made from which clip, and what it promises to be.

    parent: id of the clip (or line) that it is made from; references: ids of the other clips that
    the generator is given.
    """

    id: str
    generator: str
    version: int
    weights: str
    parent: str
    params: Params
    promise: Promise
    references: tuple[str, ...] = ()


class Generator(Component):
    """Makes candidates from clips."""

    family: ClassVar[Family]

    @property
    def in_process(self) -> bool:
        """Whether it is to run in one process (a model on a GPU, an engine of its own)."""
        return False

    def references(self, clip: Clip, cast: Cast, rng: np.random.Generator) -> tuple[Clip, ...]:
        """Other clips that a candidate of `clip` is made with, such as of the voice it gets.

        Drawn when planning and handed to `plan` and `apply` as `clip.references`. Raises SkipClip.
        """
        return ()

    def licence(self, params: Params) -> str:
        """Terms that its voices or weights put on what they make, "" for none."""
        return ""

    @abstractmethod
    def plan(self, clip: Clip, rng: np.random.Generator) -> Params:
        """Draw the parameters of one candidate of `clip`: cheap, pure, plain JSON values.

        Raises SkipClip with the reason for a clip that this generator cannot serve.
        """

    def promise(self, clip: Clip, params: Params) -> Promise:
        """What the candidate will be; by default all that the source is."""
        return Promise(
            clip.label, clip.speaker, clip.duration, clip.text, clip.language, clip.gender
        )

    def planned(self, clip: Clip, params: Params, weights: str | None = None) -> Plan:
        """The plan with its id: a digest of all that its samples depend on, and nothing else.

        The id is the candidate's row key, its file name and the resume rule. weights: those of
        this generator, from who plans many candidates and has looked once.
        """
        weights = self.weights if weights is None else weights
        digests = [clip.digest, *(reference.digest for reference in clip.references)]
        identity = digest(self.name, self.version, params, digests, weights)
        return Plan(
            identity,
            self.name,
            self.version,
            weights,
            clip.id,
            params,
            self.promise(clip, params),
            tuple(reference.id for reference in clip.references),
        )

    @abstractmethod
    def apply(self, clip: Clip, params: Params) -> Audio:
        """Make one candidate at the source's sampling rate; raises EmoforgeError if it cannot.

        Deterministic given `params`.
        """

    def apply_batch(self, clips: Sequence[Clip], params: Sequence[Params]) -> list[Outcome]:
        """Make a batch, one Outcome a clip in the same order; a bad item fails alone."""
        return [attempt(self.apply, c, p) for c, p in zip(clips, params, strict=True)]


def attempt(work: Callable[[Clip, Params], Audio], clip: Clip, params: Params) -> Outcome:
    """Outcome of one piece of work: `ok` with its audio, or `failed` with the error."""
    try:
        return Outcome("ok", audio=work(clip, params))
    except EmoforgeError as error:
        return Outcome("failed", type(error).__name__, str(error))
    except Exception as error:
        return Outcome("failed", type(error).__name__, f"{type(error).__name__}: {error}")


# Lazy registry: `module:Class` strings, so that listing components imports nothing heavy.
# Other packages add theirs through entry points in the group `emoforge.<kind>`.
_BUILT_IN: Mapping[str, Mapping[str, str]] = {
    "generator": {
        "codec": "emoforge.codecs.generator:CodecResynthesis",
        "coqui": "emoforge.synthesis.tts.coqui:Coqui",
        "cosyvoice": "emoforge.synthesis.tts.worker:CosyVoice",
        "espeak": "emoforge.synthesis.tts.espeak:Espeak",
        "f5tts": "emoforge.synthesis.tts.worker:F5TTS",
        "freevc": "emoforge.synthesis.vc.freevc:FreeVC",
        "hts": "emoforge.synthesis.tts.hts:Hts",
        "indextts2": "emoforge.synthesis.tts.worker:IndexTTS2",
        "knnvc": "emoforge.synthesis.vc.knnvc:KnnVC",
        "openvoice": "emoforge.synthesis.vc.openvoice:OpenVoice",
        "prosody": "emoforge.synthesis.prosody.generator:Prosody",
        "signal": "emoforge.augment.signal:Signal",
        "styletts2": "emoforge.synthesis.tts.worker:StyleTTS2",
        "worker": "emoforge.synthesis.tts.worker:Worker",
        "world_vc": "emoforge.synthesis.vc.world:WorldConverter",
        "xtts": "emoforge.synthesis.tts.xtts:Xtts",
        "yourtts": "emoforge.synthesis.tts.yourtts:YourTts",
    },
    "selector": {
        "everything": "emoforge.selection.selectors.everything:Everything",
        "topk": "emoforge.selection.selectors.policies:TopK",
        "threshold": "emoforge.selection.selectors.policies:Threshold",
        "conformal": "emoforge.selection.selectors.policies:Conformal",
        "consensus": "emoforge.selection.selectors.policies:Consensus",
        "calibrated": "emoforge.selection.selectors.policies:Calibrated",
        "bootstrap": "emoforge.selection.selectors.bootstrap:Bootstrap",
    },
    "judge": {
        "embedded": "emoforge.selection.judges.embedded:EmbeddedJudge",
        "hf": "emoforge.selection.judges.encoders.hf:HFJudge",
        "speechbrain": "emoforge.selection.judges.encoders.speechbrain:SpeechBrainJudge",
        "emotion2vec": "emoforge.selection.judges.encoders.emotion2vec:Emotion2VecJudge",
        "egemaps": "emoforge.selection.judges.encoders.egemaps:EgemapsJudge",
        "clap": "emoforge.selection.judges.encoders.clap:ClapJudge",
        "ensemble": "emoforge.selection.judges.ensemble:EnsembleJudge",
    },
    "gate": {
        "finite": "emoforge.selection.gates.signal:Finite",
        "decodable": "emoforge.selection.gates.signal:Decodable",
        "duration": "emoforge.selection.gates.signal:Duration",
        "silence": "emoforge.selection.gates.signal:Silence",
        "clipping": "emoforge.selection.gates.signal:Clipping",
        "level": "emoforge.selection.gates.signal:Level",
        "voiced": "emoforge.selection.gates.signal:Voiced",
        "duplicate": "emoforge.selection.gates.signal:Duplicate",
        "speech": "emoforge.selection.gates.speech:Speech",
        "pace": "emoforge.selection.gates.speech:Pace",
        "repeats": "emoforge.selection.gates.repeats:Repeats",
        "alignment": "emoforge.selection.gates.alignment:Alignment",
        "voice": "emoforge.selection.gates.voice:Voice",
        "wer": "emoforge.selection.gates.wer:WordErrorRate",
        "dnsmos": "emoforge.selection.gates.quality:Dnsmos",
        "nisqa": "emoforge.selection.gates.quality:Nisqa",
    },
    "codec": {
        "opus": "emoforge.codecs.libav:Opus",
        "aac": "emoforge.codecs.libav:AAC",
        "mp3": "emoforge.codecs.libav:MP3",
        "ac3": "emoforge.codecs.libav:AC3",
        "sbc": "emoforge.codecs.libav:SBC",
        "amr_nb": "emoforge.codecs.libav:AMRNarrowband",
        "g722": "emoforge.codecs.libav:G722",
        "g723_1": "emoforge.codecs.libav:G7231",
        "g726": "emoforge.codecs.libav:G726",
        "alaw": "emoforge.codecs.libav:ALaw",
        "mulaw": "emoforge.codecs.libav:MuLaw",
        "adpcm": "emoforge.codecs.libav:ADPCM",
        "vorbis": "emoforge.codecs.libsndfile:Vorbis",
        "gsm": "emoforge.codecs.libsndfile:GSM",
        "speex": "emoforge.codecs.ffmpeg:Speex",
        "codec2": "emoforge.codecs.ffmpeg:Codec2",
        "amr_wb": "emoforge.codecs.ffmpeg:AMRWideband",
        "lyra": "emoforge.codecs.lyra:Lyra",
        "encodec": "emoforge.codecs.encodec:Encodec",
        "encodec_48khz": "emoforge.codecs.encodec:Encodec48",
        "dac": "emoforge.codecs.dac:DAC",
        "dac_24khz": "emoforge.codecs.dac:DAC24",
        "dac_16khz": "emoforge.codecs.dac:DAC16",
        "snac": "emoforge.codecs.snac:SNAC",
        "speechtokenizer": "emoforge.codecs.speechtokenizer:SpeechTokenizer",
        "transformers": "emoforge.codecs.transformers:TransformersCodec",
    },
    "measure": {
        "prosody": "emoforge.synthesis.prosody.comparison:ProsodyError",
        "mel": "emoforge.selection.measures.signal:MelDistance",
        "si_sdr": "emoforge.selection.measures.signal:SiSdr",
        "stoi": "emoforge.selection.measures.signal:Stoi",
        "pesq": "emoforge.selection.measures.signal:Pesq",
        "speaker": "emoforge.selection.measures.speaker:SpeakerSimilarity",
        "ecapa": "emoforge.selection.measures.ecapa:EcapaSimilarity",
        "dnsmos": "emoforge.selection.measures.quality:Dnsmos",
        "dnsmospro": "emoforge.selection.measures.quality:DnsmosPro",
        "nisqa": "emoforge.selection.measures.quality:Nisqa",
    },
    "exporter": {
        "audiofolder": "emoforge.augment.export.audiofolder:AudioFolder",
        "parquet": "emoforge.augment.export.parquet:Parquet",
        "speechbrain": "emoforge.augment.export.speechbrain:SpeechBrain",
        "lhotse": "emoforge.augment.export.lhotse:Lhotse",
        "webdataset": "emoforge.augment.export.webdataset:WebDataset",
        "kaldi": "emoforge.augment.export.kaldi:Kaldi",
        "asvspoof": "emoforge.augment.export.asvspoof:ASVspoof",
    },
}
KINDS = tuple(_BUILT_IN)


def registered(kind: str) -> dict[str, str]:
    """Name → `module:Class` of every component of a kind; imports none of them."""
    if kind not in _BUILT_IN:
        raise ConfigError(f"there is no component kind '{kind}': {nearest(kind, KINDS)}")
    found = dict(_BUILT_IN[kind])
    for entry in importlib.metadata.entry_points(group=f"emoforge.{kind}"):
        found.setdefault(entry.name, entry.value)
    return found


def component_class(kind: str, name: str) -> type[Component]:
    """Import a component's class.

    Raises ConfigError naming the nearest valid names, RequirementError if the import fails.
    """
    known = registered(kind)
    if name not in known:
        raise ConfigError(f"there is no {kind} '{name}': {nearest(name, known)}")
    module, _, attribute = known[name].partition(":")
    try:
        return cast(type[Component], getattr(importlib.import_module(module), attribute))
    except (ImportError, AttributeError) as error:
        raise RequirementError(f"{kind} '{name}' cannot be imported ({error})") from error


def create(kind: str, name: str, options: Mapping[str, Any] | None = None) -> Component:
    """Make a component from its name and options.

    Raises ConfigError for an unknown name or option, or a value of the wrong type.
    """
    return build(component_class(kind, name), options or {}, prefix=f"{kind} {name}: ")

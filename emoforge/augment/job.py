"""What a run is asked to do: its configuration, and the components that it names."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from emoforge.augment.corpora import CorpusConfig
from emoforge.augment.export import Exporter
from emoforge.augment.planner import Recipe
from emoforge.clip import SPLITS
from emoforge.component import Generator, create
from emoforge.errors import ConfigError, nearest
from emoforge.label import scheme
from emoforge.licence import Use
from emoforge.selection import Gate, Judge, Selector
from emoforge.selection.judges import chosen_scheme


@dataclass(frozen=True)
class RunnerConfig:
    """workers: processes that generate; None: one a core; 0: all in this process."""

    name: Literal["local"] = "local"
    workers: int | None = None

    @property
    def processes(self) -> int:
        """Number of worker processes."""
        return len(os.sched_getaffinity(0)) if self.workers is None else self.workers


@dataclass(frozen=True, kw_only=True)
class JobConfig:
    """What the jobs that make candidates have in common.

    generators: name → options, with `copies`: candidates a clip.
    gates: name → options; null: not in force. judge, selector: options, with `name`.
    retries: how often a candidate that failed or that a gate rejected is drawn anew.
    license_policy: what the set is made for; what a licence forbids is not made.
    """

    workspace: str
    generators: dict[str, dict[str, Any]]
    gates: dict[str, dict[str, Any] | None]
    judge: dict[str, Any]
    selector: dict[str, Any]
    runner: RunnerConfig = field(default_factory=RunnerConfig)
    audio_root: str | None = None
    out: str | None = None
    scheme: str = "basic4"
    seed: int = 0
    splits: list[str] = field(default_factory=lambda: ["train"])
    max_failures: float = 0.1
    retries: int = 0
    license_policy: Use = "any"
    export: list[str] = field(default_factory=lambda: ["audiofolder"])


@dataclass(frozen=True, kw_only=True)
class AugmentConfig(JobConfig):
    """What `configs/augment.yaml` and its groups say; see the comments there."""

    corpus: CorpusConfig


@dataclass(frozen=True)
class RecipeConfig:
    """Who says what in which emotion, by which generators.

    each: candidates for each voice, emotion and generator; a voice is a speaker of the corpus for
        generators that clone or convert, and the generator's own otherwise. Generators with voices
        of their own make as many in all as the corpus has speakers for, so that the set is
        balanced over generators; without a corpus, `each` a voice.
    emotions: of the scheme; all where empty.
    texts: what is said: `neutral` or `congruent` of the sentences that emoforge ships, `corpus`
        for those of the corpus, or a file (.txt, .csv, .tsv, .jsonl).
    texts_licence: of texts that are not emoforge's; "" where nobody stated it.
    languages: generator → language of its texts, where it is not the speaker's own.
    speakers: those of the corpus that take part; all where empty.
    unseen: generators whose speech only the test split has, as attacks that nobody trained on.
        The others are then in the other splits only: no attack is in both.
    consent: leave out speakers whose consent to be cloned the corpus does not state.
    rate: sampling rate of speech that has no recording to follow, Hz.
    """

    name: str
    each: int
    emotions: list[str] = field(default_factory=list)
    texts: str = "neutral"
    texts_licence: str = ""
    languages: dict[str, str] = field(default_factory=dict)
    speakers: list[str] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)
    consent: bool = False
    rate: int = 16000


@dataclass(frozen=True, kw_only=True)
class SynthesisConfig(JobConfig):
    """What `configs/synthesize.yaml` and its groups say; see the comments there."""

    recipe: RecipeConfig
    corpus: CorpusConfig | None = None


@dataclass(frozen=True)
class Parts:
    """The components that a configuration names, made and checked before any work begins."""

    recipes: list[Recipe]
    gates: list[Gate]
    judge: Judge
    selector: Selector
    exporters: list[Exporter]

    @classmethod
    def of(cls, config: JobConfig, recipes: list[Recipe] | None = None) -> "Parts":
        """The parts of a job; recipes: those of its generators, if they are made already.

        Raises ConfigError or RequirementError for the first that cannot be used.
        """
        for split in config.splits:
            if split not in SPLITS:
                raise ConfigError(f"splits: there is no split '{split}': {nearest(split, SPLITS)}")
        parts = cls(
            recipes or recipes_of(config),
            [
                cast(Gate, create("gate", name, options))
                for name, options in config.gates.items()
                if options is not None
            ],
            cast(Judge, _named("judge", config.judge)),
            cast(Selector, _named("selector", config.selector)),
            [cast(Exporter, create("exporter", name)) for name in config.export],
        )
        generators = [recipe.generator for recipe in parts.recipes]
        for part in (*generators, *parts.gates, parts.judge, *parts.exporters):
            part.check_requirements()
        chosen_scheme(parts.judge, scheme(config.scheme).name)
        return parts


def recipes_of(config: JobConfig) -> list[Recipe]:
    """The generators of a job; raises ConfigError for what cannot be made of their options."""
    if not config.generators:
        raise ConfigError("generators is empty: name at least one, as in generators=[prosody]")
    recipes = []
    for name, options in config.generators.items():
        own = dict(options)
        copies = own.pop("copies", 1)
        if not isinstance(copies, int) or copies < 1:
            raise ConfigError(f"generators.{name}.copies={copies!r}: must be 1 or more")
        recipes.append(Recipe(cast(Generator, create("generator", name, own)), copies))
    return recipes


def _named(kind: str, options: Mapping[str, Any]) -> Any:
    own = dict(options)
    return create(kind, str(own.pop("name", "")), own)

"""Building corpora: the script, and whole runs with and without recordings."""

import csv
import json
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from emoforge.audio import Audio
from emoforge.augment import Summary, SynthesisConfig, audit_leakage, replay_candidate, synthesize
from emoforge.augment.corpus_builder.script import Script, Scriptwriter
from emoforge.augment.corpus_builder.texts import Texts, load_texts
from emoforge.augment.job import RecipeConfig
from emoforge.augment.report.reproduce import command
from emoforge.cast import Cast
from emoforge.clip import SPLITS, Clip, Split
from emoforge.component import Generator, create, rng_for
from emoforge.config import compose, plain
from emoforge.errors import ConfigError, CorpusError, EmoforgeError, RequirementError
from emoforge.label import BASIC4, WIDE8, Label
from emoforge.progress import Progress
from emoforge.synthesis import Engine, Voice
from emoforge.synthesis.sentences import Text, sentences
from emoforge.workspace import Workspace

QUIET = Progress(quiet=True)
EMOTIONS = BASIC4.classes
SPEAKERS: dict[Split, int] = {"train": 4, "dev": 2, "test": 3}


@dataclass(frozen=True)
class Parrot(Engine):
    """Clones; says nothing, for scripts only."""

    name: ClassVar[str] = "parrot"
    version: ClassVar[int] = 1
    clones: ClassVar[bool] = True

    def supports(self, language: str) -> bool:
        return language[:2] in ("en", "de")

    def voices(self, language: str) -> list[Voice]:
        return []

    def speak(self, utterances: Any) -> list[Audio | EmoforgeError]:
        raise NotImplementedError


@dataclass(frozen=True)
class Choir(Parrot):
    """Has five voices, one of which was recorded in one emotion only."""

    name: ClassVar[str] = "choir"
    clones: ClassVar[bool] = False

    def voices(self, language: str) -> list[Voice]:
        return [
            *(Voice(f"v{i}", "female", EMOTIONS) for i in range(4)),
            Voice("v4", "male", ("sad",)),
        ]


def recordings(language: str = "en-US", per_cell: int = 3) -> list[Clip]:
    return [
        Clip(
            id=f"c/{split}{s}-{emotion}-{n}", path="x.flac", duration=2.0, rate=16000,
            label=Label.of(emotion, BASIC4), speaker=f"{split}{s}", corpus="c", split=split,
            digest=f"{split}{s}{emotion}{n}", text="What was recorded.", language=language,
            gender="female",
        )
        for split, count in SPEAKERS.items()
        for s in range(count)
        for emotion in EMOTIONS
        for n in range(per_cell)
    ]  # fmt: skip


def script(
    generators: list[Generator], clips: list[Clip], texts: str = "neutral", **recipe: Any
) -> Script:
    writer = Scriptwriter(
        RecipeConfig("test", recipe.pop("each", 5), **recipe),
        BASIC4,
        Cast.of(clips),
        load_texts(texts, clips),
        SPLITS,
        seed=1,
    )
    return writer.write(generators)


def generator(name: str, **options: Any) -> Generator:
    made = create("generator", name, options)
    assert isinstance(made, Generator)
    return made


# --- the script -----------------------------------------------------------------------------


def test_the_plan_is_balanced_over_generators_emotions_and_speakers() -> None:
    made = script([Parrot(), Choir(), generator("world_vc"), generator("prosody")], recordings())
    assert made.problems == []
    cells = Counter((s.generator.name, s.clip.split, s.clip.emotion) for s in made.slots)
    for (_, split, _), count in cells.items():
        assert split is not None
        assert count == 5 * SPEAKERS[split]
    assert len(cells) == 4 * 3 * 4
    targets = Counter(
        (s.clip.references[0].speaker, s.clip.emotion)
        for s in made.slots
        if s.generator.name == "world_vc"
    )
    assert set(targets.values()) == {5}
    keys = [
        (s.generator.name, s.clip.id, s.clip.text, s.clip.references, s.copy) for s in made.slots
    ]
    assert len(set(keys)) == len(keys), "no slot is asked for twice"


def test_a_cloned_voice_is_shown_by_its_own_clips_in_the_emotion() -> None:
    made = script([Parrot()], recordings())
    said = {text.text for text in load_texts("neutral", []).texts}
    for slot in made.slots:
        assert slot.clip.text in said
        assert slot.clip.language == "en-US"
        for shown in slot.clip.references:
            assert (shown.speaker, shown.emotion, shown.split) == (
                slot.clip.speaker, slot.clip.emotion, slot.clip.split,
            )  # fmt: skip
    texts = Counter((s.clip.speaker, s.clip.emotion, s.clip.text) for s in made.slots)
    assert max(texts.values()) == 1


def test_a_conversion_starts_from_another_speaker_of_the_split() -> None:
    for slot in script([generator("world_vc")], recordings()).slots:
        target = slot.clip.references[0]
        assert target.speaker != slot.clip.speaker
        assert target.split == slot.clip.split


def test_own_voices_are_in_one_split_each_and_say_what_they_can() -> None:
    made = script([Choir()], recordings())
    places: dict[str, set[Split | None]] = {}
    for line in made.lines:
        assert line.is_line
        places.setdefault(line.speaker, set()).add(line.split)
        assert line.speaker != "v4" or line.emotion == "sad"
    assert all(len(splits) == 1 for splits in places.values())
    assert {split for splits in places.values() for split in splits} == set(SPLITS)


def test_unseen_attacks_are_in_the_test_split_alone_and_the_others_are_not() -> None:
    made = script([Parrot(), Choir()], recordings(), unseen=["choir"])
    where = {(slot.generator.name, slot.clip.split) for slot in made.slots}
    assert where == {("parrot", "train"), ("parrot", "dev"), ("choir", "test")}


def test_congruent_texts_suit_the_emotion() -> None:
    own = sentences("en").congruent
    for slot in script([Parrot()], recordings(), "congruent").slots:
        assert slot.clip.text in own[slot.clip.emotion]


def test_the_language_is_the_speakers_or_as_configured_or_the_only_one() -> None:
    polish = recordings("pl")
    (problem,) = script([Parrot()], polish).problems
    assert "recipe.languages.parrot" in problem.sentence
    made = script([Parrot()], polish, languages={"parrot": "de"})
    assert {slot.clip.language for slot in made.slots} == {"de"}
    refused = script([Parrot(), Choir()], recordings(), languages={"parrot": "ja"})
    assert [problem.where for problem in refused.problems] == ["parrot"]
    assert {slot.generator.name for slot in refused.slots} == {"choir"}


def test_a_speaker_without_an_emotion_is_named() -> None:
    clips = [c for c in recordings() if (c.speaker, c.emotion) != ("dev1", "sad")]
    (problem,) = script([Parrot()], clips).problems
    assert problem.sentence == "speaker dev1 has no clip of 'sad' to start from"


def test_texts_of_the_corpus_and_of_a_file(tmp_path: Path) -> None:
    clips = recordings()
    assert load_texts("corpus", clips).of("en", "sad") == ["What was recorded."]
    file = tmp_path / "mine.csv"
    file.write_text("text,language,emotion\nIch bin froh.,de,happy\nEs ist Montag.,de,\n,de,\n")
    mine = load_texts(str(file), clips)
    assert mine.of("de-DE", "happy") == ["Ich bin froh.", "Es ist Montag."]
    assert mine.of("de", "sad") == ["Es ist Montag."]
    assert len(mine.problems) == 1
    with pytest.raises(ConfigError, match="did you mean 'neutral'"):
        load_texts("neutrl", clips)
    assert Texts([Text("x", "de", None)]).has("de-AT")


def test_a_converter_keeps_to_its_targets_and_genders() -> None:
    clips = [
        replace(clip, gender="male") if clip.speaker.endswith("1") else clip
        for clip in recordings()
    ]
    own = generator("world_vc", targets=["train0", "test0"], gender="same")
    made = script([own], clips)
    assert {slot.clip.references[0].speaker for slot in made.slots} == {"train0", "test0"}
    assert {slot.clip.gender for slot in made.slots} == {"female"}
    assert any("speaker dev0" in problem.sentence for problem in made.problems)


def test_what_lacks_for_one_leaves_the_others(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text("text,language,emotion\nSo glad.,en,happy\nSo sad.,en,sad\n")
    made = script([Parrot()], recordings(), str(file))
    assert {slot.clip.emotion for slot in made.slots} == {"happy", "sad"}
    assert {p.sentence for p in made.problems} == {
        "there is no text in 'en-US' for 'angry'",
        "there is no text in 'en-US' for 'neutral'",
    }
    polyglot = [
        replace(clip, language="pl") if clip.speaker == "train0" else clip for clip in recordings()
    ]
    made = script([Parrot()], polyglot)
    assert {slot.clip.speaker for slot in made.slots} == {
        clip.speaker for clip in polyglot if clip.language != "pl"
    }
    assert len(made.problems) == 1


def test_an_emotion_that_no_voice_has_is_named() -> None:
    writer = Scriptwriter(
        RecipeConfig("test", 2, ["fearful"], languages={"choir": "de"}), WIDE8, Cast({}),
        load_texts("neutral", []), ["test"], 0,
    )  # fmt: skip
    (problem,) = writer.write([Choir()]).problems
    assert problem.sentence == "none of its voices for test has 'fearful'"


def test_an_unseen_attack_has_all_its_voices_in_test() -> None:
    made = script([Choir(), Parrot()], recordings(), unseen=["choir"], each=20)
    assert {line.speaker for line in made.lines} == {f"v{i}" for i in range(5)}
    assert {line.split for line in made.lines} == {"test"}


def test_a_split_without_speakers_gets_nothing_and_no_voices() -> None:
    clips = [clip for clip in recordings() if clip.split != "dev"]
    made = script([Choir(), Parrot()], clips, each=20)
    assert {slot.clip.split for slot in made.slots} == {"train", "test"}
    voices = {(line.speaker, line.split) for line in made.lines}
    assert len(voices) == 5, "each voice is in one of the two"
    assert {p.sentence for p in made.problems} == {"the corpus has no speakers in dev"}


def test_what_starts_from_recordings_needs_a_corpus() -> None:
    made = script([generator("world_vc"), generator("prosody"), Parrot()], [])
    assert made.slots == []
    assert {p.sentence for p in made.problems} == {"needs the recordings of a corpus"}
    assert len(made.problems) == 3


def test_another_rate_is_another_line() -> None:
    ids = [
        {line.id for line in script([Choir()], recordings(), rate=rate).lines}
        for rate in (16000, 22050)
    ]
    assert ids[0].isdisjoint(ids[1])


def test_what_sounds_the_same_is_planned_once(shared: Path) -> None:
    hts = generator("hts", model=str(shared / "weights" / "hts_voices"))
    line = Clip(
        id="line", path="", duration=0, rate=16000, label=Label.of("neutral", BASIC4),
        speaker="takumi", corpus="x", text="今日は晴れです。", language="ja",
    )  # fmt: skip
    ids = {hts.planned(line, hts.plan(line, rng_for(n))).id for n in range(3)}
    assert len(ids) == 1


# --- whole runs -----------------------------------------------------------------------------


def job(folder: Path, *more: str) -> SynthesisConfig:
    settings = [
        f"workspace={folder / 'W'}", "gates=default", "runner.workers=0", "recipe.each=1",
        "export=[audiofolder]", "seed=5", *more,
    ]  # fmt: skip
    return compose("synthesize", settings, SynthesisConfig)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[SynthesisConfig, Summary]:
    """The starter corpus's speakers, converted; and espeak, in Japanese."""
    config = job(
        tmp_path_factory.mktemp("built"), "corpus=starter", "generators=[espeak,world_vc,xtts]",
        "recipe.emotions=[angry,sad]", "splits=[train]",
    )  # fmt: skip
    return config, synthesize(config, progress=QUIET)


def test_a_corpus_is_built_and_checked(built: tuple[SynthesisConfig, Summary]) -> None:
    config, summary = built
    inspection = summary.inspection
    speakers = next(p.speakers for p in inspection.recordings if p.split == "train")
    assert inspection.by_generator["espeak"].planned >= 2 * speakers
    assert inspection.by_generator["world_vc"].generated >= 2 * speakers
    assert inspection.last_run is not None
    (problem,) = inspection.last_run.problems
    assert problem["where"] == "xtts"
    assert "generators.xtts.model" in problem["problem"]
    with Workspace.open(config.workspace) as workspace:
        audit = audit_leakage(workspace.clips())
        assert audit.leaks == ()
        assert audit.orphans == 0
        lines = [c for c in workspace.clips(generated=True) if c.corpus == "sentences"]
        assert lines
        assert all(c.lineage and c.lineage.parents == () for c in lines)
        for generator in ("espeak", "world_vc"):
            made = next(
                c
                for c in workspace.clips(generated=True)
                if c.lineage and c.lineage.component == generator
            )
            replay, _ = replay_candidate(workspace, made.id)
            assert replay.identical


def test_target_and_heard_are_reported_side_by_side(
    built: tuple[SynthesisConfig, Summary],
) -> None:
    _, summary = built
    with Path(summary.emotions).open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    judged = sum(f.judged for f in summary.inspection.by_generator.values())
    assert len(rows) == judged
    assert {row["target"] for row in rows} == {"angry", "sad"}
    counted = Counter((row["generator"], row["target"], row["heard"]) for row in rows)
    for (generator, target, heard), count in counted.items():
        assert summary.achieved[generator][target][heard] == count
    assert all(float(row["p_target"]) <= float(row["p_heard"]) for row in rows)


def test_the_same_command_again_makes_nothing_and_stands_in_the_report(
    built: tuple[SynthesisConfig, Summary],
) -> None:
    config, summary = built
    with Workspace.open(config.workspace) as workspace:
        before = [row["candidate"] for row in workspace.table_rows("outcome")]
    again = synthesize(config, progress=QUIET)
    with Workspace.open(config.workspace) as workspace:
        assert [row["candidate"] for row in workspace.table_rows("outcome")] == before
    assert again.achieved == summary.achieved
    shell = command(plain(config))
    assert shell is not None
    assert shell.startswith("emoforge synthesize corpus=starter")
    assert "espeak" in Path(summary.report).read_text(encoding="utf-8")


def test_no_corpus_is_needed_for_an_engines_own_voices(tmp_path: Path) -> None:
    config = job(
        tmp_path, "recipe=voices", "generators=[espeak]", "recipe.each=1",
        "recipe.emotions=[happy]", "recipe.languages={espeak: de}", "splits=[dev]",
        "recipe.rate=22050", "export=[parquet]",
    )  # fmt: skip
    summary = synthesize(config, progress=QUIET)
    voices = create("generator", "espeak")
    assert isinstance(voices, Engine)
    funnel = summary.inspection.by_generator["espeak"]
    assert funnel.planned >= len(voices.voices("de"))
    assert funnel.kept == funnel.gated > 0
    with Workspace.open(config.workspace) as workspace:
        made = list(workspace.clips(generated=True))
    assert {clip.rate for clip in made} == {22050}
    assert {clip.split for clip in made} == {"dev"}
    assert {clip.text for clip in made} <= set(sentences("de").neutral)
    page = " ".join(Path(summary.report).read_text(encoding="utf-8").split())
    assert "planned from texts" in page
    assert "all that passed the gates, whatever the judge hears in them" in page
    shell = command(plain(config))
    assert shell is not None
    assert "corpus=" not in shell


def test_what_the_licence_policy_forbids_is_not_made(tmp_path: Path) -> None:
    manifest = tmp_path / "corpus.csv"
    starter = Path(__file__).parents[2] / "emoforge" / "starter"
    with (starter / "manifest.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["emotion"] == "sad"]
    with manifest.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, rows[0])
        table.writeheader()
        for row in rows:
            kind = "CC-BY-NC-4.0" if row["speaker"] == "mei" else row["licence"]
            table.writerow(row | {"path": str(starter / row["path"]), "licence": kind})
    config = job(
        tmp_path, "corpus=manifest", f"corpus.manifest={manifest}", "corpus.outside=true",
        "generators=[prosody]", "recipe.emotions=[sad]", "license_policy=commercial",
        "splits=[train,dev,test]", "export=[]",
    )  # fmt: skip
    summary = synthesize(config, progress=QUIET)
    (declined,) = [r for r in summary.inspection.reasons if r.outcome == "skipped"]
    assert declined.example == "licence CC-BY-NC-4.0 forbids commercial use"
    with Workspace.open(config.workspace) as workspace:
        assert {c.speaker for c in workspace.clips(generated=True)} == {"takumi", "tohoku"}


def test_own_texts_say_their_licence(tmp_path: Path) -> None:
    file = tmp_path / "mine.de.txt"
    file.write_text("Das ist alles.\n")
    settings = [
        "recipe=voices", "generators=[espeak]", f"recipe.texts={file}", "recipe.emotions=[sad]",
        "splits=[test]", "license_policy=research", "export=[]", "gates.voiced=null",
    ]  # fmt: skip
    with pytest.raises(ConfigError, match=r"nothing to make .*its licence is not stated"):
        synthesize(job(tmp_path, *settings), progress=QUIET)
    config = job(tmp_path, *settings, "recipe.texts_licence=CC0-1.0")
    summary = synthesize(config, progress=QUIET)
    assert summary.filled.asked > 0
    with Workspace.open(config.workspace) as workspace:
        gates = (workspace.selection_config(summary.inspection.basis.selection) or {})[
            "gate_options"
        ]
        assert "voiced" not in {gate["name"] for gate in gates}
        assert {c.licence for c in workspace.clips(generated=True)} == {"CC0-1.0"}


def test_only_those_who_consent_are_cloned(tmp_path: Path) -> None:
    starter = Path(__file__).parents[2] / "emoforge" / "starter"
    with (starter / "manifest.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    says = {"mei": "Yes", "takumi": "withdrawn", "tohoku": "form 12"}
    manifest = tmp_path / "corpus.csv"
    with manifest.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, [*rows[0], "consent"])
        table.writeheader()
        for row in rows:
            path = str(starter / row["path"])
            table.writerow(row | {"path": path, "consent": says[row["speaker"]], "split": "train"})
    settings = [
        "corpus=manifest", f"corpus.manifest={manifest}", "corpus.outside=true", "export=[]",
        "generators=[prosody]", "recipe.emotions=[sad]", "splits=[train]",
    ]  # fmt: skip
    for consent, speakers in (("false", {"mei", "tohoku"}), ("true", {"mei"})):
        config = job(tmp_path / consent, *settings, f"recipe.consent={consent}")
        synthesize(config, progress=QUIET)
        with Workspace.open(config.workspace) as workspace:
            assert {c.speaker for c in workspace.clips(generated=True)} == speakers
    with pytest.raises(ConfigError, match="there is none whose speaker consents"):
        synthesize(job(tmp_path / "none", "corpus=starter", "recipe.consent=true"), progress=QUIET)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (["recipe.each=0"], "recipe.each=0: must be 1 or more"),
        (["recipe.emotions=[jolly]"], "recipe.emotions: scheme basic4 has no 'jolly'"),
        (["recipe.unseen=[hts]"], "recipe.unseen: there is no generator 'hts' in this run"),
        (["recipe.speakers=[me]"], "recipe.speakers: the corpus has no 'me'"),
        (["recipe.texts=nonsense"], "recipe.texts=nonsense: neither a file nor one of these"),
        (["recipe.texts=none.csv"], "none.csv"),
        (["license_policy=comercial"], "license_policy='comercial'"),
        (["generators=[xtts]"], "generators.xtts.model"),
        (["generators.prosody.copies=2"], "how many are made is recipe.each here"),
    ],
)
def test_settings_that_cannot_be_used(tmp_path: Path, settings: list[str], sentence: str) -> None:
    with pytest.raises((ConfigError, CorpusError, RequirementError)) as error:
        synthesize(
            job(tmp_path, "corpus=starter", "generators=[prosody]", *settings), progress=QUIET
        )
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


def test_the_summary_is_plain_json(built: tuple[SynthesisConfig, Summary]) -> None:
    _, summary = built
    assert json.loads(json.dumps(summary.to_dict()))["achieved"] == summary.achieved

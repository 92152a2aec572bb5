"""Every recipe composes, and reads the file names that its corpus documents."""

from pathlib import Path

import pytest
from recipes import CONFIGS, RECIPES, Read, recipe

from emoforge.augment import AugmentConfig
from emoforge.augment.corpora import READERS
from emoforge.augment.corpora.folder import compile_pattern, match
from emoforge.config import compose
from emoforge.errors import ConfigError
from emoforge.label import ALIASES, FULL

FOLDERS = [n for n in RECIPES if recipe(n).reader == "folder" and n != "folder"]
NOT_RUN = {"crema_d", "emovo", "esd", "iemocap", "msp_podcast", "tess", "urdu"}


def test_recipes_are_all_there() -> None:
    assert {"nemo", "emodb", "ravdess", "starter", *NOT_RUN} <= set(RECIPES)
    assert set(READERS) <= set(RECIPES)


@pytest.mark.parametrize("name", RECIPES)
def test_recipe_composes(name: str) -> None:
    config = recipe(name)
    assert config.reader in READERS
    assert config.name == name
    assert all(value in {*FULL.classes, ""} for value in config.labels.values())


@pytest.mark.parametrize("name", sorted({*FOLDERS, *NOT_RUN}))
def test_recipe_says_what_the_corpus_is(name: str) -> None:
    config = recipe(name)
    assert config.citation
    assert config.licence
    assert config.language or config.languages
    assert config.speaker == f"{name}_{{speaker}}"
    text = (CONFIGS / "corpus" / f"{name}.yaml").read_text(encoding="utf-8")
    assert ("# not run against data" in text) == (name in NOT_RUN)


@pytest.mark.parametrize("name", FOLDERS)
def test_documented_names_fit_the_pattern(name: str) -> None:
    config = recipe(name)
    pattern = compile_pattern(config.pattern)
    assert len(config.examples) >= 2
    for path, expected in config.examples.items():
        fields = match(pattern, path)
        assert fields is not None, path
        assert fields["id"] == Path(path).stem
        assert expected.items() <= fields.items(), path
        assert fields["emotion"] in config.labels or fields["emotion"].lower() in ALIASES
        assert not config.texts or "*" in config.texts or fields["text"] in config.texts
        assert match(pattern, f"some/folder/{path}") is not None
        assert match(pattern, f"x{path}") is None or "/" in path
        assert match(pattern, f"{path}.txt") is None


@pytest.mark.parametrize("name", FOLDERS)
def test_recipe_reads_a_corpus_of_its_documented_names(
    name: str, tmp_path: Path, read: Read
) -> None:
    config = recipe(name)
    for path in config.examples:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    corpus = read(name, root=tmp_path)
    assert sorted(Path(clip.path).relative_to(tmp_path).as_posix() for clip in corpus.clips) == (
        sorted(config.examples)
    )
    for clip in corpus.clips:
        assert clip.id == f"{name}/{Path(clip.path).stem}"
        assert clip.speaker.startswith(f"{name}_")
        assert clip.licence == config.licence
        assert clip.language
        assert clip.text is None or " " in clip.text
        assert clip.label.modality == (config.modality or "intended")
        assert (clip.duration, clip.rate, clip.digest) == (0.0, 0, "")
    if name in {"emodb", "ravdess", "tess", "urdu", "esd", "emovo"}:
        assert {clip.gender for clip in corpus.clips} <= {"female", "male"}


def test_starter_corpus_comes_with_the_package(read: Read) -> None:
    corpus = read("starter")
    assert corpus.problems == []
    assert len(corpus.clips) >= 40
    assert all(Path(clip.path).is_file() for clip in corpus.clips)
    assert {clip.emotion for clip in corpus.clips} >= {"angry", "happy", "neutral", "sad"}
    assert all(clip.licence and clip.text and clip.language for clip in corpus.clips)


def test_settings_that_error_messages_name_can_be_set() -> None:
    composed = compose(
        "augment",
        [
            "workspace=w",
            "corpus=manifest",
            "corpus.manifest=m.csv",
            "corpus.columns.speaker=who",
            "corpus.labels.froh=happy",
            "corpus.split.by=column",
            "corpus.split.names.fold1=train",
            "corpus.speaker=unknown",
            "corpus.outside=true",
            "corpus.vad_range=[1,7]",
        ],
        AugmentConfig,
    ).corpus
    assert composed.columns.speaker == "who"
    assert composed.labels == {"froh": "happy"}
    assert (composed.split.by, composed.split.names) == ("column", {"fold1": "train"})
    assert (composed.speaker, composed.outside, composed.vad_range) == ("unknown", True, [1.0, 7.0])
    with pytest.raises(ConfigError, match=r"'corpus\.split\.bye': did you mean 'by'"):
        compose("augment", ["workspace=w", "corpus.split.bye=column"], AugmentConfig)

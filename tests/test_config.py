"""Settings: what a user may write, and the sentence for what cannot be used."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emoforge.augment import AugmentConfig
from emoforge.component import KINDS, canonical_json, create
from emoforge.config import build, choices, compose, plain
from emoforge.errors import ConfigError


def augment(*overrides: str, config_dir: Path | None = None) -> AugmentConfig:
    return compose("augment", ["workspace=w", *overrides], AugmentConfig, config_dir)


# --- what can be written ----------------------------------------------------------------------


def test_groups_and_keys_are_set_as_in_any_hydra_program() -> None:
    config = augment(
        "corpus=nemo",
        "corpus.root=/data/nemo",
        "generators=[prosody,signal]",
        "generators.signal.copies=3",
        "generators.prosody.targets=[sad,angry]",
        "gates.silence.highest=0.5",
        "~gates.voiced",
        "seed=7",
        "runner.workers=0",
    )
    assert (config.corpus.name, config.corpus.root) == ("nemo", "/data/nemo")
    assert list(config.generators) == ["prosody", "signal"]
    assert config.generators["signal"]["copies"] == 3
    assert config.generators["prosody"]["targets"] == ["sad", "angry"]
    assert config.gates["silence"] == {"highest": 0.5}
    assert "voiced" not in config.gates
    assert (config.seed, config.runner.workers, config.scheme) == (7, 0, "basic4")


def test_the_home_folder_is_meant_where_no_shell_replaces_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    config = augment("workspace=~/w", "judge.path=~/own.safetensors", "out=a~/b")
    assert (config.workspace, config.judge["path"], config.out) == (
        "/home/me/w",
        "/home/me/own.safetensors",
        "a~/b",
    )


@pytest.mark.parametrize(
    "path",
    [
        "/data/my corpus (v2)",
        "postgresql://me@host/db?host=/run/x&sslmode=require",
        "s3://bucket/a=b/c",
        "C:\\speech\\new",
        "/data/it's",
        "/data/[raw]",
        "/data/żółć",
        "a:b",
    ],
)
def test_a_path_means_itself(path: str) -> None:
    assert augment(f"corpus.root={path}").corpus.root == path
    assert augment(f"out={path}").out == path


@settings(max_examples=30)
@given(path=st.text("aZ09żü -_.,:;=+*?!&%@#~^()[]{}|<>'\"`$"))
def test_any_path_means_itself(path: str) -> None:
    path = f"/data/{path}x".replace("${", "$")
    assert augment(f"out={path}").out == path


def test_own_groups_come_from_an_own_folder(tmp_path: Path) -> None:
    folder = tmp_path / "my configs, (v=2)"
    (folder / "corpus").mkdir(parents=True)
    (folder / "corpus" / "mine.yaml").write_text("name: mine\nroot: /data\nlabels: {wut: angry}\n")
    config = augment("corpus=mine", config_dir=folder)
    assert (config.corpus.name, config.corpus.labels) == ("mine", {"wut": "angry"})
    assert augment("corpus=starter", config_dir=folder).corpus.name == "starter"


NEEDED = {"ensemble": ("judge.members=[{name: embedded}, {name: egemaps, head: x.safetensors}]",)}
"""What a choice cannot do without."""
VARIANTS = {"transcoding": "codec"}
"""Another configuration of a component → its name."""


@pytest.mark.parametrize("kind", ["generator", "judge", "selector"])
def test_every_shipped_choice_is_a_component_with_these_options(kind: str) -> None:
    assert kind in KINDS
    group = {"generator": "generators"}.get(kind, kind)
    for name in choices(group):
        if kind == "generator":
            ((found, options),) = augment(f"generators=[{name}]").generators.items()
        else:
            options = dict(getattr(augment(f"{group}={name}", *NEEDED.get(name, ())), group))
            found = options.pop("name")
        assert found == VARIANTS.get(name, name)
        needed = {"members": options["members"]} if name in NEEDED else {}
        shipped, default = create(kind, found, options), create(kind, found, needed)
        same = canonical_json(shipped.options()) == canonical_json(default.options())
        assert same == (name not in VARIANTS)


def test_a_configuration_is_plain_json_and_builds_itself_again() -> None:
    config = augment("corpus=ravdess", "corpus.root=/data", "seed=3")
    assert build(AugmentConfig, plain(config)) == config


# --- what cannot be used ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("corpus=nemoo", "there is no corpus 'nemoo': did you mean 'nemo'"),
        ("generators=[espaek]", "there is no generators 'espaek': did you mean 'espeak'"),
        ("sede=7", "there is no setting 'sede': did you mean 'seed'"),
        ("corpus.rot=/data", "there is no setting 'corpus.rot': did you mean 'root'"),
        ("runner.wokers=2", "runner.wokers"),
        ("seed=seven", "seed='seven': .*integer"),
        ("max_failures=many", "max_failures='many': .*number"),
        ("corpus.labels=[a]", "corpus.labels=.*dictionary"),
        ("seven", "'seven' is not a setting; write key=value or group=choice"),
    ],
)
def test_what_cannot_be_used_is_one_sentence(override: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence) as caught:
        augment(override)
    assert "\n" not in str(caught.value)


def test_what_is_missing_is_named() -> None:
    with pytest.raises(ConfigError, match="'workspace' needs a value: add workspace=…"):
        compose("augment", [], AugmentConfig)
    with pytest.raises(ConfigError, match=r"'corpus\.root' needs a value: add corpus\.root=…"):
        augment("corpus=nemo")
    with pytest.raises(ConfigError, match="nowhere: there is no such folder"):
        augment(config_dir=Path("nowhere"))


@dataclass
class Inner:
    number: int = 0


@dataclass
class Outer:
    inner: Inner = field(default_factory=Inner)
    several: list[Inner] = field(default_factory=list)


def test_unknown_keys_are_found_at_every_depth() -> None:
    assert build(Outer, {"inner": {"number": 1}}) == Outer(Inner(1))
    with pytest.raises(ConfigError, match=r"'x\.inner\.nubmer': did you mean 'number'"):
        build(Outer, {"inner": {"nubmer": 1}}, prefix="x.")
    with pytest.raises(ConfigError, match=r"'several\.1\.nubmer'"):
        build(Outer, {"several": [{"number": 1}, {"nubmer": 1}]})
    with pytest.raises(ConfigError, match=r"several\.0\.number='one'"):
        build(Outer, {"several": [{"number": "one"}]})

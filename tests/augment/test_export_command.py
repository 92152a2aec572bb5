"""`emoforge export` with options of its format."""

import json
from pathlib import Path

import pytest
from built_workspace import build, tone_recordings
from typer.testing import CliRunner

from emoforge.cli import app
from emoforge.errors import ConfigError


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export")
    build(folder / "W", tone_recordings(folder / "tones")).close()
    return folder / "W"


def export(*arguments: object) -> dict[str, object]:
    done = CliRunner().invoke(app, ["export", *map(str, arguments), "--json"])
    if done.exception:
        raise done.exception
    card = Path(json.loads(done.stdout)["path"]) / "emoforge.json"
    found: dict[str, object] = json.loads(card.read_text("utf-8"))
    return found


def test_settings_and_disclosure_reach_the_format(workspace, tmp_path):
    set_ = tmp_path / "set"
    card = export(workspace, set_, "rate=8000", "--format", "asvspoof", "--disclosure", "tag")
    assert card["format"]["rate"] == 8000
    assert [*card["rates"]] == ["8000"]
    assert [*card["disclosures"]] == ["tag"]
    card = export(workspace, set_, "shard_bytes=9000", "--format", "parquet")
    assert card["format"]["shard_bytes"] == 9000
    assert [*card["disclosures"]] == ["none"]
    assert len([*(set_ / "data").iterdir()]) > 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rate=loud", "--format", "asvspoof"], "rate='loud': input should be a valid integer"),
        (["rates=8000", "--format", "asvspoof"], "did you mean 'rate'"),
        (["rate=8000"], "there is no setting 'exporter audiofolder: rate'"),
        (["rate"], "'rate' is not a setting; write key=value"),
        (["--disclosure", "loud"], "'none', 'tag', 'watermark' or 'both'"),
    ],
)
def test_bad_settings_are_one_sentence(workspace, tmp_path, arguments, message):
    with pytest.raises(ConfigError, match=message):
        export(workspace, tmp_path / "set", *arguments)
    assert not (tmp_path / "set").exists()

"""The command line shows what the functions return, as it is."""

import pytest
from typer.testing import CliRunner

from emoforge import doctor
from emoforge.cli import app


def test_doctor_names_the_extra_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    need = "Python package 'x' (pip install 'emoforge[tts]')"
    diagnosis = doctor.Diagnosis({}, (doctor.Health("generator", "espeak", (need,)),))
    monkeypatch.setattr(doctor, "diagnose", lambda: diagnosis)
    monkeypatch.setenv("COLUMNS", "200")
    shown = CliRunner().invoke(app, ["doctor"])
    assert shown.exit_code == 0
    assert f"not ready: {need}" in shown.stdout


def test_doctor_says_which_weights_nobody_has_named() -> None:
    found = {(one.kind, one.name): one.missing for one in doctor.diagnose().components}
    assert found["codec", "opus"] == found["judge", "embedded"] == found["measure", "mel"] == ()
    assert "add codec.lyra.model=DIR" in found["codec", "lyra"][0]
    assert "add judge.model=" in found["judge", "hf"][0]
    assert "measures.nisqa.model=DIR" in found["measure", "nisqa"][0]

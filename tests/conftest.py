"""Fixtures shared by all tests."""

import csv
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).parent.parent

# Test processes side by side share the cores: threads of each would wait for one another.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# Time limits would fail on a busy machine; CI tries the same examples every time.
settings.register_profile("emoforge", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("emoforge")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real corpora and weights; tests that need it skip where it is absent."""
    folder = Path(os.environ.get("EMOFORGE_SHARED", ROOT.parent / "shared"))
    if not (folder / "corpora").is_dir():
        pytest.skip(f"no real corpora at {folder} (set EMOFORGE_SHARED)")
    return folder


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """URL of a private PostgreSQL server without the database's name: add one, create it.

    The server lives in a temporary folder, listens on a socket there and not on the network.
    """
    # Debian keeps the server's programs off the path.
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    initdb = str(found[-1]) if found else shutil.which("initdb")
    if initdb is None:
        pytest.skip("no PostgreSQL server here (Debian package postgresql)")
    folder = Path(tempfile.mkdtemp(prefix="emoforge-postgresql-"))
    # The server refuses to run as root.
    user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    if os.geteuid() == 0:
        shutil.chown(folder, user)
    data, log = str(folder / "data"), str(folder / "log")

    def run(program: str, *arguments: str) -> None:
        subprocess.run(
            [str(Path(initdb).with_name(program)), *arguments],
            user=user if os.geteuid() == 0 else None,
            cwd=folder,
            check=True,
            capture_output=True,
            timeout=60,
        )

    settings = f"-k {folder} -c listen_addresses= -c fsync=off -c max_connections=20"
    # A locale whose order is not that of the code points, as on most servers.
    locale = ["--locale-provider=icu", "--icu-locale=en-US", "--encoding=UTF8"]
    try:
        run("initdb", "-D", data, "-U", "emoforge", "--auth=trust", "--no-sync", *locale)
        run("pg_ctl", "-D", data, "-l", log, "-w", "-o", settings, "start")
        try:
            yield f"postgresql://emoforge@/{{database}}?host={folder}"
        finally:
            run("pg_ctl", "-D", data, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def few(shared: Path, tmp_path: Path) -> Path:
    """A manifest of 16 real clips: EmoDB, two speakers, four emotions, two clips of each."""
    with (shared / "corpora" / "emodb" / "metadata.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    chosen: list[dict[str, str]] = []
    for speaker in ("emodb_03", "emodb_09"):
        for emotion in ("anger", "happiness", "neutral", "sadness"):
            found = [r for r in rows if r["speaker"] == speaker and r["emotion"] == emotion]
            chosen += sorted(found, key=lambda r: float(r["duration_s"]))[:2]
    folder = tmp_path / "few"
    folder.mkdir()
    for row in chosen:
        source = shared / "corpora" / row["path"]
        shutil.copyfile(source, folder / source.name)
        row["path"] = source.name
    manifest = folder / "manifest.csv"
    columns = ("path", "speaker", "gender", "emotion", "text", "lang", "licence")
    with manifest.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, columns, extrasaction="ignore")
        table.writeheader()
        table.writerows(chosen)
    return manifest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest tests begin first: at the end they would keep one process busy alone."""
    items.sort(key=lambda item: item.get_closest_marker("timeout") is None)

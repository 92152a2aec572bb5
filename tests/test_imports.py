"""Imports are quick and point down only."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import emoforge

PACKAGE = Path(emoforge.__file__).parent

# What takes long to import, or is an extra that may be absent.
HEAVY = {
    "TTS", "ai_edge_litert", "audiotools", "dac", "datasets", "encodec", "faster_whisper", "gradio",
    "kaldiio", "lhotse", "librosa", "matplotlib", "numba", "onnxruntime", "opensmile", "pandas",
    "pesq", "pyroomacoustics", "pystoi", "pyworld", "resemblyzer", "sklearn", "snac", "speechbrain",
    "speechtokenizer", "torch", "torchaudio", "torchmetrics", "transformers", "webdataset",
}  # fmt: skip
# What the command line does not need before it knows the command.
CORE = {"av", "hydra", "jinja2", "numpy", "pyarrow", "scipy", "soundfile", "sqlalchemy"}

# A module of a layer imports layers of lower rank only, or its own. Whatever stands at the root
# and is not named here belongs to the bottom.
RANKS = {
    "cli": 6, "doctor": 5, "testing": 5, "app": 4, "augment": 3, "synthesis": 2, "codecs": 2,
    "selection": 1,
}  # fmt: skip


def imported_by(script: str) -> set[str]:
    """Top-level packages that a fresh interpreter has imported after the script."""
    script += "\nprint(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{script}"], capture_output=True, text=True, check=True
    )
    return set(done.stdout.splitlines()[-1].split())


def test_importing_emoforge_imports_nothing_heavy() -> None:
    assert imported_by("import emoforge") & (HEAVY | CORE) == set()


@pytest.mark.parametrize("arguments", [["--help"], ["augment", "--help"], ["judge", "--help"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    script = (
        f"sys.argv = ['emoforge', *{arguments!r}]\n"
        "from emoforge.cli import main\n"
        "try:\n    main()\n"
        "except SystemExit as done:\n    assert not done.code\n"
    )
    assert imported_by(script) & (HEAVY | CORE) == set()


@pytest.mark.parametrize(
    "face", sorted(str(path.parent.relative_to(PACKAGE)) for path in PACKAGE.glob("*/__init__.py"))
)
def test_the_face_of_a_package_imports_nothing_heavy(face: str) -> None:
    assert imported_by(f"import emoforge.{face}") & HEAVY == set()


def test_listing_components_imports_none_of_them() -> None:
    script = (
        "from emoforge.component import KINDS, registered\n"
        "assert all(registered(kind) for kind in KINDS)\n"
        "for package in ('selection', 'synthesis', 'augment'):\n"
        "    assert f'emoforge.{package}' not in sys.modules"
    )
    assert imported_by(script) & HEAVY == set()


# --- layers -----------------------------------------------------------------------------------


def module_name(path: Path) -> tuple[str, ...]:
    """`("selection", "gates")`; a package is named as its `__init__`."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" else parts


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}
PACKAGES = {name for name, path in MODULES.items() if path.name == "__init__.py"}


def face(package: tuple[str, ...]) -> set[str]:
    """Names that a package's `__init__` offers: what it imports or defines."""
    names = set()
    for node in ast.parse(MODULES[package].read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
    return names


def imports(path: Path) -> Iterator[tuple[int, tuple[str, ...]]]:
    """(line, module of emoforge) of every import in a file, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [(alias.name, "") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            names = [(str(node.module), alias.name) for alias in node.names]
        else:
            continue
        for base, name in names:
            top, *parts = base.split(".")
            if top == "emoforge":
                module = tuple(parts)
                inner = (*module, name)
                in_face = module in PACKAGES and name in face(module)
                yield node.lineno, inner if inner in MODULES and not in_face else module


def rank(module: tuple[str, ...]) -> int:
    return RANKS.get(module[0], 0) if module else 0


def faults(importer: tuple[str, ...], imported: tuple[str, ...]) -> Iterator[str]:
    """What is wrong with an import, if anything."""
    if importer[:1] != imported[:1] and rank(imported) >= max(rank(importer), 1):
        yield "points up or sideways"
    # A package is used through its face (`package`, `package.package`), never a module in it.
    package = imported if imported in PACKAGES else imported[:-1]
    if imported != package and importer[: len(package)] != package:
        yield f"reaches into {'.'.join(package)}"


@pytest.mark.parametrize(
    ("importer", "imported", "good"),
    [
        ("augment.planner", "selection", True),
        ("augment.planner", "selection.pool", False),
        ("augment.planner", "augment.corpora", True),
        ("augment.planner", "augment.corpora.tables", False),
        ("selection", "selection.pool", True),
        ("selection.pool", "augment", False),
        ("synthesis.tts.espeak", "synthesis.prosody", True),
        ("synthesis.tts.espeak", "synthesis.prosody.world", False),
        ("synthesis.tts.espeak", "codecs", False),
        ("selection.pool", "selection.pitch", True),
        ("clip", "audio", True),
        ("workspace", "selection", False),
        ("cli", "doctor", True),
        ("cli", "augment", True),
        ("augment", "cli", False),
    ],
)
def test_the_rule_itself(importer: str, imported: str, good: bool) -> None:
    found = list(faults(tuple(importer.split(".")), tuple(imported.split("."))))
    assert (found == []) == good


def test_imports_point_down_and_through_the_faces_of_packages() -> None:
    found = [
        f"{'.'.join(importer)}:{line} imports {'.'.join(imported)}: {fault}"
        for importer, path in MODULES.items()
        for line, imported in imports(path)
        for fault in faults(importer, imported)
    ]
    assert not found, "\n" + "\n".join(found)


def test_every_folder_with_code_is_a_package() -> None:
    folders = {path.parent for path in PACKAGE.rglob("*.py")}
    assert [str(f) for f in sorted(folders) if not (f / "__init__.py").exists()] == []

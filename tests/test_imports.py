"""Which part may import which, and what only one file may import. Files are read, not run."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import bionas_cupy.engine
import pytest

HERE = Path(__file__).resolve().parent
FOLDERS = Path(bionas_cupy.engine.__file__).resolve().parents[1]  # of engine/, layers/ ...; a checkout's root
MAY_IMPORT = {
    "engine": {"engine"},
    "layers": {"engine", "layers"},
    "data": {"engine", "data"},
    "search": {"engine", "layers", "data", "search"},
    "analysis": {"engine", "layers", "data", "search", "analysis"},
    "benchmarks": {"engine", "layers", "data", "search", "analysis", "benchmarks"},
    "cli": {"engine", "layers", "data", "search", "analysis", "benchmarks", "cli"},
}
SOURCES = [path for part in MAY_IMPORT for path in sorted((FOLDERS / part).rglob("*.py"))]
OUTSIDE = [
    path
    for folder in ("tests", "examples")
    for path in sorted((HERE.parent / folder).rglob("*.py"))
    if "oracle" not in path.relative_to(HERE.parent).parts
]


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """(dots, dotted name) of every import in a file, inside functions as well; `from m import n` as m.n."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((0, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.level, f"{node.module or ''}.{a.name}".lstrip(".")) for a in node.names)


def relative(path: Path) -> str:
    return path.relative_to(FOLDERS).as_posix()


def target(path: Path, dots: int, name: str) -> str:
    """The part of the package that a relative import leads to."""
    package = path.relative_to(FOLDERS).parts[:-1]
    return (*package[: len(package) - dots + 1], *name.split("."))[0]


def test_the_walk_finds_imports() -> None:
    found = set(imports(FOLDERS / "layers" / "norm.py"))
    assert {(0, "numpy"), (2, "engine.kernels.channel"), (1, "layer.Layer")} <= found
    assert target(FOLDERS / "engine" / "rules" / "x.py", 2, "rule.Rule") == "engine"
    assert target(FOLDERS / "engine" / "rules" / "x.py", 3, "layers.conv") == "layers"
    assert target(FOLDERS / "layers" / "x.py", 2, "engine") == "engine"
    assert len(SOURCES) > 60


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_imports_point_one_way(path: Path) -> None:
    part = path.relative_to(FOLDERS).parts[0]
    for dots, name in imports(path):
        if dots:
            to = target(path, dots, name)
            assert to in MAY_IMPORT[part] or to.startswith("__"), f"{part} imports {to}"
        else:
            assert name.split(".")[0] != "bionas_cupy", f"{name}: imports within the package are relative"


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_what_only_one_file_imports(path: Path) -> None:
    roots = {name.split(".")[0] for dots, name in imports(path) if dots == 0}
    assert "cupy" not in roots or relative(path) == "engine/backend.py"
    assert not roots & {"torch", "torchvision", "pickle", "cPickle", "dill", "shelve", "marshal"}


@pytest.mark.parametrize("path", OUTSIDE, ids=lambda path: path.relative_to(HERE.parent).as_posix())
def test_torch_is_for_oracles_and_benchmarks(path: Path) -> None:
    assert not {name.split(".")[0] for dots, name in imports(path) if dots == 0} & {"torch", "torchvision"}


def test_only_the_peers_of_benchmarks_name_torch() -> None:
    """import_module("torch") is no import statement: it is looked for in the text."""
    named = [relative(path) for path in SOURCES if 'import_module("torch")' in path.read_text("utf-8")]
    assert named == ["benchmarks/peers/frame.py"]


def test_rules_know_no_layers() -> None:
    for path in (FOLDERS / "engine" / "rules").glob("*.py"):
        text = path.read_text("utf-8")
        assert "geometry" not in text, path
        assert "isinstance" not in text, path


def test_public_names() -> None:
    for name in bionas_cupy.__all__:
        assert getattr(bionas_cupy, name) is not None
    with pytest.raises(AttributeError, match="nonsense"):
        _ = bionas_cupy.nonsense


def test_the_package_alone_imports_nothing_heavy() -> None:
    script = "import sys, bionas_cupy; print(*{m.split('.')[0] for m in sys.modules})"
    paths = [str(Path(bionas_cupy.__file__).resolve().parents[1])]
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {paths!r}; {script}"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert not set(done.stdout.split()) & {"numpy", "scipy", "h5py", "click", "cupy", "numba"}

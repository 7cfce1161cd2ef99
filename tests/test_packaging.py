"""What pyproject.toml says of the package is what lies in the folders; every module imports; doctests run."""

import ast
import doctest
import importlib
import pkgutil
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import bionas_cupy.engine
import pytest

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
SETUPTOOLS = PROJECT["tool"]["setuptools"]
KERNELS = Path(bionas_cupy.engine.__file__).parent / "kernels"
OPTIONAL = {"numba", "cupy", "torch"}  # of the extras


def folder_of(package: str) -> Path:
    """Where a package of the list lies, by the longest name in package-dir."""
    known = SETUPTOOLS["package-dir"]
    parent = max((n for n in known if package == n or package.startswith(n + ".")), key=len)
    return ROOT / known[parent] / package.removeprefix(parent).replace(".", "/").lstrip("/")


def test_packages_are_the_folders() -> None:
    listed = {folder_of(package).relative_to(ROOT) for package in SETUPTOOLS["packages"]}
    parts = [folder for folder in ROOT.iterdir() if (folder / "__init__.py").is_file()]
    found = {path.parent.relative_to(ROOT) for part in parts for path in part.rglob("__init__.py")}
    assert listed == found
    assert len(SETUPTOOLS["packages"]) == len(set(SETUPTOOLS["packages"])) == len(listed)
    assert all(package.partition(".")[0] == "bionas_cupy" for package in SETUPTOOLS["packages"])


@pytest.mark.parametrize("package", SETUPTOOLS["packages"])
def test_data_files_are_shipped(package: str) -> None:
    """Whatever is no module, in a package's folder, is matched by its package-data."""
    patterns = SETUPTOOLS["package-data"].get(package, [])
    files = [p.name for p in folder_of(package).iterdir() if p.is_file() and p.suffix not in (".py", ".pyc")]
    left = [name for name in files if not any(fnmatch(name, pattern) for pattern in patterns)]
    assert not left
    unused = [pattern for pattern in patterns if not any(fnmatch(name, pattern) for name in files)]
    assert not unused


def test_files_that_the_project_names_exist() -> None:
    for name in PROJECT["project"]["license-files"]:
        assert (ROOT / name).is_file(), name
    assert "MIT" in (ROOT / "LICENSE").read_text("utf-8")
    assert (ROOT / "bionas_cupy" / "py.typed").is_file()


def test_version_is_read_from_the_package() -> None:
    assert SETUPTOOLS["dynamic"]["version"]["attr"] == "bionas_cupy.__version__"
    assert all(part.isdigit() for part in bionas_cupy.__version__.split(".")[:2])


@pytest.mark.parametrize("command", PROJECT["project"]["scripts"].values())
def test_commands_exist(command: str) -> None:
    module, _, function = command.partition(":")
    assert callable(getattr(importlib.import_module(module), function))


# Kernels: NAME.py, its compiled twin NAME_cpu.py, its CUDA twin NAME_cuda.py on the text NAME.cu

STEMS = sorted(path.stem for path in KERNELS.glob("*.py") if path.stem != "__init__")


def functions(stem: str) -> dict[str, ast.FunctionDef]:
    tree = ast.parse((KERNELS / f"{stem}.py").read_text("utf-8"))
    return {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("stem", STEMS)
def test_a_kernel_says_what_it_computes(stem: str) -> None:
    tree = ast.parse((KERNELS / f"{stem}.py").read_text("utf-8"))
    assert ast.get_docstring(tree)
    for name, function in functions(stem).items():
        if not name.startswith("_") and not _is_inner(stem):
            assert ast.get_docstring(function), f"{stem}.{name}"


def _is_inner(stem: str) -> bool:
    return stem.endswith(("_cpu", "_cuda"))


@pytest.mark.parametrize("stem", [s for s in STEMS if _is_inner(s)])
def test_a_twin_is_whole(stem: str) -> None:
    """Where a kernel has a twin, every function that hands over finds its own, with the same parameters."""
    base = stem.rpartition("_")[0]
    for name, node in functions(base).items() if base in STEMS else ():
        if any(isinstance(d, ast.Name) and d.id == "twins" for d in node.decorator_list):
            twin = functions(stem)[name]
            given, needed = ([a.arg for a in f.args.args] for f in (node, twin))
            assert given == needed, f"{stem}.{name}"
            assert len(node.args.defaults) == len(twin.args.defaults), f"{stem}.{name}"


def test_every_cuda_file_has_its_equation() -> None:
    """NAME.cu opens with the equations of NAME.py: the first indented lines of its docstring."""
    for path in (p for p in KERNELS.iterdir() if p.suffix == ".cu"):
        told = ast.get_docstring(ast.parse(path.with_suffix(".py").read_text("utf-8"))) or ""
        equations = next(part for part in told.split("\n\n") if part.startswith("    "))
        opening = [line.lstrip("/") for line in path.read_text("utf-8").split("\n\n")[0].splitlines()]
        assert " ".join(equations.split()) in " ".join(" ".join(opening).split()), path.name


# Modules and doctests


def modules() -> list[str]:
    found = ["bionas_cupy"]
    for package in SETUPTOOLS["packages"]:
        if package != "bionas_cupy":
            found.append(package)
            found += [f"{package}.{m.name}" for m in pkgutil.iter_modules([str(folder_of(package))])]
    return [name for name in dict.fromkeys(found) if not name.endswith("__main__")]


def load(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        if (error.name or "").partition(".")[0] in OPTIONAL:
            pytest.skip(f"needs {error.name}")
        raise


@pytest.mark.parametrize("name", modules())
def test_module_imports_and_its_examples_run(name: str) -> None:
    module = load(name)
    assert module.__doc__, f"{name} says nothing of itself"
    assert doctest.testmod(module).failed == 0

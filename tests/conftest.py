"""Before NumPy is imported: pytest-xdist has a worker a core, so that BLAS needs no threads below it."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

for library in ("OPENBLAS", "MKL"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

sys.path.insert(0, str(Path(__file__).parent))  # the modules that tests share

from cli_cases import Command, InLines  # noqa: E402


@pytest.fixture(autouse=True)
def no_rule_file_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process knows the rules of files that it has read by their names: no test knows those of another."""
    from bionas_cupy.engine import registry

    monkeypatch.setattr(registry, "_of_files", {})


@pytest.fixture
def fresh_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """As in a process that has read no rule file, in an empty folder."""
    from bionas_cupy.engine import rule_files

    monkeypatch.setattr(rule_files, "_loaded", {})
    monkeypatch.setattr(rule_files, "_copies", {})
    monkeypatch.chdir(tmp_path)
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith("bionas_cupy_rule_file_"):
            del sys.modules[name]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """command(*arguments): exit code, stdout and stderr."""
    from bionas_cupy.cli.main import main

    def command(*arguments: str | Path) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main([str(each) for each in arguments])
        return code, *capsys.readouterr()

    return command


@pytest.fixture
def run(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """`command` in a fresh working folder."""
    monkeypatch.chdir(tmp_path)
    return command


@pytest.fixture
def search(run: Command) -> InLines:
    """search(*options): exit code, lines of stdout, and stderr of a quiet search in a fresh working folder."""

    def search(*options: str) -> tuple[int, list[str], str]:
        code, out, err = run("search", "-q", *options)
        return code, out.splitlines(), err

    return search


def pytest_terminal_summary(terminalreporter):
    """What tests measured, beside whether they passed: record_property("figure", "...")."""
    for report in terminalreporter.stats.get("passed", []):
        for name, value in report.user_properties:
            if name == "figure":
                terminalreporter.write_line(f"{report.nodeid.rpartition('/')[2]}: {value}")

"""The tutorial as written: its files are saved, its commands run in their order, its figures are the report's."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bionas_cupy.analysis import rule_check, rule_trial
from bionas_cupy.cli.main import main

TUTORIAL = (Path(__file__).resolve().parents[1] / "docs" / "write_a_rule.md").read_text("utf-8")
BLOCK = re.compile(r"(?:[Ss]ave this as `(?P<file>[\w.]+)`:\n\n)?```(?P<kind>\w*)\n(?P<text>.*?)```", re.S)
SMALLER = {  # the network and the data alone: what is run is what is written
    "train": "--epochs 1 --subset 128 --channels 2 --cells 2 -q",
    "search": "--epochs 1 --set images_per_epoch=32 --set size.channels=2 --set size.nodes=1 -q",
}


def blocks() -> Iterator[re.Match[str]]:
    return BLOCK.finditer(TUTORIAL)


def commands() -> list[str]:
    lines = [line for b in blocks() if b["kind"] == "bash" for line in b["text"].splitlines()]
    assert all(line.startswith("bionas-cupy ") for line in lines)
    return lines


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty one, in which nothing has been run."""
    monkeypatch.setattr(rule_check, "slowness", lambda spec, model: 1.06)  # not by the clock
    known: dict[str, rule_trial.Trial] = {}  # bp and no learning are the same beside every rule

    def trial(*given: Any, **more: Any) -> rule_trial.Trial:
        if repr((given, more)) not in known:
            known[repr((given, more))] = rule_trial.trial(*given, **more)
        return known[repr((given, more))]

    monkeypatch.setattr(rule_check, "trial", trial)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_command_runs_in_its_order(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reports: dict[str, str] = {}
    for block in blocks():
        if block["file"]:
            Path(block["file"]).write_text(block["text"], "utf-8")
        for line in block["text"].splitlines() if block["kind"] == "bash" else ():
            _, *words = shlex.split(line)
            code = main([*words, *SMALLER.get(words[0], "").split()])
            out, err = capsys.readouterr()
            assert code == 0, (line, err)
            reports[line] = out
    files = {f"{name}.py" for name in ("my_rule", "ternary", "bcm", "restless", "better", "gated")} | {"runs"}
    assert {p.name for p in folder.iterdir()} == files
    check_figures(reports)
    check_the_python_example(folder)


def check_figures(reports: dict[str, str]) -> None:
    """The report that is printed in full, and the figures in the text; another BLAS may move them a little."""
    shown = next(b["text"] for b in blocks() if b["text"].startswith("pass  shapes"))
    assert about(reports["bionas-cupy rules check my_rule.py"], shown)
    assert about(reports["bionas-cupy rules check ternary.py"], "after learning hidden0 24°, hidden1 27°")
    figures = "learning       90.1 % of 718 digits, the read-out by bp; bp 96.0 %, no learning 81.8 %"
    assert about(reports["bionas-cupy rules check bcm.py"], figures)
    figures = "learning       86.1 % of 718 digits, the read-out by bp; bp 96.0 %, no learning 81.8 %"
    assert about(reports["bionas-cupy rules check gated.py"], figures)
    figures = "learning       67.5 % of 718 digits; bp 96.0 %, no learning 81.8 %"
    assert about(reports["bionas-cupy rules check better.py"], figures, 6.0)
    for line, out in reports.items():
        if "rules check" in line:
            assert "The contract holds" in out, line


def about(out: str, figures: str, by: float = 3.0) -> bool:
    """Whether the text is in `out`, its whole numbers and decimals within `by` degrees or per cent."""
    number = re.compile(r"(?<= )\d+(?:\.\d+)?(?=[° ])")
    parts = [re.escape(part) for part in number.split(figures)]
    found = re.search(number.pattern.join(parts), re.sub(r"within \S+ of", "within 8e-08 of", out))
    assert found, (figures, out)
    pairs = zip(number.findall(found[0]), number.findall(figures), strict=True)
    return all(abs(float(a) - float(b)) <= by for a, b in pairs)


def check_the_python_example(folder: Path) -> None:
    code = next(b["text"] for b in blocks() if "bn.probe" in b["text"])
    found: dict[str, object] = {}
    exec(code, found)
    assert found["update"] == 0
    assert 0 < found["cosine"] < 1


def test_the_excerpt_is_of_the_new_file(folder: Path) -> None:
    assert main(["rules", "new", "my_rule.py"]) == 0
    excerpt = next(b["text"] for b in blocks() if b["text"].startswith("    def feedback_weights"))
    assert excerpt in Path("my_rule.py").read_text("utf-8")


def test_figures_are_compared() -> None:
    assert about("see: 90.1 % of 718", " 88.0 % of 718")
    assert not about("see: 90.1 % of 718", " 86.0 % of 718")
    with pytest.raises(AssertionError):
        about("see: 90.1 % of 718 ", " 90.1 % off 718 ")


def test_there_is_something_to_run() -> None:
    assert len(commands()) >= 10

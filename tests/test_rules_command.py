"""`rules list`, `rules show` and `rules new`: cards read off classes, and a file that works as it is."""

import json
import shlex
from importlib.metadata import EntryPoint
from pathlib import Path

import click
import numpy as np
import pytest
from bionas_cupy.analysis.rule_speed import speeds
from bionas_cupy.cli.main import commands, main
from bionas_cupy.cli.new_rule import names_for
from bionas_cupy.cli.rule_cards import card
from bionas_cupy.cli.rule_symbols import SYMBOLS, symbols_in
from bionas_cupy.engine import rule_packages
from bionas_cupy.engine.registry import make_rule, registered
from cli_cases import Command


@pytest.fixture(autouse=True)
def empty_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", registered())
def test_a_card_says_everything(name: str) -> None:
    found = card(name)
    rule = make_rule(name)
    assert found["name"] == str(rule)
    assert found["bits"] == rule.bits
    assert found["reads"] == list(rule.reads)
    for key in ("equation", "sends", "source", "family", "procedure", "description"):
        assert found[key], key
    assert any(symbol in found["equation"] for symbol in "δΔWB")
    assert set(rule.reads) < found["symbols"].keys()
    assert all(found["symbols"].values())
    assert Path(found["file"]).is_file()


def test_a_card_explains_symbols_signals_options_and_constraints(command: Command) -> None:
    code, out, err = command("rules", "show", "wp+nonneg")
    assert code == 0, err
    for text in (
        "node perturbation (Williams 1992; Fiete & Seung 2006), with antithetic probes.",  # its second line
        "probes (default 1; K), sigma (default 0.01; σ)",
        "Constraint:  nonneg: w ← max(w, 0).",
        "ΔW        the update",
        "dloss     how each sample's loss",
    ):
        assert text in out
    assert "⊗" not in out
    found = card("ff")["symbols"]
    assert "passes" in found["delta"]  # no error arrives from above
    assert "above" not in card("fa")["symbols"]["delta"].removesuffix("the layer above")
    assert "1 bit per weight" in command("rules", "show", "usf")[1]
    assert {"δx", "ΔW", "⊗", "B"} < card("fa")["symbols"].keys()
    assert symbols_in("a: ΔW = ⟨ŷ ⊗ x̂⟩").keys() == {"ΔW", "⊗", "⟨ ⟩"}
    assert symbols_in("b: ΔW_l ∝ ε_l ∘ Yᵀ") == {s: SYMBOLS[s] for s in ("Y", "ΔW", "∘", "∝")}


@pytest.mark.parametrize("name", registered())
def test_the_examples_of_a_card_parse(name: str) -> None:
    for line in card(name)["examples"]:
        words, known = shlex.split(line)[1:], commands
        while isinstance(known, click.Group):
            known = known.commands[words.pop(0)]
        known.make_context("bionas-cupy", words).close()


def test_the_card_of_a_file(command: Command) -> None:
    assert command("rules", "new", "my_rule.py")[0] == 0
    code, out, err = command("rules", "show", "my_rule.py")
    assert code == 0, err
    for text in (
        "my_rule: δx = Bᵀ δ",
        "mix (default 0.5)",
        "Written in:  my_rule.py",
        "--rule my_rule.py",
        "search --rules bp,my_rule.py",
        "whatever is not listed here the rule cannot get",
    ):
        assert text in out
    found = json.loads(command("rules", "show", "my_rule.py(mix=0.2)", "--json")[1])
    assert found["name"] == "my_rule(mix=0.2)"
    assert "bionas-cupy train lenet --rule 'my_rule.py(mix=0.2)'" in found["examples"]


def test_the_list_names_rules_of_packages_and_broken_ones(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = [EntryPoint("broken", "no_such_module:Rule", rule_packages.GROUP)]
    monkeypatch.setattr(rule_packages, "entry_points", lambda group: points)
    rule_packages.packaged.cache_clear()
    try:
        code, out, _ = command("rules", "list", "--json")
        assert code == 0
        found = {each["name"]: each for each in map(json.loads, out.splitlines())}
        assert len(found) == len(registered()) + 1
        assert "cannot be imported: ModuleNotFoundError" in found["broken"]["error"]
        assert "cannot be imported" in " ".join(command("rules", "list")[1].split())
    finally:
        rule_packages.packaged.cache_clear()


def test_the_list_is_of_what_is_installed_whatever_files_this_process_has_read(command: Command) -> None:
    before = command("rules", "list", "--json")
    assert command("rules", "new", "mine.py")[0] == 0
    assert command("rules", "show", "mine.py")[0] == 0
    assert command("rules", "list", "--json") == before
    assert len(before[1].splitlines()) == len(registered())


def test_a_new_rule_works_as_it_is(command: Command) -> None:
    code, out, err = command("rules", "new", "my-first_rule.py")
    assert code == 0, err
    assert 'holds the rule "my_first_rule"' in out
    text = Path("my-first_rule.py").read_text("utf-8")
    assert len(text.splitlines()) <= 35
    assert "class MyFirstRule(Rule)" in text
    for word in ("NAME", "CLASS", "FILE"):
        assert word not in text
    assert str(make_rule("my-first_rule.py(mix=0.25)")) == "my_first_rule(mix=0.25)"
    size = ["--subset", "96", "--epochs", "1", "-q"]
    assert command("train", "mlp", "--rule", "my-first_rule.py", *size)[0] == 0


def test_new_refuses(command: Command) -> None:
    Path("mine.py").write_text("here first")
    for path, code, said in [
        ("mine.py", 2, '"mine.py" exists already'),
        ("usf.py", 2, 'a rule "usf" exists already'),
        ("mine.txt", 2, "Choose one like my_rule.py"),
        ("1.py", 2, "Choose one like my_rule.py"),
        ("no/mine2.py", 7, "No such file or directory"),
    ]:
        found, out, err = command("rules", "new", path)
        assert (found, out, err.count("\n")) == (code, "", 1)
        assert said in err
    assert [p.name for p in Path(".").iterdir()] == ["mine.py"]
    assert Path("mine.py").read_text() == "here first"


def test_names_of_a_file() -> None:
    assert names_for(Path("a/B-c d.py")) == ("b_c_d", "BCD")


def test_speed_is_the_median_of_ratios_taken_in_turns() -> None:
    rounds = [0, 9, 0, 9, 0, 3, 0, 2, 0, 5, 0, 2, 0, 8, 0, 2]  # the first pair compiles
    ticks = iter(np.cumsum(rounds))
    settings = {"model": "mlp", "batch": 8, "hidden": [4], "data": {"subset": 40}}
    (found,) = speeds(["oja"], settings, 3, lambda: float(next(ticks)))
    assert (found.rule, found.ratio, found.low, found.high, found.ms) == ("oja", 2.5, 1.5, 4.0, 5000.0)
    with pytest.raises(StopIteration):
        next(ticks)


def test_speed_says_which_rules_cannot_run_a_network(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    few = {name: kind for name, kind in registered().items() if name in ("bp", "oja", "ff")}
    monkeypatch.setattr("bionas_cupy.analysis.rule_speed.registered", lambda: few)
    asked = [
        "rules",
        "speed",
        "--network",
        "lenet",
        "--batch",
        "4",
        "--rounds",
        "1",
        "--subset",
        "40",
        "--json",
    ]
    assert main(asked) == 0
    found = {row["rule"]: row for row in map(json.loads, capsys.readouterr().out.splitlines())}
    assert set(found) == {"bp", "oja", "ff"}
    assert "compares the activities of linear layers" in found["ff"]["why"]
    assert all(row["ratio"] > 0 for row in found.values() if not row["why"])
    assert main([*asked[:2], "ff", *asked[2:]]) == 2

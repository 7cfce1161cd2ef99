"""The documents say what the command line does: each command line in them parses, each option is described."""

import re
import shlex
from pathlib import Path

import click
import numpy as np
import pytest
from bionas_cupy.cli.configuration import asked_for, rules_file, search_config
from bionas_cupy.cli.main import commands
from bionas_cupy.engine.random import Key
from bionas_cupy.engine.registry import make_rule, registered
from bionas_cupy.engine.rule import State
from bionas_cupy.search.networks import NAMES

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "docs" / "cli.md", *sorted((ROOT / "examples").glob("*.toml"))]
EXAMPLE = re.compile(
    rf"^(?:\$ |# |.*`)?(bionas-cupy (?:{'|'.join(commands.commands)})\b[^`#\n]*)",
    re.M,
)


def examples(path: Path) -> list[str]:
    found = [match.strip() for match in EXAMPLE.findall(path.read_text("utf-8"))]
    return [
        each for each in found if not re.search(r"[\[A-Z]{2}|\.\.\.|·| \[", each)
    ]  # not forms: RUN, [OPTIONS]


def test_there_are_examples() -> None:
    assert [len(examples(path)) >= 5 for path in DOCUMENTS[:2]] == [True, True]


@pytest.mark.parametrize("line", sorted({e for path in DOCUMENTS for e in examples(path)}))
def test_example_parses(line: str) -> None:
    words, command = shlex.split(line)[1:], commands
    while isinstance(command, click.Group) and words:
        command = command.commands[words.pop(0)]
    command.make_context("bionas-cupy", words, resilient_parsing=False).close()


def test_every_option_is_described() -> None:
    text = (ROOT / "docs" / "cli.md").read_text("utf-8")
    for name, command in commands.commands.items():
        assert f"## {name}" in text
        group = command.commands.values() if isinstance(command, click.Group) else [command]
        for option in (p for each in group for p in each.params if isinstance(p, click.Option)):
            assert option.opts[0] in text, (name, option.opts)


def test_every_command_and_network_is_in_the_readme() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    for name in commands.commands:
        assert f"bionas-cupy {name}" in text
    for name in NAMES:
        assert re.search(rf"\b{name}\b", text), name


def test_every_rule_is_in_the_readme() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    for name in registered():
        assert re.search(rf"^\| `{name}[`0-9(]", text, re.M), name


def test_examples_are_configurations() -> None:
    for path in (ROOT / "examples").glob("*.toml"):
        if path.name.startswith("rules"):
            for rule in rules_file(path)["rules_per_layer"].values():
                make_rule(rule)
        else:
            search_config(asked_for(path, {}, ()))


def test_the_rule_in_the_readme(tmp_path: Path) -> None:
    text, _ = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.S)
    (tmp_path / "halfway.py").write_text(text, "utf-8")
    W, state = np.array([[-0.5, 0.0], [2.0, 1.0]]), State(Key(0), 0.5)
    B = make_rule(f"{tmp_path}/halfway.py").feedback_weights(W, state)
    assert np.array_equal(B, [[-0.5, 0.0], [1.25, 0.75]])


def test_the_python_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: object) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.S)
    example = next(block for block in blocks if "bn.probe" in block)
    monkeypatch.chdir(tmp_path)
    found: dict[str, object] = {}
    exec(example, found)
    assert found["delta"].shape == (32, 1, 50, 4, 4)
    assert found["update"] == 80
    assert found["result"]["test_accuracy"] > 90

"""Rules in a user's own file or in a package: how they are found, named, kept with a run, and what goes wrong."""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest
from bionas_cupy.cli.main import main
from bionas_cupy.engine import registry, rule_files, rule_packages
from bionas_cupy.engine.errors import UsageError
from bionas_cupy.engine.random import Key
from bionas_cupy.engine.registry import known_names, make_rule
from bionas_cupy.engine.rule import State
from bionas_cupy.engine.rule_source import rule_digests
from bionas_cupy.engine.stopping import Stopping

import bionas_cupy as bn

RULE = '''"""Halfway feedback (Nobody 2026)."""

import numpy as np
from bionas_cupy import Array, Rule, State


class Mine(Rule):
    """mine: B = mix W + (1 - mix) s·sign(W),  ΔW = -δ ⊗ x."""

    name = "mine"
    bits = 32.0

    def __init__(self, mix: float = 0.5) -> None:
        self.share = mix

    def feedback_weights(self, W: Array, state: State) -> Array:
        return self.share * W + (1 - self.share) * state.s * np.sign(W)
'''
SMALL = [
    *("-q", "--set", "images_per_epoch=64", "--set", "size.channels=2", "--set", "size.nodes=1"),
    *("--set", 'space.operations=["sep_conv_3x3"]', "--epochs", "1"),
]
W, STATE = np.array([[-0.5, 0.0], [2.0, 1.0]], np.float32), State(Key(0), 0.5)
Command = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def nothing_loaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """As in a new process, in an empty folder."""
    monkeypatch.setattr(rule_files, "_loaded", {})
    monkeypatch.setattr(rule_files, "_copies", {})
    monkeypatch.chdir(tmp_path)
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith("bionas_cupy_rule_file_"):
            del sys.modules[name]


def write(text: str = RULE, path: str = "my_rule.py") -> Path:
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, "utf-8")
    return file


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """command(*arguments): exit code, stdout and stderr."""

    def command(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(arguments)
        return code, *capsys.readouterr()

    return command


# Naming


@pytest.mark.parametrize("spec", ["my_rule.py", "my_rule.py:Mine", "my_rule.py:mine", "./my_rule.py"])
def test_a_rule_of_a_file(spec: str) -> None:
    write()
    rule = make_rule(spec)
    assert (rule.name, str(rule), rule.bits) == ("mine", "mine", 32.0)
    assert np.allclose(rule.feedback_weights(W, STATE), [[-0.5, 0.0], [1.25, 0.75]])


def test_its_name_serves_as_well_once_it_is_loaded() -> None:
    with pytest.raises(UsageError, match='"mine" is unknown'):
        make_rule("mine")
    write()
    rule = make_rule("my_rule.py(mix=0.25)")
    again = make_rule(str(rule))
    assert str(rule) == str(again) == "mine(mix=0.25)"
    assert np.array_equal(rule.feedback_weights(W, STATE), again.feedback_weights(W, STATE))
    assert str(make_rule("mine(mix=0.1234567891)")) == "mine(mix=0.1234567891)"
    assert str(make_rule("mine(mix=0.5)")) == "mine"  # its default
    assert set(known_names()) - registry.registered().keys() == {"mine"}


def test_a_name_may_end_in_a_number() -> None:
    write(RULE.replace('"mine"', '"mine2"'))
    assert str(make_rule("my_rule.py")) == str(make_rule("mine2")) == "mine2"


def test_options_that_are_words() -> None:
    write(RULE.replace("mix: float = 0.5", 'mix: float = 0.5, mode: str = "fast"'))
    assert str(make_rule("my_rule.py(mode=slow;mix=0.2)")) == "mine(mode=slow;mix=0.2)"
    with pytest.raises(UsageError, match="its options cannot be read"):
        make_rule("my_rule.py(mix=slow)")


def test_a_file_with_constraints() -> None:
    write(path="a+b/my_rule.py")
    assert str(make_rule("a+b/my_rule.py(mix=0.2)+nonneg+norm(p=2;to=1)")).startswith(
        "mine(mix=0.2)+nonneg+norm"
    )
    whole = f"{Path.cwd()}/a+b/my_rule.py"
    for tail in ("", ":Mine", "(mix=0.2)", "+nonneg", ":Mine(mix=0.2)+nonneg"):
        assert rule_files.absolute_spec(f"a+b/my_rule.py{tail}") == whole + tail
    assert rule_files.absolute_spec("oja+nonneg") == "oja+nonneg"


def test_nothing_is_touched() -> None:
    path, modules, before = write(), list(sys.path), sorted(os.listdir())
    make_rule("my_rule.py")
    assert sys.path == modules
    assert sorted(os.listdir()) == before == [path.name]


def test_a_file_is_run_once_until_it_changes() -> None:
    write("print('run')\n" + RULE)
    first = make_rule("my_rule.py")
    assert type(make_rule("my_rule.py")) is type(first)
    write(RULE.replace("1 - self.share", "2 - self.share"))
    assert type(make_rule("my_rule.py")) is not type(first)
    assert type(make_rule("mine")) is type(make_rule("my_rule.py"))


def test_a_file_of_several_rules() -> None:
    second = RULE.replace("class Mine", "class Other").replace('"mine"', '"other"')
    write(RULE + "\n\nclass _Base(Rule):\n    pass\n\n" + second)
    assert make_rule("my_rule.py:Other").name == make_rule("my_rule.py:other").name == "other"
    with pytest.raises(UsageError, match=r'defines 2 rules: Mine, Other. Name one: "my_rule.py:Mine"'):
        make_rule("my_rule.py")
    with pytest.raises(UsageError, match=r'defines no rule "Otter". Did you mean "Other"'):
        make_rule("my_rule.py:Otter")


def test_dataclasses_and_imported_rules() -> None:
    write(
        "from __future__ import annotations\nfrom dataclasses import dataclass\n"
        + RULE.replace("class Mine", "@dataclass\nclass Mine").replace(
            "    def __init__(self, mix: float = 0.5) -> None:\n        self.share = mix\n",
            "    share: float = 0.5\n",
        )
        + "\n\nfrom bionas_cupy.engine.rules.feedback_alignment import FeedbackAlignment\n"
    )
    assert str(make_rule("my_rule.py(share=0.1)")) == "mine(share=0.1)"


# What goes wrong


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.replace("self, W: Array", "self W: Array"), ", line 16: invalid syntax"),
        (
            lambda t: t.replace("import numpy as np", "import numpi"),
            ", line 3: ModuleNotFoundError: No module named",
        ),
        (lambda t: "import helpers\n" + t, "no files beside it"),
        (lambda t: "from .helpers import a\n" + t, ", line 1: ImportError"),
        (lambda t: t + "\n\nraise SystemExit(3)\n", ", line 20: SystemExit: 3"),
        (lambda t: t.replace("bits = 32.0", "bits = 1 / 0"), ", line 11: ZeroDivisionError"),
        (lambda t: t + "\x00", "null bytes. Save it as UTF-8 text"),
        (
            lambda t: t.replace("self, W: Array", "W: Array"),
            r"16: .* takes \(W, state\), expected \(self",
        ),
        (lambda t: "x = 1\n", "defines no rule. Write a class MyRule"),
        (lambda t: t.replace("Mine(Rule)", "Mine"), "defines no rule"),
        (lambda t: t.replace('    name = "mine"\n', ""), ', line 7: Mine has no name. Add `name = "..."`'),
        (lambda t: t.replace('"mine"', '"usf"'), ', line 10: the name "usf" is taken by a built-in rule'),
        (lambda t: t.replace('"mine"', '"qsf3"'), 'the name "qsf3" is taken by a built-in rule'),
        (lambda t: t.replace('"mine"', '"My rule"'), ", line 10: the name 'My rule' cannot be used"),
        (lambda t: t.replace("    bits = 32.0\n", ""), ", line 7: rule .* does not say how many bits"),
        (lambda t: t.replace("32.0", '"many"'), "has bits = 'many', which is not how many bits"),
        (
            lambda t: t.replace("bits = 32.0", 'bits = 1\n    reads = ("x")'),
            r", line 12: reads is 'x'.*\('x',\)",
        ),
        (
            lambda t: t.replace("bits = 32.0", 'bits = 1\n    reads = ("x", "detla")'),
            ', line 12: signal "detla" is unknown. Did you mean "delta"',
        ),
        (lambda t: t.replace(": float = 0.5", ""), ", line 7: rule .* Every option needs a default"),
        (lambda t: t.replace("self.share = mix", "self.share = mix / 0"), ", line 14: .*ZeroDivisionError"),
        (lambda t: t + t[t.index("class") :].replace("Mine", "Again"), "taken by Again in the same file"),
    ],
)
def test_a_wrong_file_says_where_and_what_to_do(
    command: Command, change: Callable[[str], str], said: str
) -> None:
    write(change(RULE))
    spec = "my_rule.py:Mine" if "same file" in said else "my_rule.py"
    with pytest.raises(UsageError, match=said):
        make_rule(spec)
    code, out, err = command("search", *SMALL, "--rules", spec)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "my_rule.py" in err
    assert list(Path("runs").iterdir()) == []


def test_files_that_are_not_there(command: Command) -> None:
    assert 'rule file "no.py" cannot be read: No such file' in command("rules", "show", "no.py")[2]
    write()
    assert 'Did you mean the file "my_rule.py"?' in command("search", "--rules", "my_rule")[2]
    assert "its options cannot be read" in command("search", "--rules", "my_rule.py(mix")[2]
    assert "It takes: mix." in command("search", "--rules", "my_rule.py(mux=1)")[2]


def test_a_file_in_the_wrong_place(command: Command) -> None:
    write()
    assert (
        "write --rules a,b,my_rule.py without spaces" in command("search", "--rules", "usf,", "my_rule.py")[2]
    )
    assert "Write: bionas-cupy train lenet --rule my_rule.py" in command("train", "my_rule.py")[2]
    Path("folder.py").mkdir()
    assert "Is a directory. Name a file that you may read." in command("rules", "show", "folder.py")[2]
    Path("my_rule.py").write_bytes("é".encode("latin1"))
    assert "Save it as UTF-8 text." in command("rules", "show", "my_rule.py")[2]


def test_two_files_with_one_name() -> None:
    write()
    write(RULE, "copy/same.py")
    write(RULE + "# another\n", "other.py")
    make_rule("my_rule.py")
    make_rule("copy/same.py")
    with pytest.raises(UsageError, match=r'line 10: the name "mine" is taken by another rule in .*same\.py'):
        make_rule("other.py")


def test_an_error_in_a_running_rule_names_line_and_layer(command: Command) -> None:
    write(RULE.replace("self.share * W", "self.share * V"))
    code, _, err = command("train", "mlp", "--rule", "my_rule.py", "--subset", "96", "--epochs", "1", "-q")
    assert code == 2
    assert 'rule file "my_rule.py", line 17, on layer "classifier": NameError' in err
    assert err.count("\n") == 1


# Runs


def test_from_a_search_to_a_training_and_on(command: Command) -> None:
    write()
    code, out, err = command("search", *SMALL, "--rules", "my_rule.py:Mine(mix=0.1)", "--out", "s", "--json")
    assert code == 0, err
    genotype = json.loads(out.splitlines()[-1])["genotype"]
    assert {edge["rule"] for edge in genotype["normal"]} == {"mine(mix=0.1)"}
    manifest = json.loads(Path("s/manifest.json").read_text())
    assert manifest["rule_files"] == {"mine": f"{Path.cwd() / 'my_rule.py'}:Mine"}
    assert manifest["rule_digests"]["mine(mix=0.1)"] == rule_digests([make_rule("mine")])["mine"]
    assert Path("s/rules/mine.py").read_text() == RULE

    Path("my_rule.py").unlink()  # the run's folder is whole without it, wherever it lies
    Path("s").rename("elsewhere")
    registry._of_files.clear()
    size = ["--cells", "2", "--channels", "2", "--subset", "96", "--epochs", "1", "-q"]
    code, _, err = command("train", "elsewhere", *size, "--out", "t")
    assert code == 0, err
    assert Path("t/rules/mine.py").read_text() == RULE
    registry._of_files.clear()
    assert command("evaluate", "t")[0] == 0

    Path("elsewhere/rules/mine.py").write_text(RULE + "# changed\n")
    assert "is not the one that the genotype was made with" in command("train", "elsewhere", *size)[2]
    Path("elsewhere/rules/mine.py").unlink()
    code, _, err = command("train", "elsewhere", *size)
    assert code == 2
    assert 'mine.py" of rule "mine" does not exist. Copy it there' in err


def test_a_genotype_written_by_hand(command: Command) -> None:
    write(RULE, "mine/here.py")
    edges = [{"node": 2, "from": source, "op": "sep_conv_3x3", "rule": "mine"} for source in (0, 1)]
    tree = {"normal": edges, "reduce": edges, "concat": [2], "rules": {"stem": "mine"}}
    Path("mine/g.json").write_text(json.dumps(tree | {"rule_files": {"mine": {"file": "here.py"}}}))
    genotype = bn.read_genotype("mine/g.json")
    assert [rule.name for rule in genotype.used_rules()] == ["mine"]
    assert genotype.rule_files["mine"]["file"] == "rules/mine.py:Mine"
    for entry, said in [
        ({"mine": {"file": "here.txt"}}, "names no rule file"),
        ({"mine": "here.py"}, "rule_files.mine is 'here.py', expected"),
        ({"others": {"file": "here.py"}}, 'defines rule "mine", expected "others"'),
        ({"mine": {"file": "there.py"}}, 'there.py" of rule "mine" does not exist'),
    ]:
        Path("mine/g.json").write_text(json.dumps(tree | {"rule_files": entry}))
        code, _, err = command("train", "mine/g.json", "-q")
        assert (code, said in err) == (2, True), err


def test_a_resume_with_a_changed_file(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    write()
    started = ["train", "mlp", "--rule", "my_rule.py", "--subset", "96", "--epochs", "2", "-q", "--out", "t"]
    with monkeypatch.context() as patched:
        _stop_after_an_epoch(patched)
        assert command(*started)[0] == 130
    write(RULE.replace("self.share * W", "0.9 * W"))
    code, _, err = command("train", "--resume", "t", "-q")
    assert code == 2
    for text in ("Rules changed", f'mine ("{Path.cwd() / "my_rule.py"}:Mine")', "--accept-changed-rules"):
        assert text in err
    assert command("train", "--resume", "t", "-q", "--accept-changed-rules")[0] == 0
    manifest = json.loads(Path("t/manifest.json").read_text())
    (before,) = manifest["changed_rules"]
    assert before["rule_digests"]["mine"] != manifest["rule_digests"]["mine"]
    assert "0.9 * W" in Path("t/rules/mine.py").read_text()


def test_a_run_whose_rule_file_has_gone_goes_on_with_its_copy(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    write()
    asked = ["train", "mlp", "--rule", "my_rule.py(mix=0.3)", "--subset", "96", "--epochs", "2", "-q"]
    assert command(*asked, "--out", "whole")[0] == 0
    with monkeypatch.context() as patched:
        _stop_after_an_epoch(patched)
        assert command(*asked, "--out", "t")[0] == 130
    Path("my_rule.py").unlink()
    for module in (registry._of_files, rule_files._loaded):
        module.clear()  # as in a new process
    code, _, err = command("train", "--resume", "t", "-q")
    assert (code, 'my_rule.py" has gone: its copy in "t" takes its place' in err) == (0, True), err
    assert Path("t/result.json").read_bytes() == Path("whole/result.json").read_bytes()
    assert command("evaluate", "t")[0] == command("weights", "t", "--layers", "classifier")[0] == 0
    assert command("inspect", "t", "--steps", "1", "--layers", "classifier", "-q")[0] == 0
    kept = Path("t/rules/mine.py")
    kept.write_text(kept.read_text().replace("self.share * W", "0.9 * W"))
    Path("t/result.json").unlink()
    tree = json.loads(Path("t/manifest.json").read_text())
    Path("t/manifest.json").write_text(json.dumps({k: v for k, v in tree.items() if k != "finished"}))
    assert "Rules changed" in command("train", "--resume", "t", "-q")[2]
    kept.unlink()
    monkeypatch.setattr(rule_files, "_copies", {})
    assert "a run keeps a copy in its folder rules/" in command("evaluate", "t")[2]


def _stop_after_an_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a signal before the first step; an epoch has one step."""

    def enter(stopping: Stopping) -> Stopping:
        stopping.requested = signal.SIGINT
        return stopping

    monkeypatch.setattr(Stopping, "__enter__", enter)


def test_a_file_in_toml_and_by_role(command: Command) -> None:
    write()
    Path("c.toml").write_text('[space]\nrules = ["usf", "my_rule.py"]\n[rules]\nstem = "my_rule.py:Mine"\n')
    code, _, err = command("search", "c.toml", *SMALL, "--out", "s")
    assert code == 0, err
    genotype = bn.read_genotype("s")
    assert genotype.rules["stem"] == "mine"
    assert "mine" in genotype.weights_per_rule
    Path("r.toml").write_text('"*" = "usf"\n"hidden*" = "my_rule.py"\n')
    size = ["--subset", "96", "--epochs", "1", "-q", "--json"]
    code, out, err = command("train", "mlp", "--rules-per-layer", "r.toml", *size)
    assert code == 0, err
    assert json.loads(out.splitlines()[-1])["weights_per_rule"].keys() == {"mine", "usf"}


# Packages


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., None]]:
    """package(name=value): entry points of the group."""
    write(RULE, "site/rules_of_a_package.py")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))

    def install(**points: str) -> None:
        found = [EntryPoint(name, value, rule_packages.GROUP) for name, value in points.items()]
        monkeypatch.setattr(rule_packages, "entry_points", lambda group: found)

    def forget() -> None:
        rule_packages.packaged.cache_clear()
        registry._rule_of_package.cache_clear()

    forget()
    yield install
    forget()


def test_a_rule_of_a_package(package: Callable[..., None], command: Command) -> None:
    package(mine="rules_of_a_package:Mine", broken="no_such_module:Rule")
    assert str(make_rule("mine(mix=0.25)")) == "mine(mix=0.25)"
    assert rule_digests([make_rule("mine")])["mine"] != rule_digests([make_rule("bp")])["bp"]
    with pytest.raises(
        UsageError, match='rule "broken" of no_such_module:Rule cannot be imported: ModuleNotFound'
    ):
        make_rule("broken")
    write(RULE + "#\n")
    with pytest.raises(UsageError, match='the name "mine" is taken by rules_of_a_package:Mine'):
        make_rule("my_rule.py")


def test_an_entry_point_that_is_no_rule(package: Callable[..., None]) -> None:
    package(other="rules_of_a_package:Mine", path="pathlib:Path")
    for name in ("other", "path"):
        with pytest.raises(UsageError, match=f'is no Rule class with name = "{name}"'):
            make_rule(name)

"""Runs by a rule of a user's file or of a package: copies, digests, resumes; TOML and roles."""

import json
import signal
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from bionas_cupy.engine import registry, rule_files, rule_packages
from bionas_cupy.engine.errors import UsageError
from bionas_cupy.engine.registry import make_rule
from bionas_cupy.engine.rule_source import rule_digests
from bionas_cupy.engine.stopping import Stopping
from cli_cases import Command
from rule_file_cases import RULE, SMALL, write

import bionas_cupy as bn

pytestmark = pytest.mark.usefixtures("fresh_process")


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

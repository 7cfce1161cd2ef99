"""Rules in a user's own file: how they are found, named, and what is said of wrong ones."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from bionas_cupy.engine import registry, rule_files
from bionas_cupy.engine.errors import UsageError
from bionas_cupy.engine.registry import known_names, make_rule
from cli_cases import Command
from rule_file_cases import RULE, SMALL, STATE, W, write

pytestmark = pytest.mark.usefixtures("fresh_process")


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
        (
            lambda t: t.replace("bits = 32.0", 'bits = 1\n    sends = "up"'),
            ", line 12: sends is 'up'. Write one of none",
        ),
        (
            lambda t: t.replace("bits = 32.0", 'bits = 1\n    procedure = "once"'),
            "procedure is 'once'. Write one of back",
        ),
        (
            lambda t: t.replace("bits = 32.0", 'bits = 1\n    procedure = "two_pass"'),
            r'line 12: procedure "two_pass" runs rules that inherit from Pepita or ForwardForward.*engine\.rules\.two',
        ),
        (
            lambda t: t.replace("bits = 32.0", 'bits = 1\n    procedure = "perturbed"'),
            "inherit from Perturbation",
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

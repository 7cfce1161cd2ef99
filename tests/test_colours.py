"""A rule has the same colour in every picture."""

import re

import pytest
from bionas_cupy.analysis.style import RULES, colour_of, rule_in
from bionas_cupy.engine.registry import make_rule, registered


def test_each_built_in_rule_has_a_colour_of_its_own():
    assert RULES.keys() == registered().keys()
    assert len(set(RULES.values())) == len(RULES)
    for colour in RULES.values():
        assert re.fullmatch("#[0-9A-F]{6}", colour)
        assert len({colour[1:3], colour[3:5], colour[5:]}) > 1  # black and greys stand for other things


@pytest.mark.parametrize("company", [[], ["bp", "dfa"], ["aaa", "mixed", "my_rule"], ["qsf8", "zzz"]])
def test_it_has_it_in_any_company(company):
    for rule in registered():
        assert colour_of([rule, *company])[rule] == RULES[rule]


def test_options_and_constraints_leave_a_rule_its_colour():
    for spec, rule in [
        ("power", "power"),
        ("qsf8", "qsf"),
        ("usf(scale=1)", "usf"),
        ("oja+nonneg+norm", "oja"),
    ]:
        name = str(make_rule(spec))
        assert rule_in(name) == rule
        assert colour_of([name, "bp"])[name] == RULES[rule]


def test_no_two_names_share_a_colour():
    names = ["qsf2", "qsf8", "qsf4", "mine", "yours", *registered()]
    names.remove("qsf")
    found = colour_of([*names, "mine"])
    assert found.keys() == set(names)
    few = colour_of(["bp", "usf", "mine", "yours", "qsf2", "qsf8"])
    assert len(set(few.values())) == 6
    assert few == colour_of(["yours", "qsf8", "bp", "mine", "qsf2", "usf"])

"""Architecture weights: their gradient by central differences, the price, the parse, what is refused."""

from pathlib import Path

import numpy as np
import pytest
from bionas_cupy.engine import registry, rule_source, rules
from bionas_cupy.engine.errors import UsageError
from bionas_cupy.engine.random import Key
from bionas_cupy.engine.registry import make_rule
from bionas_cupy.search.architecture import Architecture, edge_count, softmax
from bionas_cupy.search.compatible import check_compatible
from bionas_cupy.search.config import SearchConfig, build
from bionas_cupy.search.parse import parse
from bionas_cupy.search.price import candidate_weights, expected_bits
from bionas_cupy.search.space import candidates, paper_candidates
from bionas_cupy.search.tree import settings

OPERATIONS = ("none", "max_pool_3x3", "skip_connect", "sep_conv_3x3", "dil_conv_5x5")


def architecture(rules=("fa", "usf", "bp"), nodes=2, shared=False, seed=3, operations=OPERATIONS, **form):
    found = Architecture(candidates(operations, rules), nodes, Key(seed), make_rule("bp"), shared, **form)
    found.values += np.random.default_rng(seed).normal(size=found.values.shape)
    return found


def numerical(function, alpha, h=1e-6):
    gradient = np.zeros_like(alpha)
    for i in np.ndindex(alpha.shape):
        for sign in (1, -1):
            alpha[i] += sign * h
            gradient[i] += sign * function() / (2 * h)
            alpha[i] -= sign * h
    return gradient


FORMS = [{}, {"edge_weights": True}, {"around": True}, {"edge_weights": True, "around": True}]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: " ".join(form) or "plain")
@pytest.mark.parametrize("shared", [False, True])
def test_gradient_reaches_alpha_through_lanes_and_blends(shared, form):
    """L = Σ c·sin(q) + Σ d·p(r|o)² has known ∂L/∂q and ∂L/∂p(r|o)."""
    a = architecture(shared=shared, **form)
    for kind in (0, 1):
        for edge in range(edge_count(2)):
            a.lanes_of_edge(bool(kind), edge)
    a.lane_weights()
    rng = np.random.default_rng(0)
    c = [rng.normal(size=(edge_count(2), len(a.lanes) + ("around" in form))) for _ in range(2)]
    d = {blend: rng.normal(size=len(blend.rules)) for blend in a._blends.values()}

    def loss():
        q = a.lane_weights()
        blended = sum((d[b] * np.array(b.weights) ** 2).sum() for b in d)
        return sum((ci * np.sin(qi)).sum() for ci, qi in zip(c, q, strict=True)) + blended

    q = a.lane_weights()
    dq = tuple(ci * np.cos(qi) for ci, qi in zip(c, q, strict=True))
    found = a.gradient(dq, {b: 2 * d[b] * np.array(b.weights) for b in d})
    assert bool(d) == shared
    np.testing.assert_allclose(found, numerical(loss, a.values), atol=1e-8)


def test_edge_weights_are_a_softmax_over_the_edges_into_a_node():
    a, plain = (architecture(nodes=3, around=True, edge_weights=on) for on in (True, False))
    plain.alpha[...] = a.alpha
    for kind in (0, 1):
        q, of_alpha = a.lane_weights()[kind], plain.lane_weights()[kind]
        b = np.concatenate([softmax(a.beta[kind, i:j]) for i, j in ((0, 2), (2, 5), (5, 9))])
        np.testing.assert_allclose(q[:, -1], b, rtol=1e-12)
        np.testing.assert_allclose(q[:, :-1], b[:, None] * of_alpha[:, :-1], rtol=1e-12)
        assert (of_alpha[:, -1] == 1).all()


def test_edges_compete_by_their_weight_too():
    """Into node 4 from 0, 1, 2, 3: the candidates of 0 and 1 are the surest, the edges from 2 and 3 the heaviest."""
    a = architecture(nodes=3, edge_weights=True)
    a.values[...] = 0
    a.alpha[0, 5:7, 3] = 2.0
    assert [c.edge.source for c in parse(a, False)][-2:] == [0, 1]
    a.beta[0, 7:9] = 3.0
    chosen = parse(a, False)[-2:]
    assert [c.edge.source for c in chosen] == [2, 3]
    assert [c.edge_weight for c in chosen] == [pytest.approx(np.exp(3) / (2 * np.exp(3) + 2))] * 2


def test_price_is_the_expected_bits_and_its_derivative():
    a = architecture(("fa", "usf", "qsf3", "bp"))
    weights = candidate_weights(a, 6)
    bits = np.array([rule.bits for rule in a.rules])
    p = softmax(a.alpha)
    expected = (p * weights * bits).sum() / (p * weights).sum()
    found, slope = expected_bits(a, weights)
    assert found == pytest.approx(expected, rel=1e-12)
    none = np.zeros((edge_count(2), len(a.lanes)))
    through = a.gradient((none, none), dp=slope)
    np.testing.assert_allclose(through, numerical(lambda: expected_bits(a, weights)[0], a.alpha), atol=1e-7)


def test_candidate_weights_count_convolutions():
    """At C channels a sep conv k has 2(k² C + C²) weights, a dil conv k² C + C²; a skip C² at stride 2."""
    a = architecture(("usf",))
    counts = candidate_weights(a, 6)
    names = [c.operation for c in a.candidates]
    normal = dict(zip(names, counts[0, 0], strict=True))
    assert normal["sep_conv_3x3"] == 2 * (9 * 6 + 36)
    assert normal["dil_conv_5x5"] == 25 * 6 + 36
    assert normal["skip_connect"] == normal["none"] == normal["max_pool_3x3"] == 0
    reduction = dict(zip(names, counts[1, 0], strict=True))
    assert reduction["skip_connect"] == 36
    assert dict(zip(names, counts[1, 4], strict=True))["skip_connect"] == 0  # from node 2: stride 1


def test_parse_keeps_two_edges_a_node_and_never_none():
    a = architecture(nodes=4)
    k = {c: i for i, c in enumerate(a.candidates)}
    a.alpha[:] = 0
    a.alpha[0, :, [i for c, i in k.items() if c.operation == "none"]] = 9.0  # never chosen, however strong
    first = [sum(i + 2 for i in range(n)) for n in range(4)]
    for n, (j1, j2) in enumerate(((0, 1), (0, 2), (1, 3), (2, 4))):
        a.alpha[0, first[n] + j1, k["sep_conv_3x3", "usf"]] = 2.0
        a.alpha[0, first[n] + j2, k["dil_conv_5x5", "fa"]] = 3.0
    found = [(c.edge.node, c.edge.source, c.edge.op, c.edge.rule) for c in parse(a, False)]
    sep, dil = ("sep_conv_3x3", "usf"), ("dil_conv_5x5", "fa")
    assert found == [
        (2, 0, *sep), (2, 1, *dil), (3, 0, *sep), (3, 2, *dil),
        (4, 1, *sep), (4, 3, *dil), (5, 2, *sep), (5, 4, *dil),
    ]  # fmt: skip


def test_shared_parse_takes_the_operation_by_its_sum():
    """Three rules at 0.2 each beat one at 0.3 whose operation has no others."""
    a = architecture(shared=True, nodes=1)
    k = {c: i for i, c in enumerate(a.candidates)}
    p = np.full(len(a.candidates), 1e-6)
    p[[k["sep_conv_3x3", r] for r in ("fa", "usf", "bp")]] = 0.2, 0.25, 0.15
    p[k["dil_conv_5x5", "fa"]] = 0.4
    a.alpha[:] = np.log(p)
    chosen = parse(a, False)[0]
    assert (chosen.edge.op, chosen.edge.rule) == ("sep_conv_3x3", "usf")
    assert chosen.weight == pytest.approx(0.6 / p.sum())
    assert chosen.rule_share == pytest.approx(0.25 / 0.6)
    a.shared = False
    assert (parse(a, False)[0].edge.op, parse(a, False)[0].edge.rule) == ("dil_conv_5x5", "fa")


def test_paper_space_has_the_published_22():
    found = paper_candidates()
    assert len(found) == 22
    assert sum(c.operation == "skip_connect" for c in found) == 3
    assert {c.rule for c in found if c.operation == "sep_conv_5x5"} == {"usf", "brsf", "frsf", "fa"}


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["space.weights=shared"], "exactly zero"),
        (["architecture.gradient=lookahead"], "no mixture of rules"),
        (["architecture.gradient=second"], "symmetric"),
        (["architecture.gradient=second", 'space.rules=["bp"]', "rules.stem=usf"], "usf"),
    ],
)
def test_meaningless_gradients_are_refused(options, reason):
    with pytest.raises(UsageError, match=reason):
        check_compatible(build(SearchConfig, [settings(options)]))


def test_unknown_and_repeated_names_are_refused():
    with pytest.raises(UsageError, match='Did you mean "usf"'):
        candidates(OPERATIONS, ["usv"])
    with pytest.raises(UsageError, match="given twice"):
        candidates(OPERATIONS, ["usf", "usf"])
    with pytest.raises(UsageError, match="sep_conv_3x3"):
        candidates(["sep_conv_3x33"], ["usf"])


def test_rule_options_are_read_once_and_finite():
    for spec in ("qsf2(bits=3)", "usf(scale=nan)", "power(p=1;p=2)", "power(p=-1)", "power(p)"):
        with pytest.raises(UsageError):
            make_rule(spec)
    assert str(make_rule("power(p=0.25; q=1)")) == "power(p=0.25;q=1)"


def test_a_rule_says_what_it_transports_and_has_a_name_of_its_own(tmp_path, monkeypatch):
    """A file that a user adds: without bits, under a taken name, with a mistake in it."""
    cases = {
        "silent": ('class A(Rule):\n    name = "silent"\n', "how many bits"),
        "usf": ('class A(Rule):\n    name = "usf"\n    bits = 0.0\n', "two rules are named"),
        "broken": ("class A(Rule:\n", "cannot be imported: SyntaxError"),
    }
    for number, (name, (text, message)) in enumerate(cases.items()):
        folder = tmp_path / name
        folder.mkdir()
        (folder / f"zz_user_{number}.py").write_text(f"from bionas_cupy.engine.rule import Rule\n\n\n{text}")
        registry.registered.cache_clear()
        with monkeypatch.context() as patched:
            patched.setattr(rules, "__path__", [*rules.__path__, str(folder)])
            with pytest.raises(UsageError, match=message):
                make_rule(name)
    registry.registered.cache_clear()


def test_a_rules_digest_covers_what_it_builds_on(tmp_path, monkeypatch):
    """qsf takes `sign` from usf's file, so a change there counts; a new file beside them does not."""
    before = rule_source.rule_digests([make_rule("qsf2"), make_rule("fa")])
    assert before["qsf2"] != before["fa"]
    read = Path.read_bytes

    def edited(path):
        return read(path) + (b"#" if path.name == "sign_concordant.py" else b"")

    monkeypatch.setattr(Path, "read_bytes", edited)
    after = rule_source.rule_digests([make_rule("qsf2"), make_rule("fa")])
    assert after["qsf2"] != before["qsf2"]
    assert after["fa"] == before["fa"]

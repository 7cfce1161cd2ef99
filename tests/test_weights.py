"""Distributions of weights: the fits against known ones, their densities, sparsity, pictures, the command."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bionas_cupy.analysis.fits import NAMES, Fit, chosen, fits, stretched_exponential, student_t
from bionas_cupy.analysis.weights import measured, weights_of
from bionas_cupy.cli import watching
from bionas_cupy.cli.main import main
from scipy import stats
from scipy.integrate import quad

rng = np.random.default_rng(0)
COUNT = 10_000
SAMPLES: dict[str, tuple[Any, dict[str, float]]] = {
    "gaussian": (rng.normal(0.3, 2.0, COUNT), {"mu": 0.3, "sigma": 2.0}),
    "student_t": (0.5 + 2 * rng.standard_t(3, COUNT), {"nu": 3.0, "mu": 0.5, "sigma": 2.0}),
    "lognormal": (rng.lognormal(-2, 0.8, COUNT), {"mu": -2.0, "sigma": 0.8}),
    "stretched_exponential": (
        0.5 * rng.gamma(1 / 0.6, 1, COUNT) ** (1 / 0.6) * np.where(rng.uniform(size=COUNT) < 0.7, 1, -1),
        {"beta": 0.6, "lambda": 0.5, "p": 0.7},
    ),
}


@pytest.fixture(scope="module")
def found() -> dict[str, list[Fit]]:
    return {name: fits(sample) for name, (sample, _) in SAMPLES.items()}


@pytest.mark.parametrize("name", NAMES)
def test_the_right_distribution_is_found_with_its_parameters(name: str, found: dict[str, list[Fit]]) -> None:
    own = {fit.name: fit for fit in found[name]}[name]
    assert own.aic - found[name][0].aic < 3  # Student's t contains the Gaussian
    assert own.parameters == pytest.approx(SAMPLES[name][1], rel=0.06, abs=0.06)
    assert own.ks < 1.6 / COUNT**0.5
    assert [fit.aic for fit in found[name]] == sorted(fit.aic for fit in found[name])


@pytest.mark.parametrize("name", NAMES)
def test_a_fit_is_a_density_of_largest_likelihood(name: str, found: dict[str, list[Fit]]) -> None:
    """It sums to 1; its log-likelihood and AIC are those of its density; moved weights are less likely."""
    for case, all_fits in found.items():
        fit = {each.name: each for each in all_fits}[name]
        w = SAMPLES[case][0]
        total = sum(
            quad(lambda x, pdf=fit.pdf: float(pdf(np.array(x))), *part, limit=200)[0]
            for part in ((-400, 0), (0, 400))
        )
        assert total == pytest.approx(1, abs=2e-3)
        assert fit.log_likelihood == pytest.approx(np.log(fit.pdf(w)).sum(), rel=1e-9)
        assert fit.aic == pytest.approx(2 * len(fit.parameters) - 2 * fit.log_likelihood)
        for factor in (0.9, 1.1):
            with np.errstate(divide="ignore"):
                assert np.log(fit.pdf(factor * w) * factor).sum() < fit.log_likelihood


TWO_MAXIMA = 0.3 + 1e-3 * np.random.default_rng(4).standard_t(1.5, 200)
FEW = {name: sample[:300] for name, (sample, _) in SAMPLES.items()} | {"two maxima": TWO_MAXIMA}


@pytest.mark.parametrize("case", FEW)
def test_no_likelihood_is_below_that_of_scipys_fit(case: str) -> None:
    """Its own optimiser, on densities of its own."""
    w = FEW[case]
    theirs = stats.t(*stats.t.fit(w)).logpdf(w).sum()
    assert stats.t(*student_t(w)).logpdf(w).sum() > theirs - 1e-3
    beta, scale = stretched_exponential(abs(w))
    best, _, wide = stats.halfgennorm.fit(abs(w), floc=0)
    theirs = stats.halfgennorm(best, scale=wide).logpdf(abs(w)).sum()
    assert stats.halfgennorm(beta, scale=scale).logpdf(abs(w)).sum() > theirs - 1e-3


def test_limits_of_a_uniform_distribution_and_of_a_single_value() -> None:
    """The densities that come nearest, and no warning."""
    even = np.linspace(-1, 1, 1000)
    beta, scale = stretched_exponential(abs(even))
    assert (beta, scale) == (pytest.approx(1e6, rel=0.01), pytest.approx(1, abs=1e-3))
    assert student_t(even)[0] > 1e6
    draws = np.random.default_rng(1)
    nu, mu, sigma = student_t(np.where(draws.uniform(size=200) < 0.9, 0.5, draws.normal(size=200)))
    assert mu == pytest.approx(0.5)
    assert nu >= 0.01
    assert sigma > 1e-13


def test_ks_is_the_largest_distance(found: dict[str, list[Fit]]) -> None:
    """Against the sum of the density on a fine grid."""
    w = np.sort(SAMPLES["lognormal"][0])
    fit = {each.name: each for each in found["lognormal"]}["gaussian"]
    at = np.linspace(-3, w[-1], 200_001)
    below = np.interp(w, at, np.cumsum(fit.pdf(at)) * (at[1] - at[0]))
    steps = np.arange(1, len(w) + 1) / len(w)
    assert fit.ks == pytest.approx(
        max(abs(steps - below).max(), abs(steps - 1 / len(w) - below).max()), abs=1e-3
    )


def test_sparsity_and_what_is_left_out() -> None:
    W = np.zeros((10, 100))
    W[:, :20] = rng.normal(size=(10, 20))
    W[0, 20:40] = 1e-9
    layer = measured("hidden0", "oja", W)
    assert layer.zero == pytest.approx(0.78)
    assert layer.nearly_zero == pytest.approx((abs(W) <= 0.01 * abs(W).max()).mean())
    assert layer.nearly_zero > layer.zero
    assert layer.negative == pytest.approx((W < 0).mean())
    assert layer.fits[0].fitted == 220
    assert measured("a", "oja", np.zeros((5, 50))).fits == []
    assert measured("a", "oja", np.full((5, 50), -2.0)).fits == []
    assert len(chosen(np.ones(50_000))) == 10_000


def test_kernels_are_laid_out_as_images() -> None:
    from bionas_cupy.analysis.weight_pictures import grid

    W = rng.normal(size=(5, 12))
    drawn = grid(measured("hidden0", "oja", W, (1, 3, 4)))
    assert drawn.shape == (2 * 4 - 1, 3 * 5 - 1)
    np.testing.assert_allclose(drawn[4:7, 5:9], W[4].reshape(3, 4) / abs(W[4]).max())
    assert np.isnan(drawn[3]).all()  # between two rows of kernels: seen where all weights are zero
    assert np.isnan(drawn).sum() == 7 * 14 - 5 * 12
    coloured = grid(measured("conv0", "bp", W.reshape(1, 3, 4, 5)[:, :, :, :4], (3, 4, 4)))
    assert coloured.shape == (4, 4, 3)
    assert (coloured.min(), coloured.max()) >= (0, 0.5)


def test_the_command_reads_a_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    asked = [
        "train",
        "mlp",
        "--rule",
        "oja+nonneg",
        "--epochs",
        "1",
        "--subset",
        "96",
        "--out",
        str(run),
        "-q",
    ]
    staged = [
        "--set",
        "stages=two",
        "--set",
        "readout.epochs=1",
        "--set",
        "hidden=[30]",
        "--set",
        "readout.batch=32",
    ]
    assert main([*asked, *staged]) == 0
    capsys.readouterr()
    assert main(["weights", str(run), "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["name"] for row in rows] == ["hidden0", "classifier"]
    assert rows[0]["negative"] == 0 < rows[0]["zero"]
    (layer,) = weights_of(str(run), ("hidden*",), {})
    assert layer.image == (1, 8, 8)
    assert layer.to_json() == {k: v for k, v in rows[0].items() if k != "event"}
    monkeypatch.setattr(watching, "EVERY", -1)
    assert main(["weights", str(run)]) == 0
    out, err = capsys.readouterr()
    assert "oja+nonneg" in out
    assert [line.split(",")[0] for line in err.splitlines()] == ["layer 1/2", "layer 2/2"]
    assert main(["weights", "mlp", "--layers", "conv*"]) == 2
    assert main(["inspect", str(run)]) == 2

"""Random numbers: Philox itself, what a key is independent of, and the moments of the draws."""

import hashlib
import itertools

import numpy as np
import pytest
from bionas_cupy.engine import random
from bionas_cupy.engine.random import Key

MASK = 2**64 - 1


def philox(counter: list[int], key: list[int]) -> list[int]:
    """Philox4x64-10 of one block, from the paper (Salmon et al. 2011)."""
    (k0, k1), x = key, counter
    for _ in range(10):
        a, b = 0xD2E7470EE14C6C93 * x[0], 0xCA5A826395121157 * x[2]
        x = [b >> 64 ^ x[1] ^ k0, b & MASK, a >> 64 ^ x[3] ^ k1, a & MASK]
        k0, k1 = (k0 + 0x9E3779B97F4A7C15) & MASK, (k1 + 0xBB67AE8584CAA73B) & MASK
    return x


def test_philox_known_answers() -> None:
    """From Random123's kat_vectors: the reference above is Philox."""
    assert philox([0] * 4, [0] * 2) == [
        0x16554D9ECA36314C,
        0xDB20FE9D672D0FDC,
        0xD7E772CEE186176B,
        0x7E68B68AEC7BA23B,
    ]
    assert philox([MASK] * 4, [MASK] * 2) == [
        0x87B092C3013FE90B,
        0x438C3C67BE8D0224,
        0x9CC7D7C69CD777B6,
        0xA09CAEBF594F0BA0,
    ]


@pytest.mark.parametrize("key", [Key(0), Key(7, "a/b", 3, 5), Key(MASK, "α", MASK, MASK)])
def test_bits_are_philox_blocks_of_the_key(key: Key) -> None:
    """Block i has counter (i + 1, step, index, 0): NumPy counts before it draws."""
    purpose = int.from_bytes(hashlib.blake2b(key.purpose.encode(), digest_size=8).digest(), "little")
    blocks = [philox([i, key.step, key.index, 0], [key.seed, purpose]) for i in range(1, 4)]
    assert random.bits(key, 11).tolist() == [*itertools.chain(*blocks)][:11]


def test_bits_are_what_numpys_generator_draws() -> None:
    words = np.array([7, int.from_bytes(hashlib.blake2b(b"a", digest_size=8).digest(), "little")], np.uint64)
    bit_generator = np.random.Philox(key=words, counter=np.array([0, 3, 5, 0], np.uint64))
    drawn = np.random.Generator(bit_generator).integers(0, MASK, 9, np.uint64, endpoint=True)
    assert np.array_equal(random.bits(Key(7, "a", 3, 5), 9), drawn)


KEYS = [
    Key(seed, purpose, step, index)
    for seed in (0, 1, 2**63)
    for purpose in ("", "a", "b", "a/b")
    for step in (0, 1, 2**40)
    for index in (0, 1, 9)
]


def test_different_keys_give_unrelated_numbers() -> None:
    drawn = np.stack([random.bits(key, 64) for key in KEYS])
    assert len(np.unique(drawn)) == drawn.size
    units = np.stack([random.uniform(key, (64,), -1, 1) for key in KEYS])
    correlation = abs(np.corrcoef(units)[np.triu_indices(len(KEYS), 1)])
    assert correlation.max() < 0.62  # 5 standard deviations
    assert correlation.mean() == pytest.approx((2 / np.pi / 64) ** 0.5, rel=0.05)


def test_draws_do_not_depend_on_their_order() -> None:
    first = {key: random.normal(key, (5,)) for key in KEYS}
    for key in reversed(KEYS):
        random.uniform(key, (3,))
        assert np.array_equal(random.normal(key, (5,)), first[key])


def test_a_shorter_draw_is_the_beginning_of_a_longer_one() -> None:
    key = Key(3, "x")
    for draw in (random.uniform, random.normal):
        assert np.array_equal(draw(key, (4, 7)).ravel(), draw(key, (100,))[:28])


def test_purposes_are_paths() -> None:
    assert Key(7, "a").to("b") == Key(7, "a/b")
    assert Key(7).to("b", 2, 3) == Key(7, "b", 2, 3)
    assert Key(7, "a", 5, 6).to("b") == Key(7, "a/b", 0, 0)
    assert hash(Key(7, "a").to("b")) == hash(Key(7, "a/b"))


def test_uniform() -> None:
    u = random.uniform(Key(1, "u"), (200_000,))
    assert u.dtype == np.float32
    assert 0.0 <= u.min() < 1e-4
    assert 1 - 1e-4 < u.max() < 1.0
    assert u.mean() == pytest.approx(0.5, abs=5 * 12**-0.5 / len(u) ** 0.5)
    assert u.var() == pytest.approx(1 / 12, rel=0.01)
    assert np.histogram(u, 16, (0, 1))[0] == pytest.approx(12_500, abs=5 * 12_500**0.5)
    assert abs(np.corrcoef(u[:-1], u[1:])[0, 1]) < 0.012
    shifted = random.uniform(Key(1, "u"), (200_000,), -2.0, 6.0, np.float64)
    assert np.allclose(shifted, 8.0 * u - 2.0, rtol=0, atol=1e-6)


def test_float32_and_float64_hold_the_same_uniforms() -> None:
    key = Key(2, "same")
    double = random.uniform(key, (1000,), dtype=np.float64)
    assert np.array_equal(random.uniform(key, (1000,)).astype(np.float64), double)
    wide = random.uniform(key, (1000,), -0.3, 0.3, np.float64)
    assert np.array_equal(random.uniform(key, (1000,), -0.3, 0.3), wide.astype(np.float32))
    assert np.array_equal(double * 2**24 % 1, np.zeros(1000))


def test_the_smallest_and_the_largest_word(monkeypatch: pytest.MonkeyPatch) -> None:
    """Uniforms reach 0 and never 1; the logarithm of a Gaussian's uniform is finite."""
    monkeypatch.setattr(random, "bits", lambda *_: np.array([0, MASK], np.uint64))
    for dtype in (np.float32, np.float64):
        assert random.uniform(Key(0), (2,), dtype=dtype).tolist() == [0.0, 1 - 2.0**-24]
        assert np.isfinite(random.normal(Key(0), (2,), dtype=dtype)).all()


def test_normal() -> None:
    z = random.normal(Key(1, "z"), (200_000,), dtype=np.float64)
    n = len(z)
    assert abs(z.mean()) < 5 / n**0.5
    assert z.var() == pytest.approx(1, abs=5 * (2 / n) ** 0.5)
    assert abs((z**3).mean()) < 5 * (15 / n) ** 0.5
    assert (z**4).mean() == pytest.approx(3, abs=5 * (96 / n) ** 0.5)
    assert (abs(z) < 1.959964).mean() == pytest.approx(0.95, abs=0.003)
    assert abs(np.corrcoef(z[:-1], z[1:])[0, 1]) < 0.012
    assert np.allclose(random.normal(Key(1, "z"), (100,), 3.0), 3.0 * z[:100], rtol=1e-6)
    assert random.normal(Key(1, "z"), (2, 3)).dtype == np.float32


def test_permutation() -> None:
    orders = np.stack([random.permutation(Key(0, "order", epoch), 10) for epoch in range(3000)])
    assert (np.sort(orders, axis=1) == np.arange(10)).all()
    for place in range(10):  # every element comes to every place alike
        assert np.bincount(orders[:, place], minlength=10) == pytest.approx(300, abs=90)
    assert np.array_equal(random.permutation(Key(0, "order", 5), 10), orders[5])
    assert random.permutation(Key(0), 0).shape == (0,)


def test_empty_and_scalar_shapes() -> None:
    assert random.uniform(Key(0), (0, 3)).shape == (0, 3)
    assert random.normal(Key(0), ()).shape == ()

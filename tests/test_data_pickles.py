"""Batches are read without pickle: equal to pickle.loads where allowed, refused with a position elsewhere."""

import os
import pickle
import pickletools
import struct
import time
from pathlib import Path

import numpy as np
import pytest
from bionas_cupy.data.pickles import MOST_OPCODES, read_batch, run
from bionas_cupy.engine.errors import DataError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

DATA = np.arange(24, dtype=np.uint8).reshape(4, 6)
BATCH = {
    "data": DATA,
    "labels": [0, 1, 255, 70000, -3, 2**40],
    "filenames": ["ä.png", "b.png", "b.png"],
    "mean": np.array([0.5, -1.25]),
    "batch_label": b"training batch 1 of 5\xff",
    "share": 0.25,
    "nothing": None,
    "flag": True,
}
HERE = Path("batch")

# As Python 2 wrote them (protocol 2): byte strings by SHORT_BINSTRING, the old path of numpy's core.
PYTHON2 = (
    b"\x80\x02}q\x01(U\x04dataq\x02cnumpy.core.multiarray\n_reconstruct\nq\x03cnumpy\nndarray\nq\x04"
    b"K\x00\x85q\x05U\x01b\x87q\x06Rq\x07(K\x01K\x04K\x06\x86q\x08cnumpy\ndtype\nq\x09U\x02u1K\x00K\x01\x87q\x0a"
    b"Rq\x0b(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tq\x0cb\x89T\x18\x00\x00\x00"
    + DATA.tobytes()
    + b"tq\x0dbU\x06labelsq\x0e]q\x0f(K\x00K\x01e."
)
PYTHON2 = PYTHON2[:-1] + b"u."


def read(data):
    return run(HERE, data)


def refused(data, match):
    with pytest.raises(DataError, match=match) as caught:
        read(data)
    assert caught.value.exit_code == 3
    assert "\n" not in str(caught.value)


def same(got, want):
    if isinstance(want, np.ndarray):
        return got.dtype == want.dtype and np.array_equal(got, want)
    return type(got) is type(want) and got == want


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("old", [False, True])
def test_equal_to_what_was_written(tmp_path, protocol, old):
    data = pickle.dumps(BATCH, protocol)
    if old and protocol < 4:  # from protocol 4 on the names have a length before them
        data = data.replace(b"numpy._core", b"numpy.core")
    path = tmp_path / "batch"
    path.write_bytes(data)
    got = read_batch(path)
    assert got.keys() == BATCH.keys()
    assert all(same(got[key], BATCH[key]) for key in BATCH)


def test_python_2_batches(tmp_path):
    path = tmp_path / "batch"
    path.write_bytes(PYTHON2)
    got = read_batch(path)
    assert same(got["data"], DATA)
    assert got["labels"] == [0, 1]
    assert got.keys() == pickle.loads(PYTHON2).keys()


@pytest.mark.parametrize(
    "array", [np.asfortranarray(DATA), np.array([1, 2], ">i4"), np.array([True]), DATA[:, ::2]]
)
@pytest.mark.parametrize("protocol", [2, 5])
def test_arrays_of_other_layouts(array, protocol):
    got = read(pickle.dumps({"a": array}, protocol))["a"].values
    assert same(got, array)


class Call:
    """Pickles as a call of anything."""

    def __init__(self, function, *args):
        self.call = (function, args)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "call",
    [
        Call(os.system, "touch hacked"),
        Call(eval, "1"),
        Call(getattr, DATA, "tofile"),
        Call(np.load, "x"),
        Call(np.zeros, 10**9),
        Call(bytearray, 10**9),
        Call(np.ndarray, (10**9,)),
    ],
)
def test_calls_are_refused_and_not_made(tmp_path, monkeypatch, call, protocol):
    monkeypatch.chdir(tmp_path)
    data = pickle.dumps({"data": call}, protocol)
    refused(data, r"GLOBAL at byte \d+: the global .* is not allowed|not to be called|REDUCE at byte")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("stream", "match"),
    [
        (b"cos\nsystem\nS'ls'\n\x85R.", "GLOBAL at byte 0: the global 'os' 'system' is not allowed"),
        (b"(S'ls'\nios\nsystem\n.", "INST at byte 7: this opcode"),
        (b"(cnumpy\ndtype\nU\x02u1o.", "OBJ at byte 18: this opcode"),
        (b"cnumpy\ndtype\n)\x81.", "NEWOBJ at byte 14: this opcode"),
        (b"\x82\x01.", "EXT1 at byte 0: this opcode"),
        (b"\x83\x01\x00.", "EXT2 at byte 0: this opcode"),
        (b"\x84\x01\x00\x00\x00.", "EXT4 at byte 0: this opcode"),
        (b"Pid\n.", "PERSID at byte 0: this opcode"),
        (b"K\x01Q.", "BINPERSID at byte 2: this opcode"),
        (b"\x97.", "NEXT_BUFFER at byte 0: this opcode"),
        (b"\x8f.", "EMPTY_SET at byte 0: this opcode"),
        (b"\x80\x06N.", "PROTO at byte 0: protocol 6"),
        (b"cnumpy\ndtype\nU\x02O8K\x00K\x01\x87R.", "REDUCE at byte 22: a dtype other than numbers"),
        (b"cnumpy\nndarray\n(K\x0atR.", "ndarray is not to be called"),
        (
            b"c_codecs\nencode\nX\x01\x00\x00\x00aX\x04\x00\x00\x00zlib\x86R.",
            "an encoding other than Latin-1",
        ),
        (b"]}b.", "BUILD at byte 2: a state for something else"),
        (b"]]a.", "APPEND at byte 2: a list of something else"),
        (b"]p0\ng0\na.", "APPEND at byte 7: a list of something else"),
        (b"}K\x01K\x02s.", "SETITEM at byte 5: a dictionary whose keys"),
        (b"}U\x01a}s.", "SETITEM at byte 5: a dictionary of something else"),
        (b"}(U\x01au.", "SETITEMS at byte 5: a dictionary whose keys"),
        (b"N" + b"\x85" * 1000 + b".", "TUPLE1 at byte 3: containers nested deeper"),
        (b"g5\n.", "GET at byte 0: a memo that was never filled"),
        (b"\x85.", "TUPLE1 at byte 0: its operands are missing"),
        (b"K\x01(\x85.", "TUPLE1 at byte 3: its operands are missing"),
        (b"NN.", "STOP at byte 2: 2 values are left"),
        (b"", "not enough|exhausted"),
        (b"\xff.", "opcode"),
        (b"T\xff\xff\xff\x7fabc.", "expected 2147483647 bytes"),
        (b"\x8b\xff\xff\xff\x7f.", "not enough data in stream to read long4"),
        (b"\x8a\x09" + b"\x01" * 9 + b".", "LONG1 at byte 0: a number of more than 64 bits"),
        (b"L" + b"9" * 9999 + b"L\n.", "digits"),
        (b"I1\n0.", "POP at byte 3: this opcode"),
    ],
)
def test_hostile_and_damaged_streams(stream, match):
    refused(stream, match)


def array_stream(shape, raw):
    """A Python 2 array of any shape with any bytes."""
    return (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01("
        + b"".join(b"\x8a\x08" + struct.pack("<q", length) for length in shape)
        + b"tcnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNN" + b"J\xff\xff\xff\xff" * 2 + b"K\x00tb\x89"
        + raw + b"tb."
    )  # fmt: skip


@pytest.mark.parametrize(
    ("shape", "match"),
    [
        ((2**62,), "larger than its 3 bytes"),
        ((2**62, 0), "larger than its 3 bytes"),
        ((-1,), "larger than its 3 bytes"),
        ((2,), "an array of 2 bytes with 3 bytes"),
        ((3, 3), "an array of 9 bytes with 3 bytes"),
        ((), "without 1 to 4 axes"),
        ((1,) * 5, "without 1 to 4 axes"),
    ],
)
def test_no_shape_allocates(shape, match):
    refused(array_stream(shape, b"U\x03abc"), match)


def test_text_for_bytes_is_latin_1_and_counted():
    assert read(array_stream((2,), b"X\x03\x00\x00\x00a\xc3\xa4")).values.tolist() == [97, 228]
    refused(array_stream((1,), b"X\x03\x00\x00\x00\xe2\x82\xac"), "outside Latin-1")
    text = b"X\x00\x40\x00\x00" + bytes(2**14)
    encode = b"c_codecs\nencode\nh\x00X\x06\x00\x00\x00latin1\x86R"
    refused(text + b"q\x00" + encode * 50 + b".", "more bytes than the file has")


def test_the_number_of_opcodes_is_bounded():
    start = time.perf_counter()
    refused(b"(" + b"N" * MOST_OPCODES + b"t.", "more than 1000000 opcodes")
    assert time.perf_counter() - start < 30


def test_what_is_no_dictionary_is_no_batch(tmp_path):
    path = tmp_path / "batch"
    path.write_bytes(pickle.dumps([1, 2]))
    with pytest.raises(DataError, match="holds no dictionary"):
        read_batch(path)


def try_to_read(data):
    """Nothing else than a DataError may come out, in one short line."""
    try:
        read(data)
    except DataError as error:
        return str(error)
    return ""


@settings(max_examples=300, deadline=2000, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from([PYTHON2, *(pickle.dumps(BATCH, protocol) for protocol in range(6))]),
    st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255), st.sampled_from("sid")), max_size=8),
)
def test_random_damage_is_a_data_error_or_a_value(data, changes):
    damaged = bytearray(data)
    for place, byte, kind in changes:
        place %= len(damaged)
        damaged[place : place + (kind != "i")] = b"" if kind == "d" else bytes([byte])
    answer = try_to_read(bytes(damaged))
    assert len(answer) < 500
    assert "\n" not in answer


@settings(max_examples=300, deadline=2000)
@given(
    st.lists(st.sampled_from([opcode.code.encode("latin-1") for opcode in pickletools.opcodes]), max_size=30)
)
def test_random_opcodes_are_a_data_error_or_a_value(codes):
    answer = try_to_read(b"}](K\x01" + b"".join(codes) + b".")
    assert len(answer) < 500
    assert "\n" not in answer

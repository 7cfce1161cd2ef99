"""`data check`: whole, broken, missing, and official by sums or digests."""

import gzip
import hashlib

import pytest
from bionas_cupy.data.check import check
from bionas_cupy.data.official import MD5, differing
from bionas_cupy.engine.errors import UsageError
from data_files import IDX, cifar10, cifar100, imagenet16, mnist, write


def test_check_tells_whole_broken_missing_and_official_apart(tmp_path):
    cifar100(tmp_path)
    write(tmp_path / "cifar-100-binary" / "test.bin", b"x")
    imagenet16(tmp_path / "ImageNet16")
    rows = {row.name: row for row in check(data_dir=tmp_path)}
    assert {name: row.status for name, row in rows.items()} == {
        "digits": "whole",
        "mnist": "missing",
        "fashion-mnist": "missing",
        "cifar10": "missing",
        "cifar100": "broken",
        "imagenet16": "whole",
    }
    assert rows["digits"].official is True
    assert rows["imagenet16"].official is False
    assert "train_data_batch_1 and 10 more differ" in rows["imagenet16"].note
    assert (rows["imagenet16"].train, rows["imagenet16"].test, rows["imagenet16"].shape) == (
        20,
        1,
        (3, 16, 16),
    )
    assert "test.bin has 1 bytes" in rows["cifar100"].note


def test_check_compares_the_sums_of_files(tmp_path, monkeypatch):
    for path in imagenet16(tmp_path).iterdir():
        monkeypatch.setitem(MD5["imagenet16"], path.name, hashlib.md5(path.read_bytes()).hexdigest())
    (row,) = check("imagenet16", tmp_path)
    assert (row.official, row.note) == (True, "")
    monkeypatch.setitem(MD5["imagenet16"], "val_data", "another")
    (row,) = check("imagenet16", tmp_path)
    assert (row.official, "by its MD5 val_data differs" in row.note) == (False, True)


def test_sums_of_unpacked_files_hold_for_gz(tmp_path, monkeypatch):
    plain, packed = mnist(tmp_path / "plain"), mnist(tmp_path / "packed", gzip.compress, ".gz")
    for name in IDX:
        monkeypatch.setitem(MD5["mnist"], name, hashlib.md5((plain / name).read_bytes()).hexdigest())
    assert differing("mnist", plain.iterdir()) == differing("mnist", packed.iterdir()) == []
    (packed / f"{IDX[3]}.gz").write_bytes(gzip.compress(b"other"))
    assert differing("mnist", packed.iterdir()) == [packed / f"{IDX[3]}.gz"]
    assert differing("digits", []) is None


def test_check_compares_digests_where_no_sum_is_known(tmp_path):
    (row,) = check("cifar10", cifar10(tmp_path))
    assert (row.form, row.official) == ("binary", False)
    assert "20 training and 4 test images, expected 50,000 training and 10,000" in row.note
    (row,) = check("mnist", mnist(tmp_path / "mnist", gzip.compress, ".gz"))
    assert (row.status, row.official) == ("whole", False)
    with pytest.raises(UsageError):
        check("cifar11")

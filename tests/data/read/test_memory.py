"""What unpacks to more than there is memory for is refused before it is unpacked; hostile npz files, by name."""

import io
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tenfold.data.read import memory
from tenfold.data.read.read import read_any, read_table
from tenfold.errors import BadInput


def npy(header: str) -> bytes:
    text = header.encode() + b" " * (-(10 + len(header) + 1) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def shaped(shape: str) -> bytes:
    return npy(f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}") + bytes(48)


def archive(path: Path, x: bytes, method: int = zipfile.ZIP_STORED) -> Path:
    y = io.BytesIO()
    np.save(y, np.arange(3))
    with zipfile.ZipFile(path, "w", method) as file:
        file.writestr("x.npy", x)
        file.writestr("y.npy", y.getvalue())
    return path


HOSTILE = {
    "a member that is no array": b"not an array",
    "an empty member": b"",
    "a shape of booleans": shaped("(True, 3)"),
    "a shape of 1e15": shaped("(1000000000000000, 3)"),
    "a shape that overflows": shaped("(10000000000000000000000, 3)"),
    "a negative shape": shaped("(-1, 3)"),
    "a shape of decimals": shaped("(2.0, 3)"),
    "open brackets": npy("((("),
    "deep nesting": npy("(" * 9000 + ")" * 9000),
    "no shape": npy("{'descr': '<f8'}"),
    "an unknown type": npy("{'descr': 'zz', 'fortran_order': False, 'shape': (2, 3), }") + bytes(48),
    "a future version": b"\x93NUMPY\x09\x00" + bytes(100),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_array_is_refused(tmp_path: Path, case: str) -> None:
    with pytest.raises(BadInput, match=r"d\.npz: ") as caught:
        read_table(archive(tmp_path / "d.npz", HOSTILE[case]))
    assert len(str(caught.value).splitlines()) <= 4


def test_encrypted_and_oddly_compressed_archives_are_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "d.npz", shaped("(2, 3)"))
    raw = path.read_bytes()
    for offset, value in ((6, 1), (8, 77)):  # the flag of encryption; the method of compression
        changed = bytearray(raw)
        local, central = raw.index(b"PK\x03\x04"), raw.index(b"PK\x01\x02")
        changed[local + offset] = changed[central + offset + 2] = value
        path.write_bytes(bytes(changed))
        with pytest.raises(BadInput, match="the npz file cannot be read"):
            read_table(path)


def test_two_arrays_of_one_name_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "d.npz", "w") as file:
        file.writestr("x.npy", shaped("(2, 3)"))
        file.writestr("y.npy", shaped("(2, 3)"))
    raw = (tmp_path / "d.npz").read_bytes()
    (tmp_path / "d.npz").write_bytes(raw.replace(b"y.npy", b"x.npy"))
    with pytest.raises(BadInput, match="two arrays of the npz file have one name"):
        read_table(tmp_path / "d.npz")


def test_an_npz_file_that_does_not_fit_is_refused_with_the_numbers(tmp_path: Path, monkeypatch) -> None:
    np.savez_compressed(tmp_path / "d.npz", x=np.zeros((1000, 1000)), y=np.arange(1000))
    monkeypatch.setattr(memory, "available_memory", lambda: 9_000_000)
    with pytest.raises(BadInput, match=r"'x' of shape \(1000, 1000\) takes 16\.0 MB .* 9\.0 MB are available"):
        read_table(tmp_path / "d.npz")
    monkeypatch.setattr(memory, "available_memory", lambda: 2**62)
    monkeypatch.setattr(memory, "LARGE", 10**6)
    with pytest.raises(BadInput, match=r"unpacks from .* to 16\.0 MB: nearly all of it repeats"):
        read_table(tmp_path / "d.npz")


def test_a_parquet_file_that_does_not_fit_is_refused_with_the_numbers(tmp_path: Path, monkeypatch) -> None:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "d.parquet"
    for values in ([5] * 100_000, ["x" * 10_000] * 1000):  # one number, or one long text, over and over
        parquet.write_table(arrow.table({"a": values}), path)
        assert path.stat().st_size < 50_000
        assert read_table(path).rows == len(values)
        with monkeypatch.context() as patch:
            patch.setattr(memory, "available_memory", lambda: 1_000_000)
            with pytest.raises(BadInput, match=r"rows and 1 columns takes .* MB of memory, and 1\.0 MB are available"):
                read_table(path)


@pytest.mark.parametrize("ending", ["png", "tiff", "gif"])
def test_an_image_that_unpacks_to_too_many_pixels_is_refused(tmp_path: Path, ending: str) -> None:
    pillow = pytest.importorskip("PIL.Image")
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for number in range(2):
            pillow.new("1", (8, 8)).save(tmp_path / name / f"{number}.{ending}")
    pillow.new("1", (12_000, 12_000)).save(tmp_path / "a" / f"0.{ending}")
    with pytest.raises(BadInput, match=rf"a/0\.{ending} \(too many pixels: 144,000,000\)"):
        read_any(tmp_path)


def test_what_is_available_is_a_number_of_bytes() -> None:
    assert 2**20 < memory.available_memory() <= 2**62

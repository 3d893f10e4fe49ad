"""Files of `S3.open` in the libraries that people give them to."""

import gzip
import io
import os
import tarfile
import zipfile

import pytest

MIB = 2**20


def test_zipfile(s3):
    blobs = {f"{number}.bin": os.urandom(300_000 + number) for number in range(5)}
    with s3.open("all.zip", "wb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, blob in blobs.items():
            archive.writestr(name, blob)
    with s3.open("all.zip") as file, zipfile.ZipFile(file) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in reversed(archive.namelist())} == blobs


@pytest.mark.parametrize(("writing", "reading"), [("w", "r"), ("w:gz", "r:*"), ("w|", "r|")])
def test_tarfile(s3, writing, reading):
    blobs = {f"{number}.bin": os.urandom(300_000 + number) for number in range(5)}
    with s3.open("all.tar", "wb") as file, tarfile.open(fileobj=file, mode=writing) as archive:
        for name, blob in blobs.items():
            member = tarfile.TarInfo(name)
            member.size = len(blob)
            archive.addfile(member, io.BytesIO(blob))
    with s3.open("all.tar") as file, tarfile.open(fileobj=file, mode=reading) as archive:
        assert {member.name: archive.extractfile(member).read() for member in archive} == blobs


def test_gzip(s3):
    lines = [f"line {number}\n" for number in range(100_000)]
    with s3.open("lines.gz", "wb") as file, gzip.open(file, "wt") as text:
        text.writelines(lines)
    with s3.open("lines.gz") as file, gzip.open(file, "rt") as text:
        assert list(text) == lines


def test_numpy(s3):
    numpy = pytest.importorskip("numpy")
    array = numpy.arange(600_000, dtype="float64").reshape(1000, 600)
    with s3.open("array.npy", "wb") as file:
        numpy.save(file, array)
    with s3.open("array.npy") as file:
        assert (numpy.load(file) == array).all()
    with s3.open("arrays.npz", "wb") as file:
        numpy.savez_compressed(file, a=array, b=array[0])
    with s3.open("arrays.npz") as file, numpy.load(file) as arrays:
        assert (arrays["b"] == array[0]).all()
        assert (arrays["a"] == array).all()


def test_parquet(s3):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    columns = {f"c{number}": list(range(number, number + 60_000)) for number in range(20)}
    table = pyarrow.table(columns)
    with s3.open("table.parquet", "wb") as file:
        parquet.write_table(table, file, row_group_size=10_000, compression="none", use_dictionary=False)
    with s3.open("table.parquet") as file:
        assert parquet.read_table(file, columns=["c3", "c17"]) == table.select(["c3", "c17"])
    with s3.open("table.parquet") as file:
        assert parquet.ParquetFile(file).read_row_group(4, ["c9"]) == table.slice(40_000, 10_000).select(["c9"])
    with s3.open("table.parquet") as file:
        assert parquet.read_table(file) == table


def test_pandas(s3):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": range(30_000), "b": [f"text {number}" for number in range(30_000)]})
    with s3.open("frame.csv", "w") as file:
        frame.to_csv(file, index=False)
    for mode in ("rb", "r"):
        with s3.open("frame.csv", mode) as file:
            assert pandas.read_csv(file).equals(frame)
    with s3.open("frame.csv.gz", "wb") as file:
        frame.to_csv(file, index=False, compression="gzip")
    with s3.open("frame.csv.gz") as file:
        assert pandas.read_csv(file, compression="gzip").equals(frame)
    with s3.open("frame.csv") as file:
        assert sum(len(chunk) for chunk in pandas.read_csv(file, chunksize=7000)) == len(frame)


def test_pillow(s3):
    image = pytest.importorskip("PIL.Image")
    picture = image.effect_noise((640, 480), 50)
    with s3.open("noise.png", "wb") as file:
        picture.save(file, "PNG")
    with s3.open("noise.png") as file, image.open(file) as got:
        assert got.size == (640, 480)
        assert got.tobytes() == picture.tobytes()


def test_h5py(s3):
    h5py = pytest.importorskip("h5py")
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as made:
        made.create_dataset("group/numbers", data=list(range(500_000)), chunks=(50_000,))
        made["group"].attrs["unit"] = "m"
    s3.put("data.h5", buffer.getvalue())
    with s3.open("data.h5") as file, h5py.File(file, "r") as data:
        assert list(data["group/numbers"][300_000:300_003]) == [300_000, 300_001, 300_002]
        assert data["group"].attrs["unit"] == "m"


def test_torch(s3):
    torch = pytest.importorskip("torch")
    weights = {"layer": torch.arange(300_000, dtype=torch.float32)}
    with s3.open("weights.pt", "wb") as file:
        torch.save(weights, file)
    with s3.open("weights.pt") as file:
        assert torch.load(file)["layer"].equal(weights["layer"])

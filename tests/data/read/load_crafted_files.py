"""Loads crafted files under an audit hook and prints what was done besides reading: run by test_crafted_files.py in a
process of its own, because an audit hook cannot be taken away.

Usage: load_crafted_files.py FOLDER
"""

import contextlib
import gzip
import io
import json
import os
import pickle
import random
import shutil
import sys
import warnings
import zipfile
from pathlib import Path

import numpy as np

import tenfold
from tenfold.data.read.read import read_any
from tenfold.model.model import load
from tenfold.recipe import Recipe, Space
from tenfold.store.check import check

FIXTURES = Path(__file__).parents[2] / "fixtures"
ENDINGS = (
    "csv", "tsv", "txt", "csv.gz", "parquet", "npz", "npy", "pkl", "pickle", "joblib", "pt", "pth", "h5", "yaml", "yml",
    "json", "safetensors", "onnx", "db", "zip", "png",
)  # fmt: skip
FORBIDDEN = (
    "pickle.find_class", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty", "os.spawn",
    "subprocess.Popen", "socket.connect", "socket.bind", "socket.getaddrinfo", "socket.sendto", "ctypes.dlopen",
    "urllib.Request", "webbrowser.open", "code.__new__", "exec", "compile", "import",
)  # fmt: skip
TABLE = "a,b,y\n" + "".join(f"{i}.5,{'uv'[i % 2]},{['no', 'yes'][i % 2]}\n" for i in range(40))


class Payload:
    """Runs a command when it is unpickled."""

    def __init__(self, flag):
        self.flag = flag

    def __reduce__(self):
        return os.system, (f"touch {self.flag}",)


class Code:
    """Runs Python code when it is unpickled."""

    def __init__(self, flag):
        self.flag = flag

    def __reduce__(self):
        return exec, (f"open({str(self.flag)!r}, 'w').close()",)


def payloads(flag):
    """Pickles in several protocols, bare, compressed, and inside of other formats."""
    bare = [pickle.dumps(kind(flag), protocol) for kind in (Payload, Code) for protocol in (0, 2, 5)]
    yield from bare
    yield gzip.compress(bare[2])
    for name in ("x.npy", "data.pkl", "archive/data.pkl", "y.npy"):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr(name, bare[1])
            archive.writestr("x.npy", bare[2]) if name == "y.npy" else None
        yield file.getvalue()
    for arrays in ({"x": [Payload(flag)] * 4, "y": [0, 1, 0, 1]}, {"x": np.zeros((4, 2)), "y": [Code(flag)] * 4}):
        file = io.BytesIO()
        np.savez(file, **{name: np.array(value, object) for name, value in arrays.items()})
        yield file.getvalue()
    file = io.BytesIO()
    np.save(file, np.array([Payload(flag)], object))
    yield file.getvalue()
    texts = (
        f"!!python/object/apply:os.system ['touch {flag}']",
        f"epochs: !!python/object/new:os.system [touch {flag}]",
        json.dumps({"__reduce__": ["os.system", f"touch {flag}"], "class_path": "os.system"}),
        f"a,b,y\n=cmd|'/c touch {flag}'!A1,__import__('os').system('touch {flag}'),1\n" * 3,
    )
    yield from (text.encode() for text in texts)


def sound_files(folder):
    """A sound file of every format that is read."""
    (folder / "t.csv").write_text(TABLE)
    (folder / "t.csv.gz").write_bytes(gzip.compress(TABLE.encode()))
    (folder / "t.yaml").write_text("epochs: 3\noptimizer: {adam: {lr: 0.01}}\n")
    np.savez(folder / "t.npz", x=np.random.default_rng(0).normal(size=(20, 3)), y=np.arange(20) % 2)
    import duckdb

    with duckdb.connect() as connection:
        connection.read_csv(str(folder / "t.csv")).write_parquet(str(folder / "t.parquet"))
    return [folder / name for name in ("t.csv", "t.csv.gz", "t.yaml", "t.npz", "t.parquet")]


def damaged(rng, content):
    """Some bytes of a file replaced, left out, or repeated."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 3, 20))):
        place = rng.randrange(len(data))
        how = rng.randrange(3)
        if how == 0:
            data[place] = rng.randrange(256)
        elif how == 1:
            del data[place : place + rng.randrange(1, 30)]
        else:
            data[place:place] = data[place : place + rng.randrange(1, 30)]
        if not data:
            return b""
    return bytes(data)


def readers(path):
    """Everything that may be asked of this path."""
    if path.is_dir():
        return [load, check]
    return [lambda p: read_any(str(p)), Recipe.from_yaml, Space.from_yaml]


def attempt(reader, path):
    """Read; most of it is refused."""
    with warnings.catch_warnings(), contextlib.suppress(Exception):
        warnings.simplefilter("ignore")
        reader(path)


def crafted(folder, flag):
    """Crafted files and directories, over 500 of them."""
    rng = random.Random(7)
    contents = list(payloads(flag))
    count = 0
    for content in contents:
        for ending in ENDINGS:
            path = folder / f"p{count}.{ending}"
            path.write_bytes(content)
            count += 1
            yield path
    for path in sound_files(folder):
        content = path.read_bytes()
        for _ in range(30):
            other = folder / f"d{count}{''.join(path.suffixes)}"
            other.write_bytes(damaged(rng, content))
            count += 1
            yield other
    for fixture in ("model_format_1", "ensemble_format_1", "run_format_1"):
        names = [p.relative_to(FIXTURES / fixture) for p in sorted((FIXTURES / fixture).rglob("*")) if p.is_file()]
        for turn in range(40):
            place = folder / f"m{count}"
            shutil.copytree(FIXTURES / fixture, place)
            target = place / rng.choice(names)
            target.write_bytes(rng.choice(contents) if turn % 2 else damaged(rng, target.read_bytes() or b"0"))
            count += 1
            yield place


def main(folder):
    """Print what happened, as JSON."""
    flag = folder / "flag"
    seen, watching, made, own = [], False, 0, False
    sources = "".join(path.read_text() for path in Path(tenfold.__file__).parent.rglob("*.py")).replace("'", '"')
    warm = folder / "warm"
    warm.mkdir()
    # What is imported on the way is imported here, before anything is watched.
    for path in [*sound_files(warm), *(FIXTURES / name for name in ("model_format_1", "ensemble_format_1"))]:
        for reader in readers(path):
            attempt(reader, path)
    check(FIXTURES / "run_format_1")
    for content in list(payloads(flag))[:8]:
        for ending in ENDINGS:
            (warm / f"w.{ending}").write_bytes(content)
            for reader in readers(warm / f"w.{ending}"):
                attempt(reader, warm / f"w.{ending}")
    made_before = flag.exists()
    installed = (sys.prefix, sys.base_prefix, str(FIXTURES.parents[1]), "<frozen")

    def hook(event, arguments):
        nonlocal own
        if not watching or event not in FORBIDDEN:
            return
        if event == "compile":
            text = (arguments[0] or b"").decode() if isinstance(arguments[0], bytes) else str(arguments[0])
            # "<unknown>" is parsed and not run: numpy reads the header of an array so. What is written in our own
            # sources is an annotation that pydantic asks for.
            own = text.replace("'", '"') in sources
            if arguments[1] == "<unknown>" or own:
                return
        if event == "exec" and (arguments[0].co_filename.startswith(installed) or own):
            return
        if event == "import" and arguments[0].split(".")[0] in known:
            return
        seen.append(f"{event} {arguments!r}"[:200])

    known = {name.split(".")[0] for name in sys.modules} | set(sys.stdlib_module_names)
    sys.addaudithook(hook)
    for path in crafted(folder, flag):
        made += 1
        for reader in readers(path):
            watching = True
            attempt(reader, path)
            watching = False
    print(json.dumps({"made": made, "seen": seen, "flag": made_before or flag.exists()}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""Damage to every kind of file of a run: is it found, and if not, does it change anything?

    python tests/faults/corruption.py [--count N]

For each kind N flipped bits, N zeroed blocks of 512 bytes, N cuts, and exchanges with a file or a row of the same kind
of this run or another. Each must be found by `check` or refused by reading, or else be without effect: every row of the
database, the ledger and every file is what it was. What is lost with the end of the database's log is made again by
`resume`, to the same bits; a sample of these is resumed.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sqlite3
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from tiny_runs import TinyRuns, fingerprint

from tenfold.errors import TenfoldError
from tenfold.store import Run, check
from tenfold.store.database import TABLES, Database
from tenfold.store.lockbox_ledger import openings

MODEL = ("manifest.json", "spec.json", "schema.json", "preprocess.json", "card.md", "model.safetensors",
         "preprocess.safetensors")  # fmt: skip
FILES = ("summary.json", "leaderboard.csv", "trials.csv", "metrics.csv", "recipe.yaml", "report.html")
BLOCK, RESUMED = 512, 12


class Corruption:
    """Two finished runs (`mine`, `other`) and one that was killed at its end (`killed`), below one folder."""

    def __init__(self, folder: Path, count: int) -> None:
        self.folder, self.count, self.rng = folder, count, random.Random(1)
        self.mine, self.other, self.killed = folder / "mine", folder / "other", folder / "killed"
        self.harness = TinyRuns(folder)
        self.tried, self.found, self.failed = Counter[str](), Counter[str](), list[str]()
        self.resumed = 0

    def prepare(self) -> None:
        """Make the runs."""
        self.harness.write_data()
        arguments = self.harness.fit(self.mine)
        assert self.harness.tenfold(*arguments) == 0
        assert self.harness.tenfold(*self.harness.fit(self.other)[:-3], 5, "--out", self.other) == 0
        with Run.open(self.mine) as run:  # while it is open, the log holds what was committed since
            for number in range(5):
                run.event("opened", number)
        shutil.copytree(self.mine, self.folder / "again")
        with Run.open(self.folder / "again") as run:
            report = run.get("report")
            run.put("report", report)
            run.put("later", 1)
            number = run.open_intent(*((o := run.openings()[0]).rows_sha, o.model_sha), allow_second=True)
            run.open_result(number, o.result)
            for number in range(4):
                run.event("opened", number)
            shutil.copytree(run.path, self.killed)

    def content(self, run: Path) -> Any:
        """Every row of the database, and the ledger."""
        database = Database.read(run)
        try:
            return {table: list(database.rows(table)) for table in TABLES}, openings(database)
        finally:
            database.close()

    def damages(self, data: bytes) -> Iterator[tuple[str, bytes]]:
        """Flips, zeroed blocks and cuts of a file."""
        rng = self.rng
        for _ in range(self.count):
            changed, bit = bytearray(data), rng.randrange(8 * len(data))
            changed[bit // 8] ^= 1 << bit % 8
            yield "flip", bytes(changed)
        for _ in range(self.count):
            start = rng.randrange(len(data)) // BLOCK * BLOCK
            zeroed = data[:start] + bytes(len(data[start : start + BLOCK])) + data[start + BLOCK :]
            if zeroed != data:
                yield "block", zeroed
        for _ in range(self.count):
            yield "cut", data[: rng.randrange(len(data))]

    def file(self, kind: str, run: Path, names: list[str]) -> None:
        """Damage the files of a kind in turn."""
        before = self.content(run)
        each = self.count
        self.count = -(-each // len(names))
        for name in names:
            path = run / name
            whole = path.read_bytes()
            for how, damaged in self.damages(whole):
                path.write_bytes(damaged)
                self.judge(kind, f"{name}: {how}", run, before)
                for leftover in (run / "run.db-shm",):
                    leftover.unlink(missing_ok=True)
            path.write_bytes(whole)
        self.count = each
        assert check(run) == [], kind

    def judge(self, kind: str, what: str, run: Path, before: Any) -> None:
        """Found, or without effect?"""
        self.tried[kind] += 1
        try:
            if check(run):
                self.found[kind] += 1
                return
            after = self.content(run)
        except TenfoldError:
            self.found[kind] += 1
            return
        if after == before:
            return
        # Only the log may end earlier than it did; never the ledger.
        if kind != "run.db-wal" or after[1] != before[1]:
            self.failed.append(f"{kind} {what}: not found, and other values are read")
            return
        self.resumed += 1
        if self.resumed % 20 == 1 and self.resumed < 20 * RESUMED:
            place = self.folder / "resumed"
            shutil.copytree(run, place)
            code = self.harness.tenfold("resume", place)
            if code or check(place) or fingerprint(place) != fingerprint(self.mine):
                self.failed.append(f"{kind} {what}: resumed to other bits")
            shutil.rmtree(place)

    def exchange(self, kind: str, what: str, change: Callable[[Path], object]) -> None:
        """Exchange something in a copy; it must be found."""
        place = self.folder / "exchanged"
        shutil.copytree(self.mine, place)
        before = self.content(place)
        change(place)
        self.judge(kind, what, place, before)
        if not check(place):
            self.failed.append(f"{kind}: {what} is not found")
        shutil.rmtree(place)

    def exchanges(self) -> None:
        """Files and rows of the same kind, of this run and of the other."""
        for name in [*FILES, "run.db", "lockbox.jsonl", *(f"model/{name}" for name in MODEL)]:
            if (self.other / name).read_bytes() != (self.mine / name).read_bytes():
                self.exchange(
                    "exchanged", f"{name} of the other", lambda run, n=name: shutil.copy(self.other / n, run / n)
                )
        self.exchange("exchanged", "model/ of the other", self._other_model)
        blobs = sorted((self.mine / "blobs").iterdir())
        for one, two in pairwise(blobs):
            self.exchange("exchanged", "two blobs", lambda run, a=one, b=two: shutil.copy(a, run / "blobs" / b.name))
        for blob in sorted((self.other / "blobs").iterdir()):
            self.exchange(
                "exchanged", "a blob of the other", lambda run, b=blob: shutil.copy(b, run / "blobs" / blobs[0].name)
            )
        tables = {
            name: [row[: schema.key] for row in self.content(self.mine)[0][name]] for name, schema in TABLES.items()
        }
        for table, keys in tables.items():
            names = [column for column, _ in TABLES[table].columns[: TABLES[table].key]]
            where = " AND ".join(f"{name} = ?" for name in names)
            for key in keys:
                self.exchange("rows", f"{table} {key} deleted", sql(f"DELETE FROM {table} WHERE {where}", key))
                for column, kind in TABLES[table].columns[TABLES[table].key :]:
                    new = {"TEXT": f"{column} || ' '", "INTEGER": f"{column} + 1", "REAL": f"{column} + 1e-9"}[kind]
                    if kind == "REAL":
                        new = f"{column} * 2 + 1"
                    self.exchange(
                        "rows", f"{table} {key} {column}",
                        sql(f"UPDATE {table} SET {column} = coalesce({new}, 0) WHERE {where}", key),
                    )  # fmt: skip
                copied = f"INSERT OR REPLACE INTO {table} SELECT * FROM other.{table} WHERE {where}"
                self.exchange_row(table, key, copied)

    def exchange_row(self, table: str, key: tuple[Any, ...], statement: str) -> None:
        """A row of the other run, with its right checksum, where it has one that differs."""
        index = TABLES[table].key
        rows = [{row[:index]: row for row in self.content(run)[0][table]} for run in (self.mine, self.other)]
        if rows[1].get(key, rows[0][key]) != rows[0][key]:
            self.exchange("rows", f"{table} {key} of the other", sql(statement, key, other=self.other / "run.db"))

    def _other_model(self, run: Path) -> None:
        shutil.rmtree(run / "model")
        shutil.copytree(self.other / "model", run / "model")

    def all(self) -> None:
        """Every kind."""
        blobs = [f"blobs/{path.name}" for path in sorted((self.mine / "blobs").iterdir())]
        self.file("run.db", self.mine, ["run.db"])
        self.file("run.db-wal", self.killed, ["run.db-wal"])
        self.file("blobs/", self.mine, blobs)
        for name in MODEL:
            self.file(f"model/{name}", self.mine, [f"model/{name}"])
        for name in FILES:
            self.file(name, self.mine, [name])
        self.file("lockbox.jsonl", self.mine, ["lockbox.jsonl"])
        self.exchanges()

    def report(self) -> int:
        """Print what failed, and the table."""
        print(*self.failed[:40], sep="\n")
        print("\n| damaged | times | found | without effect | failures |\n|---|---|---|---|---|")
        words = {"exchanged": "files exchanged", "rows": "rows of `run.db` changed, deleted, exchanged"}
        for kind, tried in self.tried.items():
            wrong = sum(line.startswith((f"{kind} ", f"{kind}:")) for line in self.failed)
            name = words.get(kind, f"`{kind}`")
            print(f"| {name} | {tried} | {self.found[kind]} | {tried - self.found[kind] - wrong} | {wrong} |")
        print(f"| all | {self.tried.total()} | {self.found.total()} | "
              f"{self.tried.total() - self.found.total() - len(self.failed)} | {len(self.failed)} |")  # fmt: skip
        print(f"\n{self.resumed} times the log ended earlier; a sample of these was resumed to the same bits")
        return len(self.failed)


def sql(statement: str, key: tuple[Any, ...], other: Path | None = None) -> Callable[[Path], None]:
    """A change of the database behind the back of its checksums."""

    def change(run: Path) -> None:
        connection = sqlite3.connect(run / "run.db")
        if other is not None:
            connection.execute(f"ATTACH '{other}' AS other")
        with connection:
            connection.execute(statement, key)
        connection.close()

    return change


def main() -> int:
    """Damage everything; the exit code says whether anything was missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=300)
    folder = Path(tempfile.mkdtemp(prefix="corruption-"))
    terminal = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    try:
        corruption = Corruption(folder, parser.parse_args().count)
        corruption.prepare()
        corruption.all()
    finally:
        sys.stdout.flush()
        os.dup2(terminal, 1)
        os.dup2(terminal, 2)
        shutil.rmtree(folder, ignore_errors=True)
    return int(corruption.report() > 0)


if __name__ == "__main__":
    sys.exit(main())

"""The tables of `run.db`, and rows that carry their own checksum.

SQLite's `integrity_check` sees a damaged structure, not a damaged value: every row therefore ends in the CRC-32
of its values, which is verified whenever the row is read. A row that is gone, or that comes from another run, has no
wrong checksum: the fact `TALLY` therefore holds a sum over the hashes of all rows of each table, which every
transaction brings up to date. Both detect damage, not a forger. The file is in WAL mode, so that a run can be read
while it is written, with synchronous=FULL: when a commit returns, it survives a kill and a power cut.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import zlib
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tenfold.errors import BadInput, Corrupt
from tenfold.store.files import FILE_MODE, synchronize_directory, translated_errors
from tenfold.store.log_damage import lost_commits

FORMAT = 3  # stored as user_version
TALLIED = 3  # the first format with a tally
APPLICATION = 0x54454E46
NAME = "run.db"
LOG = NAME + "-wal"
TALLY = "store.tally"  # the fact that holds the sums over the rows
BLOBS = "blobs"  # the folder of content-named files
RESULTS = (
    "lockbox.jsonl", "leaderboard.csv", "trials.csv", "metrics.csv", "recipe.yaml", "summary.json", "report.html",
)  # fmt: skip
_BATCH = 4096


@dataclass(frozen=True)
class TableSchema:
    """One table: its columns as (name, SQLite type) and how many of the first ones are the key."""

    columns: tuple[tuple[str, str], ...]
    key: int

    def __post_init__(self) -> None:
        if not 0 < self.key <= len(self.columns):
            raise ValueError(f"a key of {self.key} columns out of {len(self.columns)}")


def _table(key: int, columns: str) -> TableSchema:
    pairs = [column.split() for column in columns.split(", ")]
    return TableSchema(tuple((name, kind) for name, kind in pairs), key)


TABLES = {
    "facts": _table(1, "name TEXT, value TEXT"),
    "arrays": _table(2, "kind TEXT, key TEXT, sha TEXT, size INTEGER, meta TEXT"),
    "files": _table(1, "name TEXT, sha TEXT, size INTEGER, settled INTEGER, previous TEXT"),
    "events": _table(1, "id INTEGER, time REAL, kind TEXT, detail TEXT"),
    "openings": _table(1, "id INTEGER, rows_sha TEXT, model_sha TEXT, time REAL, times INTEGER, result TEXT"),
}
# Runs of formats 1 and 2 are read and resumed as they are. Format 2 had no tally and no witness of the ledger; format 1
# also had the numbers of trials.csv and metrics.csv in tables of their own, which nothing read.
_FORMATS = {
    1: {
        **TABLES,
        "metrics": _table(5, "recipe INTEGER, fold INTEGER, seed INTEGER, epoch INTEGER, name TEXT, value REAL"),
        "trials": _table(
            3, "recipe INTEGER, fold INTEGER, seed INTEGER, outcome TEXT, score REAL, epoch INTEGER, message TEXT"
        ),
    },
    2: TABLES,
    FORMAT: TABLES,
}
_MODULUS = 2**128


def _create_statement(name: str, table: TableSchema) -> str:
    columns = [f"{column} {kind}" for column, kind in table.columns]
    key = ", ".join(column for column, _ in table.columns[: table.key])
    return f"CREATE TABLE {name} ({', '.join(columns)}, crc INTEGER, PRIMARY KEY ({key})) STRICT, WITHOUT ROWID"


def _plain(value: Any, kind: str) -> Any:
    """`value` as SQLite will give it back: a number of its column's type, or text that is valid Unicode."""
    if value is None:
        return None
    if kind == "INTEGER":
        return int(value)
    if kind == "REAL":
        return float(value)
    return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode()


def _checksum(row: tuple[Any, ...]) -> int:
    return zlib.crc32(repr(row).encode())


def _share(table: str, row: tuple[Any, ...]) -> int:
    """What a row adds to the sum of its table."""
    return int.from_bytes(hashlib.sha256(repr((table, row)).encode()).digest()[:16], "big")


def _address(path: Path, options: str) -> str:
    return f"{path.absolute().as_uri()}?{options}"


class Database:
    """An open `run.db`. Rows go in and out as tuples in the order of the columns in `tables`; one thread uses it.

    `depth` counts the open `transaction()` blocks.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path, self.tables, self.format, self.depth = path, TABLES, FORMAT, 0
        self.in_doubt = False  # whether the disk refused the last commit, which may be there all the same
        self._connection = connection
        self._changes: dict[str, int] = {}  # of the sums, by the open transaction

    @staticmethod
    def create(directory: Path) -> Database:
        """Make an empty database in `directory`; it exists for `open` once its tables are committed."""
        path = directory / NAME
        with translated_errors(directory):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, FILE_MODE))
            database = Database(path, _connect(path, "mode=rw"))
            database._execute("PRAGMA journal_mode=WAL")
            # In one transaction: after a crash there is a complete database, or an empty file that says so.
            with database.transaction():
                for name, table in TABLES.items():
                    database._execute(_create_statement(name, table))
                database._execute(f"PRAGMA application_id={APPLICATION}")
                database._execute(f"PRAGMA user_version={FORMAT}")
            synchronize_directory(directory)
        return database

    @staticmethod
    def open(directory: Path) -> Database:
        """Open for writing, after the quick check of SQLite. Errors: `BadInput`, `Corrupt`, `RunFailed`."""
        database = _open(directory, "mode=rw")
        try:
            problems = database.problems("quick_check")
            if problems:
                raise Corrupt(f"the database is damaged ({problems[0]})", file=str(database.path))
            database.check_tally()
        except BaseException:
            database.close()
            raise
        return database

    @staticmethod
    def read(directory: Path) -> Database:
        """Open for reading, also while a writer has it open. Errors: `BadInput`, `Corrupt`, `RunFailed`.

        A database that was closed cleanly has no log beside it; it is then read as immutable, for which SQLite makes no
        auxiliary file, so the directory may be read-only. To follow a writer that came later, open it again.
        """
        live = (directory / LOG).exists()
        return _open(directory, "mode=ro" if live else "mode=ro&immutable=1")

    def problems(self, pragma: str = "integrity_check") -> list[str]:
        """What SQLite's `integrity_check` or `quick_check` finds, a sentence each; empty when all is well."""
        lines = [str(line) for (line,) in self.fetch(f"PRAGMA {pragma}")]
        return [] if lines == ["ok"] else lines

    @contextmanager
    def transaction(self) -> Generator[None]:
        """All writes of the block, or none of them; a block inside a block joins it."""
        if self.depth == 0:
            self._execute("BEGIN IMMEDIATE")
        self.depth += 1
        try:
            yield
            if self.depth == 1:
                self._write_tally()
                self.in_doubt = True
                self._execute("COMMIT")
                self.in_doubt = False
        except BaseException:
            if self.depth == 1:
                self._changes = {}
                if self._connection.in_transaction:
                    self._execute("ROLLBACK")
            raise
        finally:
            self.depth -= 1

    def write(self, table: str, rows: Iterable[tuple[Any, ...]]) -> None:
        """Insert `rows`; a row with the key of an older one replaces it."""
        schema = self.tables[table]
        kinds = [kind for _, kind in schema.columns]
        key = [column for column, _ in schema.columns[: schema.key]]
        with translated_errors(self.path.parent), self.transaction():
            for values in rows:
                row = tuple(_plain(value, kind) for value, kind in zip(values, kinds, strict=True))
                self._count(table, self.first(table, **dict(zip(key, row, strict=False))), -1)
                self._count(table, row, 1)
                self._insert(table, row)

    def rows(self, table: str, **where: Any) -> Iterator[tuple[Any, ...]]:
        """The rows whose columns equal `where`, in the order of the key, each verified. Errors: `Corrupt`."""
        clause = " AND ".join(f"{column} = ?" for column in where) or "1"
        order = ", ".join(str(index + 1) for index in range(self.tables[table].key))
        cursor = self._execute(f"SELECT * FROM {table} WHERE {clause} ORDER BY {order}", tuple(where.values()))
        while True:
            with translated_errors(self.path.parent):
                batch = cursor.fetchmany(_BATCH)
            if not batch:
                return
            for *values, crc in batch:
                row = tuple(values)
                if _checksum(row) != crc:
                    raise Corrupt(f"a row of the table {table} is damaged: {row!r:.120}", file=str(self.path))
                yield row

    def first(self, table: str, **where: Any) -> tuple[Any, ...] | None:
        """The first row whose columns equal `where`, or None."""
        return next(self.rows(table, **where), None)

    def next_id(self, table: str) -> int:
        """One more than the largest `id` of the table; 1 in an empty one."""
        return int(self.fetch(f"SELECT coalesce(max(id), 0) + 1 FROM {table}")[0][0])

    def delete(self, table: str, **where: Any) -> None:
        """Delete the rows whose columns equal `where`."""
        clause = " AND ".join(f"{column} = ?" for column in where)
        with self.transaction():
            for row in list(self.rows(table, **where)):
                self._count(table, row, -1)
            self._execute(f"DELETE FROM {table} WHERE {clause}", tuple(where.values()))

    @contextmanager
    def snapshot(self) -> Generator[None]:
        """All reads of the block see the same state, also while another process writes."""
        self._execute("BEGIN")
        try:
            yield
        finally:
            if self._connection.in_transaction:
                self._execute("COMMIT")

    def check_tally(self) -> None:
        """Verify every row, and that the rows are those that were written. Errors: `Corrupt`."""
        if self.format < TALLIED:
            return
        with self.snapshot():
            stored = self._tally()
            for table in self.tables:
                found = sum(_share(table, row) for row in self.rows(table) if not _is_tally(table, row)) % _MODULUS
                if found != stored.get(table, 0):
                    what = f"rows of the table {table} are missing, or belong to another run"
                    raise Corrupt(what, file=str(self.path))

    def _tally(self) -> dict[str, int]:
        row = self.first("facts", name=TALLY)
        return {} if row is None else {table: int(text, 16) for table, text in json.loads(row[1]).items()}

    def _count(self, table: str, row: tuple[Any, ...] | None, sign: int) -> None:
        """Note that a row comes (sign 1) or goes (-1)."""
        if row is not None and not _is_tally(table, row):
            self._changes[table] = self._changes.get(table, 0) + sign * _share(table, row)

    def _write_tally(self) -> None:
        """In the transaction that made the changes: rows and sums are committed together."""
        changes, self._changes = self._changes, {}
        if self.format < TALLIED or not changes:
            return
        sums = self._tally()
        sums |= {table: (sums.get(table, 0) + change) % _MODULUS for table, change in changes.items()}
        text = json.dumps({table: f"{value:032x}" for table, value in sorted(sums.items())})
        self._insert("facts", (TALLY, text))

    def _insert(self, table: str, row: tuple[Any, ...]) -> None:
        marks = ", ".join("?" * (len(row) + 1))
        self._execute(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", (*row, _checksum(row)))

    def close(self) -> None:
        """Close the file; the last writer folds the WAL into it."""
        with translated_errors(self.path.parent):
            self._connection.close()

    def _execute(self, statement: str, values: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        with translated_errors(self.path.parent):
            return self._connection.execute(statement, values)

    def fetch(self, statement: str) -> list[tuple[Any, ...]]:
        """All rows that a statement finds."""
        with translated_errors(self.path.parent):
            return self._connection.execute(statement).fetchall()


def _is_tally(table: str, row: tuple[Any, ...]) -> bool:
    return table == "facts" and row[0] == TALLY


def _decoded(text: bytes) -> str:
    """Text that is not UTF-8 is read too: it is the row's checksum that refuses it, with the table's name."""
    return text.decode("utf-8", "replace")


def _connect(path: Path, options: str) -> sqlite3.Connection:
    connection = sqlite3.connect(_address(path, options), uri=True, isolation_level=None, timeout=10.0)
    connection.text_factory = _decoded
    try:
        # Some builds of SQLite have NORMAL as the default in WAL mode; a power cut then loses the last commits.
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA trusted_schema=OFF")
    except BaseException:
        connection.close()
        raise
    return connection


def _open(directory: Path, options: str) -> Database:
    path = directory / NAME
    for name in (NAME, LOG, NAME + "-shm"):
        if (directory / name).is_symlink():  # a stranger's run must not lead to a file elsewhere
            raise Corrupt("a link, where a file belongs", file=str(directory / name))
    if not path.is_file():
        left = remains(directory)
        if any(name.startswith(BLOBS) for name in left):
            raise Corrupt(f"the database is missing; still there: {', '.join(left)}", file=str(path))
        raise BadInput(
            "there is no run.db here" if directory.is_dir() else "there is no such directory",
            where=str(directory),
            expected="the directory of a run",
            do="give the directory that `tenfold fit` printed",
        )
    with translated_errors(directory):
        database = Database(path, _connect(path, options))
    try:
        database.format, database.tables = _format_of(database)
    except BaseException:
        database.close()
        raise
    return database


def remains(directory: Path) -> list[str]:
    """What is in a directory that only a run with a database can have written, in words; empty for a run that was
    stopped before it began."""
    blobs = len(list((directory / BLOBS).glob("*.safetensors")))
    found = [f"{BLOBS}/ ({blobs} file{'s' * (blobs > 1)})"] if blobs else []
    found += [f"{LOG}, damaged"] if lost_commits(directory / LOG) else []
    found += ["model/"] if (directory / "model" / "manifest.json").exists() else []
    return found + [name for name in RESULTS if (directory / name).exists()]


def _format_of(database: Database) -> tuple[int, dict[str, TableSchema]]:
    """The number of the database's format, and its tables. Errors: `BadInput` for an empty database and for a newer
    format, `Corrupt` when it has other tables, or nothing beside what a run has written."""
    version = database.fetch("PRAGMA user_version")[0][0]
    application = database.fetch("PRAGMA application_id")[0][0]
    statements = {sql for (sql,) in database.fetch("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL")}
    if not statements and not version and not application:
        left = remains(database.path.parent)
        if left:
            raise Corrupt(f"the database is empty; still there: {', '.join(left)}", file=str(database.path))
        raise BadInput(
            "the run was stopped before it began; nothing was saved",
            where=str(database.path.parent),
            do="delete the directory and start again",
        )
    if application == APPLICATION and version > FORMAT:
        raise BadInput(
            f"the run has schema {version}, written by a newer Tenfold",
            where=str(database.path),
            expected=f"schema {FORMAT}",
            do="upgrade Tenfold",
        )
    tables = _FORMATS.get(version, {})
    if application != APPLICATION or statements != {_create_statement(*table) for table in tables.items()}:
        raise Corrupt("this is not the database of a run, or its tables are damaged", file=str(database.path))
    return version, tables

"""The run directory: one database, content-named blobs, files for the user, the model bundle, and their check."""

from tenfold.store.bundle import Bundle, read_bundle, write_bundle
from tenfold.store.check import Damage, check
from tenfold.store.run_directory import Run

__all__ = ["Bundle", "Damage", "Run", "check", "read_bundle", "write_bundle"]

"""A hash of what a source holds, by which a run recognizes its data when it goes on."""

from __future__ import annotations

import hashlib
import os

from tenfold.data.read.image_files import folder_sha


def source_sha(source: str) -> str:
    """The hash of a file's bytes, or of all files of a folder; a bundled set is its name. "" for what is not there, or
    can be read only once, such as a pipe."""
    if source.startswith("sklearn:"):
        return source
    try:
        if os.path.isdir(source):
            return folder_sha(source)
        if not os.path.isfile(source):
            return ""
        with open(source, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError):
        return ""

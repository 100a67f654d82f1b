"""Calls and feedback out of the exports of other products, and of our own: one file for each that wrote them.

A reader is pure: it is given one row of an export, as it stands in the file, and yields the records that the row tells
of. It opens nothing, writes nothing and remembers nothing; which rows belong together is found by ids made from theirs.
"""

from __future__ import annotations

from rlhf_otel.importers.formats import FORMATS, UnknownFormatError, format_of
from rlhf_otel.importers.reading import Record, Unreadable, files_of, records
from rlhf_otel.importers.settling import Survey, settled

__all__ = [
    "FORMATS", "Record", "Survey", "UnknownFormatError", "Unreadable", "files_of", "format_of", "records", "settled",
]  # fmt: skip

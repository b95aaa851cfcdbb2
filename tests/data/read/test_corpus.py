"""No file is read wrongly without a word: copies of a table with one pollution each, and a corpus of real files."""

import os
from collections import Counter
from pathlib import Path

import pytest
from bench.csv_corpus import Case, compare, corpus, outcome, outcomes, pollutions

CORPUS = os.environ.get("TENFOLD_CSV_CORPUS", "")
RIGHT = {
    "file_plain", "file_quoted", "file_no_header", "file_title", "file_title_blank", "file_titles", "file_wide_title",
    "file_comments", "file_units", "file_header_no_last", "file_footer", "file_footer_blank", "file_wide_footer",
    "file_trailing_blanks", "file_trailing_delimiters", "file_trailing_delimiters_rows", "file_one_data_row",
    "file_crlf", "file_cr", "file_no_line_end", "file_double_line_end", "file_field_delimiter_blank",
    "file_field_delimiter_0x3b", "file_field_delimiter_0x9", "file_field_delimiter_0x7c",
    "file_encoding_utf-8-sig", "file_encoding_utf-16", "file_encoding_utf-16-le", "file_encoding_utf-32",
    "file_encoding_latin-1",
}  # fmt: skip


def check(every: int) -> None:
    counts, others = outcomes(pollutions(every))
    assert [(name, why) for name, found, why in others if found == "wrong"] == []
    assert {kind for kind, found in counts.items() if kind.startswith("file") and found["right"]} == RIGHT


def test_polluted_copies_of_a_table_are_read_right_or_refused():
    check(every=17)


@pytest.mark.slow
def test_every_polluted_copy_of_a_table_is_read_right_or_refused():
    check(every=1)


@pytest.mark.slow
@pytest.mark.skipif(not CORPUS, reason="TENFOLD_CSV_CORPUS names no corpus of files with clean copies")
def test_a_corpus_is_read_right_or_refused():
    counts, others = outcomes(corpus(Path(CORPUS)))
    assert [(name, why) for name, found, why in others if found == "wrong"] == []
    real = counts["real files"]
    assert real["right"] >= 0.85 * (real.total() - sum("empty" in why for _, _, why in others))


def test_a_wrong_reading_would_be_found(tmp_path: Path):
    clean = [["a", "b"], ["1", "x"], ["2", "y"]]
    assert outcome(Case("", "", b"a,b\n1,x\n2,y\n", clean), tmp_path)[0] == "right"
    for content in (b"a,b\n1,x\n2,z\n", b"a,b\n1,x\n", b"a,b,c\n1,x,\n2,y,3\n", b"b,a\n1,x\n2,y\n"):
        assert outcome(Case("", "", content, clean), tmp_path)[0] == "wrong"
    assert compare(["a"], [["1"]], [["a", "b"], ["1", "x"]], ()) != ""
    assert Counter(case.kind for case in pollutions(50))["row_more_sep"] == 16

"""Damaged, foreign and malicious files give one clear error that names the file."""

from __future__ import annotations

import resource
import time
import zipfile
from pathlib import Path

import openpyxl
import pytest

from hmlm_fm.common.errors import FormatError
from hmlm_fm.formats.edge_table import read_edge_table
from hmlm_fm.formats.json_format import read_json, write_json
from hmlm_fm.formats.logic.rules import parse_rule
from hmlm_fm.formats.netflux import read_netflux
from hmlm_fm.formats.network_loading import load_network
from hmlm_fm.formats.sif import read_sif
from hmlm_fm.formats.xml_documents import root_name
from hmlm_fm.model.network import Interaction, Molecule, SignalingNetwork

READERS = (load_network, read_json, read_netflux, read_sif, read_edge_table)
SPECIES = ("ID", "name", "Yinit", "Ymax", "tau")
REACTIONS = ("ID", "Rule", "Weight", "n", "EC50")


def workbook(path: Path, species=(), reactions=(), headers=(SPECIES, REACTIONS)) -> Path:
    """A Netflux workbook with these rows."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    rows = zip(("species", "reactions"), headers, (species, reactions), strict=True)
    for title, header, body in rows:
        sheet = book.create_sheet(title)
        sheet.append(["a title"])
        sheet.append(list(header))
        for row in body:
            sheet.append(list(row))
    book.save(path)
    return path


A, B = ("A", "a", 0, 1, 1), ("B", "b", 0, 1, 1)
GOOD_RULE = ("r1", "A => B", 1, 1.4, 0.5)


def refused(read, path: Path) -> str:
    """The message of the error with which `read` refuses the file; it must name the file."""
    with pytest.raises(FormatError) as caught:
        read(path)
    message = str(caught.value)
    assert path.name in message
    assert "\n" not in message
    return message


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n  \n",
        b"<!DOCTYPE html><html><body>404 Not Found</body></html>",
        bytes(range(256)) * 4,
        b"\x00" * 1000,
        b"PK\x03\x04 and no zip",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 and no workbook",
        b"A\t1\tB\nC\t1\tM\xfcller\n",
        b"{",
        b"[]",
        b"just some words of prose, and nothing that anybody could call a network\n",
    ],
    ids=[
        "empty", "blank", "HTML", "binary", "zeros", "zip magic", "OLE magic", "Latin-1",
        "half JSON", "JSON list", "prose",
    ],
)  # fmt: skip
def test_garbage_is_refused_by_every_reader(tmp_path, read, content):
    path = tmp_path / "garbage.dat"
    path.write_bytes(content)
    refused(read, path)


@pytest.mark.parametrize("read", READERS)
def test_a_missing_file_and_a_folder_are_refused(tmp_path, read):
    refused(read, tmp_path / "missing.json")
    refused(read, tmp_path)


def test_latin_1_is_told_with_its_line(tmp_path):
    path = tmp_path / "edges.sif"
    path.write_bytes("A\t1\tB\nC\t1\tMüller\n".encode("latin-1"))
    assert "line 2: byte 0xfc is not UTF-8" in refused(read_sif, path)


# -- workbooks ----------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_truncated_workbook_is_refused(tmp_path, share):
    whole = workbook(tmp_path / "whole.xlsx", [A, B], [GOOD_RULE]).read_bytes()
    path = tmp_path / "cut.xlsx"
    path.write_bytes(whole[: int(len(whole) * share)])
    assert "damaged or incomplete" in refused(load_network, path)


def test_a_zip_that_is_no_workbook_is_refused(tmp_path):
    path = tmp_path / "archive.xlsx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "no workbook")
    assert "damaged or incomplete" in refused(load_network, path)


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path):
    path = tmp_path / "bomb.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("xl/workbook.xml", "w") as member:
            for _ in range(201):
                member.write(bytes(2**20))
    assert "unpacks to more than" in refused(load_network, path)


@pytest.mark.parametrize(
    ("species", "reactions", "expected"),
    [
        ([A, B, A], [], ("sheet 'species', row 5", "'A' was already in")),
        ([A, ("B", "b", "high", 1, 1)], [], ("row 4, column 'yinit'", "'high'")),
        ([("A", "a", 0, 1, "#DIV/0!")], [], ("row 3, column 'tau'", "#DIV/0!")),
        ([("A", "a", 0, 1, -1)], [], ("tau_hours -1",)),
        ([("A", "a", "nan", 1, 1)], [], ("row 3, column 'yinit'", "'nan'")),
        ([A, B], [("r1", "A => B", "x", 1.4, 0.5)], ("sheet 'reactions', row 3", "'x'")),
        ([A, B], [("r1", "A => B", 2, 1.4, 0.5)], ("weight 2",)),
        ([A, B], [("r1", "A = B", 1, 1.4, 0.5)], ("row 3", "'A = B'")),
        ([A, B], [("r1", "A => ", 1, 1.4, 0.5)], ("row 3", "no target")),
        ([A, B], [GOOD_RULE, ("r2", "A => BB", 1, 1.4, 0.5)], ("row 4", "'BB'", "did you mean")),
        ([A, B], [("r1", "A & !A => B", 1, 1.4, 0.5)], ("both plain and negated",)),
        ([], [], ("is empty",)),
    ],
)
def test_bad_cells_are_errors_with_their_place(tmp_path, species, reactions, expected):
    message = refused(load_network, workbook(tmp_path / "bad.xlsx", species, reactions))
    for part in expected:
        assert part in message


def test_a_missing_column_is_an_error(tmp_path):
    path = workbook(tmp_path / "bad.xlsx", [A], [], headers=(SPECIES, ("ID", "Reaction")))
    assert "there is no column 'rule'" in refused(read_netflux, path)


def test_a_missing_sheet_is_an_error(tmp_path):
    book = openpyxl.Workbook()
    book.active.title = "specie"
    path = tmp_path / "bad.xlsx"
    book.save(path)
    message = refused(read_netflux, path)
    assert "there is no sheet 'species'" in message
    assert "did you mean 'specie'" in message


# -- rules --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["", "A", "A B => C", "A & => C", "& A => C", "=> ", "A => B => C", "A => B & C", "!! A => B",
     "A => !B", "! => B", "A &! => B", '"" => B', '"A => B', "A => B C", "A = > B"],
)  # fmt: skip
def test_what_is_no_rule_is_refused(text):
    with pytest.raises(FormatError, match="expected something like"):
        parse_rule(text)


# -- JSON ---------------------------------------------------------------------------------------

HEAD = '"format": "hmlm-network", "version": 1, "name": "n"'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"name": "n"}', '"format" is nothing'),
        ('{"format": "hmlm-network", "version": 2, "name": "n"}', "reads version 1"),
        (f'{{{HEAD}, "molecules": [{{"name": "A"}}, {{"name": "A"}}]}}', "found twice: A"),
        (f'{{{HEAD}, "molecules": [{{"name": "A", "name": "B"}}]}}', "stands twice"),
        (f'{{{HEAD}, "molecules": [{{"name": "A", "kinds": "x"}}]}}', "did you mean 'kind'"),
        (f'{{{HEAD}, "molecules": [{{"name": 3}}]}}', "molecules, entry 1"),
        (f'{{{HEAD}, "molecules": [{{"name": "A", "y0": NaN}}]}}', "NaN"),
        (f'{{{HEAD}, "molecules": [{{"name": "A", "y0": 1e999}}]}}', "finite"),
        (f'{{{HEAD}, "molecules": [{{"name": "A", "y0": {"9" * 5000}}}]}}', "finite"),
        (f'{{{HEAD}, "molecules": [{{"name": "A", "y0": true}}]}}', "expected a number"),
        (f'{{{HEAD}, "molecules": "A"}}', "expected a list"),
        (f'{{{HEAD}, "molecules": []}}', "is empty"),
        (
            f'{{{HEAD}, "molecules": [{{"name": "A"}}], "interactions": [{{"rule": "A"}}]}}',
            "interactions, entry 1",
        ),
        ('{"a": ' + "[" * 100_000, "nested too deeply"),
    ],
)
def test_bad_json_is_an_error_with_its_place(tmp_path, text, expected):
    path = tmp_path / "bad.json"
    path.write_text(text)
    assert expected in refused(load_network, path)


def test_truncated_json_is_refused(tmp_path):
    path = tmp_path / "network.json"
    write_json(SignalingNetwork("n", (Molecule("A"),)), path)
    path.write_text(path.read_text()[:-5])
    assert "not JSON" in refused(load_network, path)


# -- SIF and edge tables ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A\t1\tB\nA\t7\tB\n", "line 2: the sign is '7'"),
        ("A\t1\tB\nA\tB\n", "line 2"),
        ("A\nB\n", "no edges"),
    ],
)
def test_bad_sif_is_an_error_with_its_line(tmp_path, text, expected):
    path = tmp_path / "bad.sif"
    path.write_text(text)
    assert expected in refused(read_sif, path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pathway\tsource\ttarget\n", "no column 'arrow', 'sign'"),
        ("pathway\tsource\ttarget\tarrow\tsign\n", "no edges"),
        ("pathway\tsource\ttarget\tarrow\tsign\nP\tA\tB\tArrow\tplus\n", "line 2: sign is 'plus'"),
        ("pathway\tsource\ttarget\tarrow\tsign\nP\tA\t \tArrow\t1\n", "line 2: target is empty"),
        ("pathway\tsource\ttarget\tarrow\tsign\nP\tA\tB\n", "line 2: it has 3 cells; expected 5"),
    ],
)
def test_a_bad_edge_table_is_an_error_with_its_line(tmp_path, text, expected):
    path = tmp_path / "edges.tsv"
    path.write_text(text)
    assert expected in refused(load_network, path)


def test_writing_leaves_the_old_file_when_it_fails(tmp_path):
    path = tmp_path / "network.json"
    network = SignalingNetwork("n", (Molecule("A"),), (Interaction((), (), "A"),))
    write_json(network, path)
    before = path.read_bytes()

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16, limits[1]))  # as on a device that is full
    try:
        with pytest.raises(OSError, match="File too large"):
            write_json(network.without_kinetics(), path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_the_content_counts_and_not_the_ending(tmp_path):
    path = workbook(tmp_path / "right.xlsx", [A, B], [GOOD_RULE]).rename(tmp_path / "wrong.sif")
    assert load_network(path).names == ("A", "B")


DOCTYPE = b'<!DOCTYPE a [<!ENTITY b "x>y">]>'


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (b'<?xml version="1.0"?>\n<!-- a > b -->\n' + DOCTYPE + b'\n<c:d e="1">', "d"),
        (b"\xef\xbb\xbf <pathway>", "pathway"),
        (b"<!DOCTYPE html>\n<html>", "html"),
        (b"EGF 1 EGFR", None),
        (b"<?" * 20_000, None),
        (b"<? ?> " * 20_000, None),
        (b"<!-- " * 20_000, None),
        (b"<!DOCTYPE [ " * 20_000, None),
        (b"<!DOCTYPE a" + b" " * 60_000 + b"[" * 60_000, None),
    ],
)
def test_the_root_is_found_in_one_pass(text, name):
    started = time.perf_counter()
    assert root_name(text) == name
    assert time.perf_counter() - started < 1

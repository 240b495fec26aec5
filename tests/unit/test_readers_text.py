"""Text files: fixed width and delimited, with what goes wrong in practice."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import polars as pl
import pytest

from toolkit.errors import InputError, MissingColumnError
from toolkit.registers import readers
from toolkit.registers.delivery import DeliveredFile
from toolkit.registers.layout import Layout

if TYPE_CHECKING:
    from pathlib import Path

FIELDS = [
    {"name": "nr", "type": "integer", "width": 4},
    {"name": "naam", "type": "text", "width": 6, "aliases": ["NAME"]},
    {"name": "bedrag", "type": "number", "width": 5},
]


def layout(**more):
    return Layout.model_validate(
        {
            "name": "x", "title": {"nl": "", "en": ""}, "about": {"nl": "", "en": ""},
            "reference": "", "formats": ["fixed_width", "csv"], "files": ["X"],
            "unit": "person", "period": "none", "fields": FIELDS, **more,
        }
    )  # fmt: skip


def files(folder: Path, *contents: bytes | str, form: str = "csv"):
    made = []
    for number, content in enumerate(contents):
        path = folder / f"f{number}.txt"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        made.append(DeliveredFile(path, path.name, "x", form))
    return made


def read(found, spec=None, **more):
    reading = readers.read(found, spec or layout(), numbers=range(len(found)), **more)
    batches = list(reading)
    return (pl.concat(batches) if batches else pl.DataFrame()), reading.report()


def values(found, spec=None, **more):
    frame, _ = read(found, spec, **more)
    return frame.select("nr", "naam", "bedrag").rows()


ONE = ("0012", "Jan  P", " 12,5")


# --- fixed width ------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    "tail", ["", "end", "end\x1a", "\x1a", "endend", "end  end\x1aend", "endend \x1a"]
)
def test_fixed_width_lines_and_what_trails_after_them(tmp_path: Path, end: str, tail: str):
    content = end.join(["".join(ONE)] * 3) + tail.replace("end", end)
    frame, report = read(files(tmp_path, content, form="fixed_width"))
    assert frame["_row"].to_list() == [1, 2, 3]
    assert frame.select("nr", "naam", "bedrag").unique().rows() == [("0012", "Jan  P", "12,5")]
    assert frame["_broken"].null_count() == 3
    assert report["rows"].to_list() == [3]


def test_lines_of_another_width_are_broken_and_empty(tmp_path: Path):
    good = "".join(ONE)
    frame, report = read(
        files(tmp_path, "\n".join([good, good[:-1], good + " ", "", good]), form="fixed_width")
    )
    assert frame["_broken"].to_list() == [None, "width", "width", "width", None]
    assert frame["_row"].to_list() == [1, 2, 3, 4, 5]
    assert frame["nr"].to_list() == ["0012", None, None, None, "0012"]
    assert report["broken"].to_list() == [3]


def test_a_file_that_is_mostly_broken_is_refused_and_shows_nothing_of_it(tmp_path: Path):
    secret = "123456782" * 3
    with pytest.raises(InputError, match=r"11 of 12 records are not 15 characters wide") as found:
        read(files(tmp_path, "\n".join([secret] * 11 + ["".join(ONE)]), form="fixed_width"))
    assert "123456" not in str(found.value)
    assert "f0.txt" in str(found.value)


def test_a_file_in_the_middle_that_is_mostly_broken_is_the_one_named(tmp_path: Path):
    good = "".join(ONE) + "\n"
    with pytest.raises(InputError, match=r"f1\.txt"):
        read(files(tmp_path, good * 20, "abc\n" * 20, good * 20, form="fixed_width"))


def test_many_files_in_one_scan_keep_their_rows(tmp_path: Path):
    rng = random.Random(1)  # noqa: S311 (no secret)
    made, expected = [], []
    for number in range(60):
        rows = rng.randrange(1, 9)
        end = rng.choice(["\n", "\r\n"])
        records = [f"{number:04d}{row:06d}12345" for row in range(1, rows + 1)]
        bom = rng.choice(["", "\ufeff"])
        made.append(bom + end.join(records) + rng.choice(["", end, end + end, end + "\x1a"]))
        expected += [(number, row, f"{number:04d}", f"{row:06d}") for row in range(1, rows + 1)]
    found = files(tmp_path, *made, form="fixed_width")
    for batch_rows in (1_000_000, 7):
        frame, _ = read(found, batch_rows=batch_rows)
        assert sorted(frame.select("_file", "_row", "nr", "naam").rows()) == expected


def test_encodings_of_fixed_width(tmp_path: Path):
    line = "0001Zoë   12345"
    found = files(
        tmp_path, line, b"\xef\xbb\xbf" + line.encode(), line.encode("latin-1"),
        line.replace("ë", "€").encode("cp1252"), form="fixed_width",
    )  # fmt: skip
    frame, report = read(found)
    assert frame.sort("_file")["naam"].to_list() == ["Zoë", "Zoë", "Zoë", "Zo€"]
    assert report["encoding"].to_list() == ["utf-8", "utf-8", "windows-1252", "windows-1252"]
    assert frame["_broken"].null_count() == 4


def test_a_declared_encoding_is_held_to(tmp_path: Path):
    good, odd = "0001Zoe   12345\n", "0001Zoë   12345\n"
    found = files(tmp_path, good.encode() * 2 + odd.encode("latin-1"), form="fixed_width")
    frame, _ = read(found, layout(encoding="utf-8"))
    assert frame["_broken"].to_list() == [None, None, "encoding"]
    records = pl.DataFrame({"_file": [0], "_row": [3]})
    ((_, kept),) = readers.extract(found, layout(encoding="utf-8"), records, [0])
    assert kept["record"].to_list() == [odd.strip()]
    mistaken = files(tmp_path, odd.encode(), form="fixed_width")
    frame, _ = read(mistaken, layout(encoding="latin-1"))
    assert frame["_broken"].to_list() == ["width"]  # two letters of Latin-1 make one of UTF-8


def test_every_byte_of_windows_1252_is_a_letter(tmp_path: Path):
    letters = bytes(byte for byte in range(0x80, 0x100))
    content = b"".join(b"0001" + bytes([letter]) + b"     12345\n" for letter in letters)
    found = files(tmp_path, content, form="fixed_width")
    assert readers.encoding_of(found[0], layout()) == "windows-1252"
    records = pl.DataFrame({"_file": [0] * 128, "_row": range(1, 129)})
    ((_, kept),) = readers.extract(found, layout(), records, [0])
    assert kept["record"].n_unique() == 128
    assert kept["record"].str.len_chars().unique().to_list() == [15]


def test_extract_gives_whole_lines_unchanged(tmp_path: Path):
    lines = ["  12  Jan  1 2 3", "0012Jan  P 12,5", "kort"]
    found = files(tmp_path, "\r\n".join(lines) + "\r\n", form="fixed_width")
    records = pl.DataFrame({"_file": [0, 0, 9], "_row": [3, 1, 1]})
    ((file, kept),) = readers.extract(found, layout(), records, [0])
    assert file is found[0]
    assert kept.rows() == [(1, lines[0]), (3, lines[2])]


# --- delimited --------------------------------------------------------------------------------

HEADER = "NR;Naam;BEDRAG"


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("tail", ["", "end", "endend", "end\x1a", "\x1a"])
def test_delimited_lines_and_what_trails_after_them(tmp_path: Path, end: str, tail: str):
    content = end.join([HEADER, "0012;Jan  P; 12,5"]) + tail.replace("end", end)
    assert values(files(tmp_path, content)) == [("0012", "Jan  P", "12,5")]


def test_columns_in_any_order_and_case_by_alias_and_extra_ones(tmp_path: Path):
    found = files(tmp_path, "weg;bedrag;name ;NR\nx;1;Jan;007\n", "NR;naam;NAME;bedrag\n1;a;b;2\n")
    frame, report = read(found)
    assert frame.sort("_file").select("nr", "naam", "bedrag").rows() == [
        ("007", "Jan", "1"), ("1", "a", "2"),
    ]  # fmt: skip
    assert report["extra"].to_list() == [["weg"], ["NAME"]]
    frame, _ = read(found, columns=["naam"])
    assert frame.columns == ["_file", "_row", "_part", "_broken", "naam"]


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ('1;"a;b";2', ("1", "a;b", "2")),
        ('"1";"a";"2"', ("1", "a", "2")),
        ('1;"zegt ""hoi""";2', ("1", 'zegt "hoi"', "2")),
        ('1;"";2', ("1", "", "2")),
        ('1;5" buis;2', ("1", '5" buis', "2")),
        ('1;5" bij 7";2', ("1", '5" bij 7"', "2")),
        ('1;"regel\nbreuk";2', ("1", "regel\nbreuk", "2")),
        ('1;"a;\r\n;b";2', ("1", "a;\n;b", "2")),
        ('1;"  a  ";2', ("1", "a", "2")),
        (";;", ("", "", "")),
        ("1;a;2;", ("1", "a", "2")),
    ],
)
def test_quotes(tmp_path: Path, record: str, expected: tuple[str, ...]):
    content = f"{HEADER}\n0;z;0\n{record}\n9;y;9\n"
    found = files(tmp_path, content)
    assert values(found) == [("0", "z", "0"), expected, ("9", "y", "9")]
    records = pl.DataFrame({"_file": [0], "_row": [2]})
    ((_, kept),) = readers.extract(found, layout(), records, [0])
    assert kept.columns == ["_row", "NR", "Naam", "BEDRAG", "_rest"]
    bare = tuple(value.replace("\r\n", "\n").strip() for value in kept.row(0)[1:4])
    assert bare == expected


def test_a_record_that_is_kept_has_the_names_and_line_ends_it_came_with(tmp_path: Path):
    header = f"{HEADER};_row;file;rules;x;x"
    record = '1;"a\r\nb";2;i;ii;iii;iv;"v";6;7'
    found = files(tmp_path, f"{header}\n{record}\n")
    rows = pl.DataFrame({"_file": [0], "_row": [1]})
    ((_, kept),) = readers.extract(found, layout(), rows, [0])
    assert kept.to_dicts() == [{
        "_row": 1, "NR": "1", "Naam": "a\r\nb", "BEDRAG": "2", "_row_2": "i", "file_2": "ii",
        "rules_2": "iii", "x": "iv", "x_2": "v", "_rest": "6;7",
    }]  # fmt: skip


def test_records_with_other_numbers_of_fields_are_broken(tmp_path: Path):
    found = files(tmp_path, f"{HEADER}\n1;a;2\n3;b\n4;c;5;6\n\n7;d;8\n")
    frame, _ = read(found)
    assert frame["_broken"].to_list() == [None, "fields", "fields", "fields", None]
    assert frame["nr"].to_list() == ["1", None, None, None, "7"]
    records = pl.DataFrame({"_file": [0, 0], "_row": [2, 3]})
    ((_, kept),) = readers.extract(found, layout(), records, [0])
    assert kept.rows() == [(2, "3", "b", None, None), (3, "4", "c", "5", "6")]


def test_a_quote_that_is_never_closed(tmp_path: Path):
    content = HEADER + "\n1;a;2\n" + '3;"b;4\n' + "5;c;6\n" * 300
    with pytest.raises(InputError, match=r"never closed.*line 3") as found:
        read(files(tmp_path, content))
    assert "5;c" not in str(found.value)
    with pytest.raises(InputError, match="never closed"):
        read(files(tmp_path, HEADER + '\n1;a;2\n3;"b;4\n5;c;6'))


def test_numbers_of_rows_hold_with_line_breaks_within_quotes(tmp_path: Path):
    content = HEADER + '\n1;"a\nb";2\n\n3;c;4\n'
    found = files(tmp_path, content)
    frame, _ = read(found)
    assert frame.select("_row", "nr").rows() == [(1, "1"), (2, None), (3, "3")]
    ((_, kept),) = readers.extract(found, layout(), pl.DataFrame({"_file": [0], "_row": [3]}), [0])
    assert kept["NR"].to_list() == ["3"]


def test_headers_of_excel_and_of_exports(tmp_path: Path):
    found = files(
        tmp_path,
        f"sep=;\n{HEADER}\n1;a;2\n",
        f"{HEADER};\n1;a;2;\n3;b;4\n",
        '\ufeff"NR";"Naam";"BEDRAG"\n"1";"a";"2"\n',
        '\ufeff"NR";"Naam";"BEDRAG"\n"1";"a;";"2"\n',
    )
    frame, _ = read(found)
    assert frame.sort("_file", "_row")["naam"].to_list() == ["a", "a", "b", "a", "a;"]
    assert frame["_broken"].null_count() == 5


def test_without_a_header(tmp_path: Path):
    bare = layout(header=False)
    assert values(files(tmp_path, "\ufeff1;a;2\n3;b;4\n"), bare) == [
        ("1", "a", "2"), ("3", "b", "4"),
    ]  # fmt: skip
    with pytest.raises(InputError, match="header = true"):
        read(files(tmp_path, HEADER + "\n1;a;2\n"), bare)
    with pytest.raises(InputError, match="looks as if its separator is ','"):
        read(files(tmp_path, "1,a,2\n"), bare)


def test_a_first_record_where_the_header_should_be(tmp_path: Path):
    with pytest.raises(InputError, match="header = false") as found:
        read(files(tmp_path, "123456782;a;20\n123456782;b;30\n"))
    assert "123456782" not in str(found.value)


@pytest.mark.parametrize(("separator", "called"), [(",", "','"), ("\t", "a tab"), ("|", "'|'")])
def test_the_wrong_separator_is_recognised(tmp_path: Path, separator: str, called: str):
    content = f"{HEADER}\n1;a;2\n".replace(";", separator)
    with pytest.raises(InputError, match="looks as if its separator is") as found:
        read(files(tmp_path, content))
    assert called in str(found.value)
    assert values(files(tmp_path, content), layout(separator=separator)) == [("1", "a", "2")]


def test_a_decimal_comma_within_quotes_where_the_comma_separates(tmp_path: Path):
    content = 'NR,NAAM,BEDRAG\n1,a,"12,5"\n'
    assert values(files(tmp_path, content), layout(separator=",")) == [("1", "a", "12,5")]


def test_columns_that_are_there_twice_or_not(tmp_path: Path):
    with pytest.raises(InputError, match="'NR' is there 2 times"):
        read(files(tmp_path, "NR;nr;naam;bedrag\n1;1;a;2\n"))
    with pytest.raises(MissingColumnError, match=r"'naam'.*is 'nam' the same"):
        read(files(tmp_path, "NR;nam;bedrag\n1;a;2\n"))
    lacking = [*FIELDS[:2], {**FIELDS[2], "may_lack": True}]
    frame, _ = read(files(tmp_path, "NR;naam\n1;a\n"), layout(fields=lacking))
    assert frame["bedrag"].to_list() == [None]


def test_missing_columns_show_no_key_from_a_shifted_header(tmp_path: Path):
    with pytest.raises(MissingColumnError) as found:
        read(files(tmp_path, "NR;naam;bedrag123456782\n1;a;2\n"))
    assert "123456782" not in str(found.value)


def test_delimited_encodings(tmp_path: Path):
    text = f"{HEADER}\n1;Zoë;2\n"
    frame, _ = read(files(tmp_path, text, text.encode("latin-1"), "\ufeff" + text))
    assert frame["naam"].to_list() == ["Zoë"] * 3
    broken, _ = read(files(tmp_path, text.encode("latin-1") + b"3;c;4\n"), layout(encoding="utf-8"))
    assert broken["_broken"].to_list() == ["encoding", None]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"\r\n \x1a", "empty"),
        ("NR;naam".encode("utf-16"), "UTF-16"),
        (b"NR;naam;bedrag\n1;a\x00;2\n", "no text"),
        (b"NR;naam;bedrag\r1;a;2\r", "CR alone"),
        (b"PK\x03\x04....", "a workbook"),
        (b"$FL2@(#)", "an SPSS file"),
    ],
)
@pytest.mark.parametrize("form", ["csv", "fixed_width"])
def test_what_is_no_text_is_refused(tmp_path: Path, content: bytes, said: str, form: str):
    with pytest.raises(InputError, match=said):
        read(files(tmp_path, content, form=form))


def test_a_header_alone_has_no_records(tmp_path: Path):
    frame, report = read(files(tmp_path, HEADER + "\n"))
    assert frame.is_empty()
    assert report["rows"].to_list() == [0]


# --- two persons in a record ------------------------------------------------------------------


def test_a_record_of_two_persons_is_read_once_for_each(tmp_path: Path):
    spec = layout(
        fields=[
            {"name": "bsn", "type": "bsn", "width": 9},
            {"name": "bsn_partner", "type": "bsn", "width": 9, "not_applicable": ["999999999"]},
            {"name": "wat", "type": "text", "width": 1},
        ],
        persons=[{}, {"bsn": "bsn_partner"}],
    )
    lines = ["111111110222222220a", "333333331999999999b", "444444442         c", "x"]
    frame, report = read(files(tmp_path, "\n".join(lines), form="fixed_width"), spec)
    assert frame.sort("_row", "_part").select("_row", "_part", "bsn", "wat").rows() == [
        (1, 0, "111111110", "a"), (1, 1, "222222220", "a"), (2, 0, "333333331", "b"),
        (3, 0, "444444442", "c"), (4, 0, None, None),
    ]  # fmt: skip
    assert report["rows"].to_list() == [4]


def test_a_carriage_return_in_a_header_is_no_crash(tmp_path: Path):
    with pytest.raises(MissingColumnError):
        read(files(tmp_path, "\r;\n1;2\n"))

"""Tables of conditions and observations: what they mean, what is refused, what comes back."""

from __future__ import annotations

import contextlib
import gzip
import math
import random
import warnings
from pathlib import Path

import pytest

from hmlm_fm.common.errors import FormatError, FormatWarning
from hmlm_fm.formats.measured.condition_tables import (
    read_conditions,
    read_observations,
    write_conditions,
    write_observations,
)
from hmlm_fm.formats.network_loading import load_network
from hmlm_fm.model.condition_encoding import encode_context
from hmlm_fm.model.conditions import Condition, Observation, Perturbation

CONDITIONS = """\
condition,kind,molecule,value,start_hours,end_hours
control,,,,,
treated,stimulus,EGF,0.8,,
treated,knockout,PTEN,,,
treated,inhibition,AKT,0.5,6,12
late,clamp,Ca2+,0.25,3,
"""
OBSERVATIONS = """\
molecule,time_hours,value,condition,modality,sd
EGFR,0,0.1,control,,0.02
AKT,6.5,1.2,treated,activity,
AKT,6.5,14.2,treated,mRNA,2
PIP3,1,0.5,late,,
"""


@pytest.fixture
def table(tmp_path):
    def write(text: str | bytes, name: str = "table.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def conditions_refused(table, network, row: str, **options: bool) -> str:
    header = "condition,kind,molecule,value,start_hours,end_hours\n"
    with pytest.raises(FormatError) as caught:
        read_conditions(table(f"{header}control,,,,,\n{row}\n"), network, **options)
    assert "table.csv" in str(caught.value)
    return str(caught.value)


def observations_refused(table, network, rows: str) -> str:
    header = "condition,molecule,time_hours,value,modality,sd\n"
    with pytest.raises(FormatError) as caught:
        read_observations(table(f"{header}a,AKT,0,0.5,,\n{rows}\n"), network)
    assert "table.csv" in str(caught.value)
    return str(caught.value)


def test_conditions_are_those_of_the_table(table, toy_network):
    found = read_conditions(table(CONDITIONS), toy_network)
    assert found == {
        "control": Condition(),
        "treated": Condition(
            {"EGF": 0.8},
            (Perturbation("PTEN"), Perturbation("AKT", "inhibition", 0.5, 6.0, 12.0)),
        ),
        "late": Condition({}, (Perturbation("Ca2+", "clamp", 0.25, 3.0, math.inf),)),
    }
    assert list(found) == ["control", "treated", "late"]


def test_observations_are_those_of_the_table(table, toy_network):
    conditions = read_conditions(table(CONDITIONS), toy_network)
    found = read_observations(table(OBSERVATIONS), toy_network, conditions)
    assert found == {
        "control": (Observation("EGFR", 0.0, 0.1, "activity", 0.02),),
        "treated": (
            Observation("AKT", 6.5, 1.2),
            Observation("AKT", 6.5, 14.2, "mRNA", 2.0),
        ),
        "late": (Observation("PIP3", 1.0, 0.5),),
    }
    assert list(found) == list(conditions)


def test_what_was_read_can_be_given_to_the_model(table, toy_network):
    conditions = read_conditions(table(CONDITIONS), toy_network)
    found = read_observations(table(OBSERVATIONS), toy_network, conditions)
    encoded = encode_context(
        toy_network, list(conditions.values()), [found[name] for name in conditions]
    )
    assert encoded["observation_value"][1].tolist() == pytest.approx([1.2, 14.2])


@pytest.mark.parametrize("separator", [";", "\t"])
@pytest.mark.parametrize("ending", ["\r\n", "\r"])
def test_other_dialects_say_the_same(table, toy_network, separator, ending):
    def dialect(text: str) -> bytes:
        return b"\xef\xbb\xbf" + text.replace(",", separator).replace("\n", ending).encode()

    conditions = read_conditions(table(dialect(CONDITIONS)), toy_network)
    assert conditions == read_conditions(table(CONDITIONS), toy_network)
    packed = table(gzip.compress(dialect(OBSERVATIONS)), "table.csv.gz")
    assert read_observations(packed, toy_network, conditions) == read_observations(
        table(OBSERVATIONS), toy_network, conditions
    )


def test_equal_rows_count_once_and_blank_rows_not_at_all(table, toy_network):
    twice = CONDITIONS + "\n,,,,,\ntreated,stimulus,EGF,0.80,,\ntreated,knockout,PTEN,1,0,\n"
    assert read_conditions(table(twice), toy_network) == read_conditions(
        table(CONDITIONS), toy_network
    )
    twice = OBSERVATIONS + "PIP3,1.0,0.50,late,activity,\n"
    assert read_observations(table(twice), toy_network) == read_observations(
        table(OBSERVATIONS), toy_network
    )


def test_tables_come_back_as_they_were_written(tmp_path):
    network = load_network("cardiac-fibroblast")
    third = 1 / 3
    conditions = {
        "control": Condition(),
        'odd, "quoted"; name': Condition({"TGFB": third, "AngII": 0.0}),
        "much": Condition(
            {"IL6": 1.0},
            (
                Perturbation("smad3"),
                Perturbation("AP1", "knockdown", third, 1.5),
                Perturbation("AP1", "knockdown", 0.5, 0.0, 1e-3),
                Perturbation("Akt", "overexpression", 0.1, 2.0, 1e300),
            ),
        ),
    }
    write_conditions(conditions, tmp_path / "conditions.csv")
    back = read_conditions(tmp_path / "conditions.csv", network, strict=True)
    assert back == conditions
    observations = {
        name: (
            Observation("smad3", third, -third),
            Observation("AP1", 0.0, 1e-6, "phosphoprotein", third),
        )
        for name in conditions
    }
    write_observations(observations, tmp_path / "observations.csv")
    assert read_observations(tmp_path / "observations.csv", network, back) == observations


def test_writers_refuse_what_would_not_come_back(tmp_path):
    path = tmp_path / "out.csv"
    for name in ("", " padded", "two\nlines"):
        with pytest.raises(FormatError, match="cannot hold"):
            write_conditions({name: Condition()}, path)
        with pytest.raises(FormatError, match="cannot hold"):
            write_observations({"a": [Observation(name, 0, 0)]}, path)
    with pytest.raises(FormatError, match="no conditions"):
        write_conditions({}, path)
    with pytest.raises(FormatError, match="'bare' has no observations"):
        write_observations({"bare": [], "a": [Observation("x", 0, 0)]}, path)
    assert not path.exists()


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("a,knokout,AKT,,,", "kind is 'knokout'; expected one of stimulus, .*did you mean 'knock"),
        ("a,,AKT,1,,", "kind is empty"),
        ("a,stimulus,,1,,", "molecule is empty"),
        (",stimulus,EGF,1,,", "condition is empty"),
        ("a,stimulus,EGF,,,", "value is ''; expected a number"),
        ("a,stimulus,EGF,lots,,", "value is 'lots'"),
        ("a,stimulus,EGF,nan,,", "value is 'nan'"),
        ("a,stimulus,EGF,0_1,,", "value is '0_1'"),
        ("a,stimulus,EGF,1.5,,", r"value is '1.5'; expected a number in \[0, 1\]"),
        ('a,stimulus,EGF,"0,5",,', "with a decimal point"),
        ("a,knockout,AKT,0.5,,", "a knockout is always whole"),
        ("a,clamp,AKT,0.5,4,4", "window 4 to 4 hours; expected start < end"),
        ("a,clamp,AKT,0.5,-3,-1", "window -3 to -1 hours; expected .* an end after 0"),
        ("a,clamp,AKT,0.5,x,4", "start_hours is 'x'"),
        ("a,clamp,AKT,0.5", "it has 4 cells; expected 6"),
        ('a,clamp,"AKT,0.5,,', "it is no row of a table"),
        ('a,clamp,"AK\nT",0.5,,', "without line breaks"),
    ],
)
def test_conditions_that_make_no_sense(table, toy_network, row, words):
    with pytest.raises(FormatError, match=f"table.csv, row 3: .*{words}"):
        read_conditions(
            table(
                f"condition,kind,molecule,value,start_hours,end_hours\nok,stimulus,EGF,1,,\n{row}\n"
            ),
            toy_network,
        )


def test_a_thing_done_twice_with_different_values(table, toy_network):
    message = conditions_refused(
        table, toy_network, "a,stimulus,EGF,1,,\nb,stimulus,EGF,0.5,,\na,stimulus,EGF,0.5,,"
    )
    assert "row 5: it repeats row 3 with other numbers" in message


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("a,AKT,-1,0.5,,", "row 3: time_hours is -1.0 hours; expected from 0 to 10000 hours"),
        (
            "a,AKT,172800,0.5,,",
            "row 3: time_hours is 172800.0 hours; expected from 0 to 10000 hours",
        ),
        ("a,AKT,soon,0.5,,", "row 3: time_hours is 'soon'; expected a number"),
        ("a,AKT,inf,0.5,,", "row 3: time_hours is 'inf'; expected a number"),
        ("a,AKT,1,,,", "row 3: value is ''; expected a number"),
        ("a,AKT,1,2.6,,", "row 3: value is 2.6; expected activity from -0.5 to 2.5"),
        ("a,AKT,1,-0.6,activity,", "row 3: value is -0.6; expected activity from -0.5"),
        ("a,AKT,1,1500,mRNA,", "row 3: value is 1500.0; expected mRNA from -20 to 20 (in relative"),
        ("a,AKT,1,inf,mRNA,", "row 3: value is 'inf'; expected a number"),
        ("a,AKT,1,1,mrna,", "did you mean 'mRNA'?"),
        ("a,AKT,1,1,,0", "row 3: sd is '0'; expected a number above 0"),
        ("a,AKT,1,1,,nan", "row 3: sd is 'nan'"),
        ("a,AKT,0,0.6,,", "row 3: it repeats row 2 with other numbers"),
        ("a,AKT,0,0.5,,0.1", "row 3: it repeats row 2 with other numbers"),
    ],
)
def test_observations_that_make_no_sense(table, toy_network, rows, words):
    assert words in observations_refused(table, toy_network, rows)


@pytest.mark.parametrize("read", [read_conditions, read_observations])
def test_tables_that_are_none(table, toy_network, read, tmp_path):
    whole = CONDITIONS if read is read_conditions else OBSERVATIONS
    for text, words in [
        ("", "it is empty"),
        (b"\xef\xbb\xbf\r\n \n", "it is empty"),
        (whole.splitlines()[0] + "\n", "it holds no"),
        (whole.replace("molecule", "protein"), "there is no column 'molecule'"),
        ("condition\na\n", "there is no column '.*', '.*', '.*'; expected a table with"),
        (whole.replace("value", "molecule", 1).replace("\n", ",value\n", 1), "several columns"),
        (b"PK\0\0" + whole.encode(), "binary data"),
        (b"\xff" + whole.encode(), "not UTF-8"),
        (f'{whole}a,"{"x" * 200_000}",,,,\n', "field larger than field limit"),
    ]:
        with pytest.raises(FormatError, match=words):
            read(table(text), toy_network)
    with pytest.raises(FormatError, match="no such file"):
        read(tmp_path / "none.csv", toy_network)


@pytest.mark.parametrize("read", [read_conditions, read_observations])
def test_damaged_tables_are_refused_in_words_or_read(table, toy_network, read):
    whole = (CONDITIONS if read is read_conditions else OBSERVATIONS).encode()
    chance = random.Random(7)
    for _ in range(300):
        content = bytearray(whole[: chance.randrange(len(whole))] or whole)
        for _ in range(chance.randrange(4)):
            content[chance.randrange(len(content))] = chance.choice(b'\0\r\n",;\t x9-\xff')
        with warnings.catch_warnings(), contextlib.suppress(FormatError):
            warnings.simplefilter("ignore", FormatWarning)
            read(table(bytes(content)), toy_network)


def test_unknown_molecules_are_warned_of_once(table, toy_network):
    text = CONDITIONS + "late,knockout,akt,,,\nlate,knockout,XYZ,,,\n"
    with pytest.warns(
        FormatWarning, match="left out 2 .*'akt', 'XYZ', and with them condition 'late'"
    ) as caught:
        found = read_conditions(table(text), toy_network)
    assert len(caught) == 1
    whole = read_conditions(table(CONDITIONS), toy_network)
    assert found == {name: whole[name] for name in ("control", "treated")}
    message = conditions_refused(table, toy_network, "late,knockout,akt,,,", strict=True)
    assert "row 3: there is no molecule 'akt' in network 'toy'; did you mean 'AKT'" in message

    text = OBSERVATIONS + "akt,1,1,late,,\nakt,2,1,late,,\n"
    with pytest.warns(FormatWarning, match="left out a molecule .*: 'akt'$") as caught:
        observed = read_observations(table(text), toy_network)
    assert len(caught) == 1
    assert observed == read_observations(table(OBSERVATIONS), toy_network)


def test_tables_of_other_networks_are_refused(table, toy_network):
    assert "none of its 2 molecules is in network 'toy'" in conditions_refused(
        table, toy_network, "a,knockout,akt,,,\na,knockout,XYZ,,,"
    )
    header = "condition,molecule,time_hours,value\n"
    with pytest.raises(FormatError, match="none of its 1 molecules .*did you mean 'AKT'"):
        read_observations(table(f"{header}a,akt,0,1\n"), toy_network)


def test_conditions_and_observations_must_be_of_each_other(table, toy_network):
    conditions = read_conditions(table(CONDITIONS), toy_network)
    with pytest.raises(FormatError, match="row 6: condition 'Late' is none of .*mean 'late'"):
        read_observations(table(OBSERVATIONS + "AKT,0,0,Late,,\n"), toy_network, conditions)
    without = "\n".join(line for line in OBSERVATIONS.splitlines() if "late" not in line)
    with pytest.raises(FormatError, match="no observations of condition 'late'"):
        read_observations(table(without), toy_network, conditions)


def test_a_misspelled_optional_column_is_warned_of(table, toy_network):
    with pytest.warns(FormatWarning, match="'start_hour' is not read; did you mean 'start_hours'"):
        read_conditions(table(CONDITIONS.replace("start_hours", "start_hour", 1)), toy_network)

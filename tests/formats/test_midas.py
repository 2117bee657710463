"""Tables of MIDAS: what they mean, what is refused, and what `hmlm midas` writes."""

from dataclasses import replace
from pathlib import Path

import pytest

from hmlm_fm.common.errors import FormatError, FormatWarning
from hmlm_fm.formats.measured.measured_tables import (
    read_condition_tables,
    write_condition_tables,
)
from hmlm_fm.formats.measured.midas import is_midas
from hmlm_fm.formats.network_loading import load_network
from hmlm_fm.model.conditions import Condition, Observation, Perturbation

HEADER = "TR:cells:CellLine,TR:egf,TR:NOINHIB,TR:AKTi,TR:PTEN:Inhibitors,DA:ALL,DV:AKT,DV:pip3\n"
TABLE = (
    HEADER
    + """\
1,0,1,0,0,0,0.1,0.2
1,1,1,0,0,0,0.1,0.3
1,0.5,0,1,0.5,30,0.4,NaN
1,0.5,0,1,0.5,30,0.6,
1,1,,,,90,1.0,0.5
"""
)


def read_midas(path, network, **options):
    return read_condition_tables(network, path, **options)


@pytest.fixture
def table(tmp_path):
    def write(text: str) -> Path:
        path = tmp_path / "MD-table.csv"
        path.write_text(text)
        return path

    return write


def refused(table, network, text, **options) -> str:
    with pytest.raises(FormatError) as caught:
        read_midas(table(text), network, **options)
    assert "MD-table.csv" in str(caught.value)
    return str(caught.value)


def test_rows_are_treatments_times_and_values(table, toy_network):
    conditions, observations = read_midas(table(TABLE), toy_network)
    both = "egf 0.5 + AKTi + PTENi 0.5"
    assert conditions == {
        "control": Condition(),
        "egf": Condition({"EGF": 1.0}),
        both: Condition(
            {"EGF": 0.5},
            (Perturbation("AKT", "inhibition", 0.9), Perturbation("PTEN", "inhibition", 0.45)),
        ),
    }
    assert observations["control"] == (
        Observation("AKT", 0.0, 0.1),
        Observation("PIP3", 0.0, 0.2),
    )
    assert observations["egf"][2:] == (Observation("AKT", 1.5, 1.0), Observation("PIP3", 1.5, 0.5))
    assert observations[both] == (Observation("AKT", 0.5, 0.5),)  # the mean of two
    assert list(observations) == list(conditions)


def test_each_value_has_its_own_time(table, toy_network):
    text = "TR:EGF,DA:AKT,DA:PIP3,DV:AKT,DV:PIP3\n1,2,3,0.1,0.2\n"
    _, observations = read_midas(
        table(text), toy_network, time_unit="hours", modality="phosphoprotein"
    )
    assert observations["EGF"] == (
        Observation("AKT", 2.0, 0.1, "phosphoprotein"),
        Observation("PIP3", 3.0, 0.2, "phosphoprotein"),
    )


def test_a_molecule_whose_name_ends_in_i_is_given_and_not_inhibited(table):
    network = load_network("cardiac-fibroblast")
    text = "TR:AngII,TR:proCIi,DA:ALL,DV:aSMA\n1,1,0,0.5\n"
    conditions, _ = read_midas(table(text), network)
    (condition,) = conditions.values()
    assert condition == Condition({"AngII": 1.0}, (Perturbation("proCI", "inhibition", 0.9),))


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_other_ways_to_write_the_same(table, toy_network, separator):
    header = "tr:A:CellType,TR:EGF:Stimuli,TR:NO-INHIB,TR:AKT:Inhibitors,DA:ALL,DV:p-pip3\n"
    text = f",,,,,\n{header}1.0,1,1,0,0,0.2\n0.0,1,0,1,0,0.9\n"
    conditions, observations = read_midas(
        table(text.replace(",", separator)), toy_network, cell_line="A"
    )
    assert conditions == {"EGF": Condition({"EGF": 1.0})}
    assert observations == {"EGF": (Observation("PIP3", 0.0, 0.2),)}


def test_a_stimulus_and_an_inhibitor_of_one_molecule_are_two_conditions(table, toy_network):
    text = "TR:EGF:Stimuli,TR:EGF:Inhibitors,DA:ALL,DV:AKT\n1,0,0,0.9\n0,1,0,0.1\n"
    conditions, observations = read_midas(table(text), toy_network)
    assert list(conditions) == ["EGF", "EGFi"]
    assert conditions["EGFi"] == Condition({}, (Perturbation("EGF", "inhibition", 0.9),))
    assert observations["EGFi"] == (Observation("AKT", 0.0, 0.1),)


def test_names_that_differ_in_case_alone_are_kept_apart(table, toy_network):
    lower = replace(toy_network.molecule("AKT"), name="akt")
    network = replace(toy_network, molecules=(*toy_network.molecules, lower))
    text = "TR:EGF,DA:ALL,DV:AKT,DV:akt\n1,0,0.1,0.9\n"
    _, observations = read_midas(table(text), network)
    assert observations["EGF"] == (Observation("AKT", 0.0, 0.1), Observation("akt", 0.0, 0.9))
    with pytest.warns(FormatWarning, match="'Akt'"):
        read_midas(table("TR:EGF,DA:ALL,DV:Akt,DV:PIP3\n1,0,0.1,0.9\n"), network)


def test_what_the_network_has_not_is_named_and_left_out(table, toy_network):
    text = "TR:EGF,TR:drug:Inhibitors,DA:ALL,DV:AKT,DV:JNK\n1,1,0,0.5,0.5\n1,0,30,0.2,0.1\n"
    with pytest.warns(FormatWarning) as caught:
        conditions, observations = read_midas(table(text), toy_network)
    words = [str(warning.message) for warning in caught]
    assert "'JNK'" in words[0]
    assert "'drug', and with it condition 'EGF + drug'" in words[1]
    assert "--targets" in words[1]
    assert list(conditions) == ["EGF"]  # without the drug it would be another condition
    assert observations["EGF"] == (Observation("AKT", 0.5, 0.2),)


def test_conditions_that_were_not_measured_are_named(table, toy_network):
    text = "TR:EGF,DA:ALL,DV:AKT\n1,0,NA\n0,0,0.2\n"
    with pytest.warns(FormatWarning, match="'EGF', of which nothing was measured"):
        conditions, _ = read_midas(table(text), toy_network)
    assert list(conditions) == ["control"]


def test_one_cell_line_of_several(table, toy_network):
    text = "TR:A:CellLine,TR:B:CellLine,TR:EGF,DA:ALL,DV:AKT\n1,0,1,0,0.1\n0,1,1,0,0.7\n"
    _, observations = read_midas(table(text), toy_network, cell_line="B")
    assert observations["EGF"] == (Observation("AKT", 0.0, 0.7),)
    assert "it is of the cell lines 'A', 'B'; expected" in refused(table, toy_network, text)
    assert "it has A, B" in refused(table, toy_network, text, cell_line="C")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "it is not a MIDAS table"),
        ("condition,molecule\na,b\n", "it is not a MIDAS table"),
        ("DA:ALL,DV:AKT\n1,1\n", "no column TR:NAME; expected some of treatments"),
        ("TR:EGF,DV:AKT\n1,0.5\n", "no column DA:NAME"),
        ("TR:EGF,DA:PIP3,DV:AKT\n1,0,0.5\n", "expected DA:AKT or DA:ALL"),
        ("TR:EGF,DA:ALL,DV:AKT,DV:AKT\n1,0,0.5,0.5\n", "several columns 'DV:AKT'"),
        ("TR:EGF,DA:ALL,DV:AKT\n", "it holds no rows"),
        ("TR:EGF,DA:ALL,DV:AKT\n1,0\n", "row 2: it has 2 cells; expected 3"),
        ("TR:EGF,DA:ALL,DV:AKT\n-1,0,0.5\n", "row 2: TR:EGF is '-1'; expected a level or a dose"),
        ("TR:EGF,DA:ALL,DV:AKT\nmuch,0,0.5\n", "TR:EGF is 'much'; expected a number"),
        ("TR:EGF,DA:ALL,DV:AKT\n1,,0.5\n", "DA:ALL is ''; expected a number"),
        (
            "TR:EGF,DA:ALL,DV:AKT\n1,-5,0.5\n",
            "DA:ALL is -0.08333333333333333 hours",
        ),
        ("TR:EGF,DA:ALL,DV:AKT\n1,0,NaN\n", "no value of a molecule of network 'toy'"),
        ("TR:x,DA:ALL,DV:y\n1,0,0.5\n", "none of its 1 molecules is in network 'toy'"),
        ("TR:EGF,TR:egf:Stimuli,DA:ALL,DV:AKT\n1,1,0,0.5\n", "does to 'EGF' what another"),
        ("TR:EGF:Drug,DA:ALL,DV:AKT\n1,0,0.5\n", "TR:EGF:Drug is of a type that is not known"),
        ("TR:EGF,DA:ALL,DV:AKT,DV:akt\n1,0,0.5,0.5\n", "AKT and akt are of one molecule, 'AKT'"),
        ("TR:EGF,DA:AKT,DA:akt,DV:AKT\n1,0,9,0.5\n", "DA:AKT and DA:akt are of one molecule"),
    ],
)
def test_bad_tables_are_refused_with_their_place(table, toy_network, text, problem):
    assert problem in refused(table, toy_network, text)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"time_unit": "days"}, "time_unit is 'days'; expected one of seconds, minutes, hours"),
        ({"modality": "signal"}, "modality is 'signal'"),
        ({"inhibition": 1.5}, "inhibition is 1.5; expected a strength"),
    ],
)
def test_bad_options_are_refused(table, toy_network, options, problem):
    with pytest.raises(ValueError, match=problem):
        read_midas(table(TABLE), toy_network, **options)


def test_one_table_of_midas_holds_what_two_tables_hold(table, toy_network, tmp_path):
    path = table(TABLE)
    assert is_midas(path)
    found = read_condition_tables(toy_network, path)
    assert found == read_midas(path, toy_network)
    files = write_condition_tables(*found, tmp_path)
    assert [file.name for file in files] == ["conditions.csv", "observations.csv"]
    assert not any(map(is_midas, files))
    assert read_condition_tables(toy_network, *files) == found
    later = read_condition_tables(toy_network, path, time_unit="hours", modality="phosphoprotein")
    assert {o.time_hours for o in later[1]["egf"]} == {0.0, 90.0}
    assert {o.modality for o in later[1]["egf"]} == {"phosphoprotein"}


def test_the_error_names_the_tables_that_were_given(table, toy_network, tmp_path):
    conditions, observations = write_condition_tables(
        *read_midas(table(TABLE), toy_network), tmp_path
    )
    with pytest.raises(FormatError, match=r"conditions\.csv: it is not a MIDAS table .* beside"):
        read_condition_tables(toy_network, conditions)
    with pytest.raises(FormatError, match=r"MD-table\.csv: it is a MIDAS table.* no second table"):
        read_condition_tables(toy_network, tmp_path / "MD-table.csv", observations)
    with pytest.raises(FormatError, match=r"nowhere\.csv: there is no such file"):
        read_condition_tables(toy_network, tmp_path / "nowhere.csv")


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_midas_is_recognised_by_its_header_alone(tmp_path, separator):
    path = tmp_path / "anything.txt"
    path.write_text(TABLE.replace(",", separator))
    assert is_midas(path)
    path.write_bytes(b"\0\1TR:a,DV:b")
    assert not is_midas(path)
    path.write_text("")
    assert not is_midas(path)


def test_published_tables(shared_data):
    folder = shared_data / "cellnopt"
    name = "EGFR-ErbB_PCB2009"
    network = load_network(folder / name / f"PKN-{name}.sif")
    conditions, observations = read_midas(
        folder / name / f"MD-{name}.csv", network, cell_line="HepG2"
    )
    assert len(conditions) == 14
    assert conditions["TGFa + MEK12i"] == Condition(
        {"TGFa": 1.0}, (Perturbation("MEK12", "inhibition", 0.9),)
    )
    assert {o.time_hours for measured in observations.values() for o in measured} == {0.0, 0.5, 3.0}
    name = "ToyPB"
    network = load_network(folder / name / f"PKN-{name}.sif")
    conditions, observations = read_midas(folder / name / f"MD-{name}.csv", network)
    assert len(conditions) == 10
    assert sum(map(len, observations.values())) == 960

"""Measured sets: what their tables mean, what comes back, and what they become on a network."""

import math
from dataclasses import replace

import numpy as np
import pytest

from hmlm_fm.common.errors import FormatError, FormatWarning
from hmlm_fm.formats.measured.batches import on_one_scale
from hmlm_fm.formats.measured.drug_targets import read_targets
from hmlm_fm.formats.measured.intensities import on_log2
from hmlm_fm.formats.measured.measured_set import (
    LATE,
    MeasuredSet,
    Measurement,
    Scale,
    Treatment,
    is_vehicle,
)
from hmlm_fm.formats.measured.measured_tables import bind_set, read_condition_tables
from hmlm_fm.formats.measured.readout_tables import Readout
from hmlm_fm.formats.measured.set_folder import read_measured_set, write_measured_set
from hmlm_fm.formats.measured.set_formats import read_sets
from hmlm_fm.formats.measured.set_tables import read_treatments, read_values
from hmlm_fm.measurements.reading import read_measurements
from hmlm_fm.model.conditions import Condition, Observation, Perturbation
from hmlm_fm.model.error_base import HMLMError

CONDITIONS = """\
condition,kind,molecule,value,start_hours,end_hours,unit
control,,,,,,
EGF low,stimulus,EGF,10,,,ng/ml
EGF high,stimulus,EGF,100,,,ng/ml
pulse,stimulus,EGF,100,0.5,1,ng/ml
pretreated,drug,MK-2206,1,-1,,uM
pretreated,stimulus,EGF,100,,,ng/ml
"""
OBSERVATIONS = """\
condition,molecule,time_hours,value,modality,scale,replicate,batch
control,AKT_pS473,1,0.0,phosphoprotein,log2 change from control,1,blot 1
EGF low,AKT_pS473,1,0.7,phosphoprotein,log2 change from control,1,blot 1
EGF low,AKT_pS473,1,0.9,phosphoprotein,log2 change from control,2,blot 1
EGF high,AKT_pS473,late,1.5,phosphoprotein,log2 change from control,1,blot 2
pulse,AKT_pS473,1,1.1,phosphoprotein,log2 change from control,1,blot 2
pretreated,AKT_pS473,0,-0.8,phosphoprotein,log2 change from control,1,blot 2
pretreated,AKT_pS473,1,-1.0,phosphoprotein,log2 change from control,1,blot 2
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "conditions.csv").write_text(CONDITIONS)
    (tmp_path / "observations.csv").write_text(OBSERVATIONS)
    return tmp_path


def refused(read, text, tmp_path, *more):
    path = tmp_path / "table.csv"
    path.write_text(text)
    with pytest.raises(FormatError) as caught:
        read(path, *more)
    assert "table.csv" in str(caught.value)
    return str(caught.value)


def test_a_folder_holds_doses_windows_scales_replicates_and_batches(folder):
    found = read_measured_set(folder)
    assert found.conditions["control"] == ()
    assert found.conditions["pulse"] == (Treatment("stimulus", "EGF", 100, 0.5, 1, "ng/ml"),)
    assert found.conditions["pretreated"][0] == Treatment("drug", "MK-2206", 1, -1, unit="uM")
    values = found.measurements
    assert [m.replicate for m in values[1:3]] == ["1", "2"]
    assert {str(m.scale) for m in values} == {"log2 change from control"}
    assert {m.batch for m in values} == {"blot 1", "blot 2"}
    assert values[3].time_hours == LATE


def test_what_was_written_comes_back(folder, tmp_path, toy_network):
    table = tmp_path / "targets.csv"
    table.write_text("drug,target,strength\nMK-2206,AKT1|AKT2,0.8\n")
    readouts = {"AKT_pS473": Readout("AKT_pS473", ("AKT1",), ("S473",), "phosphoprotein")}
    whole = replace(
        read_measured_set(folder), name="a set", study="study", source="here", licence="CC0",
        organism="human", cell_line="HeLa", shares="everything", network=toy_network,
        readouts=readouts, targets=read_targets(table), notes=("read by hand",),
    )  # fmt: skip
    out = tmp_path / "out"
    out.mkdir()
    write_measured_set(whole, out)
    back = read_measured_set(out)
    assert back == whole


def test_treatments_and_readouts_become_molecules(folder, toy_network):
    readouts = {"AKT_pS473": Readout("AKT_pS473", ("AKT1",))}
    network = replace(
        toy_network,
        molecules=tuple(
            replace(m, members=("AKT1",)) if m.name == "AKT" else m for m in toy_network.molecules
        ),
    )
    conditions, observations = bind_set(
        read_measured_set(folder), network, folder, readouts=readouts
    )
    assert conditions["EGF low"] == Condition({"EGF": 0.1})  # of the largest dose
    assert conditions["pulse"].perturbations == (Perturbation("EGF", "clamp", 1.0, 0.5, 1.0),)
    assert conditions["pretreated"] == Condition(
        {"EGF": 1.0}, (Perturbation("AKT", "inhibition", 0.9),)
    )
    (low,) = observations["EGF low"]
    assert (low.molecule, low.value, low.modality) == ("AKT", pytest.approx(0.8), "phosphoprotein")
    assert observations["EGF high"][0].time_hours == 2.0  # late: twice the last time


def test_a_drug_without_a_target_takes_its_conditions_with_it(tmp_path, toy_network):
    (tmp_path / "conditions.csv").write_text(
        "condition,kind,molecule,value\nc,,,\ne,stimulus,EGF,1\nx,drug,XB-77,1\nx,stimulus,EGF,1\n"
    )
    (tmp_path / "observations.csv").write_text(
        "condition,molecule,time_hours,value\nc,AKT,1,0.1\ne,AKT,1,0.9\nx,AKT,1,0.2\n"
    )
    with pytest.warns(FormatWarning, match=r"'XB-77', and with it condition 'x'.*--targets"):
        conditions, _ = read_condition_tables(toy_network, tmp_path)
    assert list(conditions) == ["c", "e"]
    (tmp_path / "targets.csv").write_text("drug,target\nxb 77,AKT1\n")
    network = replace(
        toy_network,
        molecules=tuple(
            replace(m, members=("AKT1",)) if m.name == "AKT" else m for m in toy_network.molecules
        ),
    )
    conditions, _ = read_condition_tables(network, tmp_path)
    assert conditions["x"].perturbations[0].target == "AKT"


def test_two_readouts_of_one_molecule_are_one_where_a_table_says_so(tmp_path, toy_network):
    (tmp_path / "conditions.csv").write_text(
        "condition,kind,molecule,value\nc,,,\ne,stimulus,EGF,1\nf,stimulus,EGF,0.5\n"
    )
    rows = "".join(
        f"{c},{name},1,{v},phosphoprotein\n"
        for name, values in (("pAKT", (0, 2, 1)), ("AKT308", (10, 14, 12)))
        for c, v in zip("cef", values, strict=True)
    )
    (tmp_path / "observations.csv").write_text(
        f"condition,molecule,time_hours,value,modality\n{rows}"
    )
    genes = toy_network.molecule("AKT").members
    readouts = {name: Readout(name, genes) for name in ("pAKT", "AKT308")}
    with pytest.warns(FormatWarning, match=r"AKT is the mean of 'pAKT', 'AKT308'"):
        _, observations = read_condition_tables(toy_network, tmp_path, readouts=readouts)
    # AKT308 on the mean and the spread of pAKT is pAKT itself.
    assert {n: o[0].value for n, o in observations.items()} == pytest.approx(
        {"c": 0.0, "e": 2.0, "f": 1.0}
    )


def test_no_readout_of_the_network_says_what_to_do(folder, toy_network):
    with pytest.raises(FormatError, match=r"none of its 1 molecules .*--readouts.*hmlm readouts"):
        read_condition_tables(toy_network, folder)


def test_raw_intensities_are_log2_changes_from_the_control_of_the_batch():
    def of(condition, value, batch):
        return Measurement(condition, "pERK", 1.0, value, "phosphoprotein", 5.0, batch=batch)

    raw = MeasuredSet(
        "raw",
        {"control": (), "EGF": (Treatment("stimulus", "EGF"),)},
        (of("control", 100, "a"), of("EGF", 400, "a"), of("control", 1000, "b"),
         of("EGF", 8000, "b")),
    )  # fmt: skip
    found = on_log2(raw)
    assert [m.value for m in found.measurements] == pytest.approx([0, 2, 0, 3])
    assert {str(m.scale) for m in found.measurements} == {"log2 change from control"}
    assert found.measurements[1].sd == pytest.approx(5 / 400 / math.log(2))
    assert "log2 against the control" in found.notes[0]
    without = replace(raw, conditions={"control": (Treatment("stimulus", "X"),)} | {
        "EGF": raw.conditions["EGF"]
    })  # fmt: skip
    found = on_log2(without)
    assert [m.value for m in found.measurements[:2]] == pytest.approx(np.log2([100, 400]))
    assert "there is no control" in found.notes[0]
    relative = replace(
        raw, measurements=tuple(replace(m, value=m.value / 400) for m in raw.measurements)
    )
    assert on_log2(relative) == relative


@pytest.mark.parametrize(
    ("text", "scale"),
    [
        ("", Scale()), ("log2", Scale("log2")), ("change from control", Scale("linear", True)),
        ("LN change-from-control", Scale("ln", True)), ("Log10", Scale("log10")),
    ],
)  # fmt: skip
def test_scales_are_words(text, scale):
    assert Scale.parse(text) == scale
    assert Scale.parse(str(scale)) == scale


def test_scales_that_are_none():
    with pytest.raises(HMLMError, match="scale is 'lgo2'; expected one of linear, log2.*mean 'log"):
        Scale.parse("lgo2")


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("a,X,1,1,log2\nb,X,1,1,linear", "row 3: X is on the scale 'linear', in row 2 on 'log2'"),
        ("a,X,1,1,\na,X,1,2,", "row 3: it repeats row 2 .*column replicate"),
        ("a,X,2 h,1,", "row 2: time_hours is '2 h'; expected a number"),
        ("a,X,1,1,lgo", "row 2: scale is 'lgo'"),
    ],
)
def test_values_that_make_no_sense(tmp_path, rows, words):
    import re

    text = f"condition,molecule,time_hours,value,scale\n{rows}\n"
    assert re.search(words, refused(read_values, text, tmp_path))


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("a,stimulus,EGF,10,", "expected a number in [0, 1], or a dose with its unit"),
        ("a,stimulus,EGF,-1,nM", "expected a dose of at least 0"),
        ("a,drog,EGF,1,", "did you mean 'drug'"),
    ],
)
def test_treatments_that_make_no_sense(tmp_path, row, words):
    text = f"condition,kind,molecule,value,unit\n{row}\n"
    assert words in refused(read_treatments, text, tmp_path)


def test_one_treatment_in_two_units_is_refused(folder):
    (folder / "conditions.csv").write_text(CONDITIONS.replace("10,,,ng/ml", "10,,,nM"))
    with pytest.raises(FormatError, match=r"conditions.csv: .*EGF is in .* expected one unit"):
        read_measured_set(folder)


def test_facts_are_texts_with_known_names(folder):
    (folder / "set.json").write_text('{"licence": "CC0", "sorce": "x"}')
    with pytest.raises(FormatError, match=r"set.json: key 'sorce' is not known.*'source'"):
        read_measured_set(folder)
    (folder / "set.json").write_text('{"licence": 3}')
    with pytest.raises(FormatError, match=r"licence is '3'; expected a text"):
        read_measured_set(folder)
    (folder / "set.json").write_text('{"name": "Lab 2020-HeLa"}')
    assert read_measured_set(folder).study == "Lab 2020"


def test_names_of_nothing():
    assert all(map(is_vehicle, ("DMSO", "NO-INHIB", "NOCYTO", "no lig", "PBS", "Untreated")))
    assert not any(map(is_vehicle, ("EGF", "Serum", "NOS3", "CON1x")))


def test_what_an_inhibitor_did_before_time_0_is_its_own(tmp_path, toy_network):
    """The state at rest is that of the others; nobody says that nothing was measured."""
    (tmp_path / "conditions.csv").write_text(
        "condition,kind,molecule,value,start_hours\nc,,,,\ni,inhibition,EGFR,0.9,-1\n"
        "e,stimulus,EGF,1,\n"
    )
    rows = "c,AKT,0,0.3\ni,AKT,0,0.1\ni,AKT,1,0.1\ne,AKT,1,0.9\nc,AKT,1,0.3\n"
    (tmp_path / "observations.csv").write_text(f"condition,molecule,time_hours,value\n{rows}")
    with pytest.warns(FormatWarning, match="nothing was measured at time 0") as caught:
        data = read_measurements(toy_network, tmp_path)
    assert "'AKT'" not in str(caught[0].message)
    assert data.baseline[toy_network.molecule_index["AKT"]] == pytest.approx(0.3)


def test_other_modalities_at_time_0_were_measured(tmp_path, toy_network):
    (tmp_path / "conditions.csv").write_text(
        "condition,kind,molecule,value\nc,,,\ne,stimulus,EGF,1\n"
    )
    names = toy_network.names
    rows = "".join(
        f"{c},{n},{t},{t + (c == 'e')},phosphoprotein\n"
        for c in "ce"
        for n in names
        for t in (0, 1)
    )
    (tmp_path / "observations.csv").write_text(
        f"condition,molecule,time_hours,value,modality\n{rows}"
    )
    with pytest.warns(FormatWarning) as caught:
        read_measurements(toy_network, tmp_path)
    assert not any("nothing was measured at time 0" in str(w.message) for w in caught)


def test_the_network_of_the_set_is_the_default(folder, toy_network):
    with pytest.raises(FormatError, match="it has no network; expected network.json"):
        read_measurements(None, folder)
    rows = "c,AKT,1,0.3\ne,AKT,1,0.9\n"
    (folder / "conditions.csv").write_text(
        "condition,kind,molecule,value\nc,,,\ne,stimulus,EGF,1\n"
    )
    (folder / "observations.csv").write_text(f"condition,molecule,time_hours,value\n{rows}")
    whole = replace(read_measured_set(folder), network=toy_network)
    write_measured_set(whole, folder)
    with pytest.warns(FormatWarning, match="time 0"):
        assert read_measurements(None, folder).network.names == toy_network.names


def test_replicates_give_the_standard_deviation(tmp_path, toy_network):
    (tmp_path / "conditions.csv").write_text(
        "condition,kind,molecule,value\n"
        + "".join(f"e{i},stimulus,EGF,0.{i}\n" for i in range(1, 8))
    )
    rows = "".join(f"e{i},AKT,1,{0.1 * i + 0.02 * s},{s}\n" for i in range(1, 8) for s in (-1, 1))
    (tmp_path / "observations.csv").write_text(
        f"condition,molecule,time_hours,value,replicate\n{rows}"
    )
    _, observations = read_condition_tables(toy_network, tmp_path)
    first: Observation = observations["e1"][0]
    assert first.value == pytest.approx(0.1)
    assert first.sd_value == pytest.approx(0.02 * math.sqrt(2) / math.sqrt(2))


def test_batches_lose_their_offset_and_gain():
    rng = np.random.default_rng(0)
    true = {f"c{i}": float(v) for i, v in enumerate(rng.normal(size=12))}

    def of(condition, batch, gain, offset):
        value = offset + gain * true[condition]
        return Measurement(condition, "pERK", 1.0, value, "phosphoprotein", 0.1, batch=batch)

    blots = {"1": (1.0, 0.0), "2": (1.6, 3.0), "3": (0.6, -1.0)}
    shared = {b: [f"c{i}" for i in range(12) if i % 4 != int(b)] for b in blots}
    values = [of(c, b, *blots[b]) for b in blots for c in shared[b]]
    found = on_one_scale(values)
    of_place: dict[str, list[float]] = {}
    for m in found:
        of_place.setdefault(m.condition, []).append(m.value)
    before = np.mean([np.ptp([v.value for v in values if v.condition == c]) for c in true])
    after = np.mean([np.ptp(v) for v in of_place.values()])
    assert after < 0.25 * before
    # Offsets alone where little is shared, nothing where nothing is.
    few = [of("c0", "1", 1, 0), of("c0", "2", 1, 5), of("c1", "2", 1, 5), of("c2", "3", 1, 9)]
    found = on_one_scale(few)
    assert found[0].value == pytest.approx(found[1].value)
    assert found[2].value - found[1].value == pytest.approx(true["c1"] - true["c0"])
    assert found[3] == few[3]
    one = [of(c, "1", 1, 0) for c in true]
    assert on_one_scale(one) == one


@pytest.mark.parametrize(("one", "other"), [("ng/ml", "ng/mL"), ("uM", "\u03bcM"), ("µM", "uM")])
def test_one_unit_has_several_spellings(one, other):
    doses = {
        "a": (Treatment("drug", "X", 5, unit=one),),
        "b": (Treatment("drug", "X", 9, unit=other),),
    }
    (largest,) = MeasuredSet("x", doses, ()).treatments
    assert largest.value == 9


def test_doses_of_one_treatment_in_several_units_are_refused():
    doses = {
        "a": (Treatment("drug", "X", 5, unit="nM"),),
        "b": (Treatment("drug", "X", 9, unit="uM"),),
    }
    with pytest.raises(HMLMError, match="X is in 'uM' in condition 'b', elsewhere in 'nM'"):
        _ = MeasuredSet("x", doses, ()).treatments


def test_folders_that_are_no_set_say_what_they_lack(tmp_path):
    (tmp_path / "conditions.csv").write_text("condition,kind,molecule,value\na,,,\n")
    with pytest.raises(FormatError, match=r"it has conditions.csv and no observations.csv"):
        read_sets(tmp_path)
    several = tmp_path / "several"
    for name in ("one", "two"):
        (several / name).mkdir(parents=True)
        for table in ("conditions.csv", "observations.csv"):
            (several / name / table).write_text("x\n")
    with pytest.raises(FormatError, match="it holds 2 measured sets, one, two; expected one of"):
        read_sets(several)

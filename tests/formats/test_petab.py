"""Problems of PEtab: what their tables mean, what is refused, and five that are published."""

from __future__ import annotations

import csv
import math
import random
import sys
from collections import Counter
from pathlib import Path

import pytest

from hmlm_fm.common.errors import FormatError, FormatWarning
from hmlm_fm.formats.measured.binding import Molecules, bind_conditions
from hmlm_fm.formats.measured.measured_set import DRUG, LATE, STIMULUS, Scale, Treatment
from hmlm_fm.formats.measured.petab_conditions import doses_of
from hmlm_fm.formats.measured.petab_formulas import offset_and_scale, parse_formula
from hmlm_fm.formats.measured.petab_problems import read_petab
from hmlm_fm.formats.measured.set_folder import read_measured_set, write_measured_set
from hmlm_fm.formats.measured.set_formats import SetOptions, read_sets, set_format
from hmlm_fm.model.conditions import Condition
from hmlm_fm.model.error_base import HMLMError

pytest.importorskip("petab", reason="petab is not installed: pip install 'hmlm-fm[measurements]'")

YAML = """\
format_version: 1
parameter_file: parameters.tsv
problems:
- condition_files: [conditions.tsv]
  measurement_files: [measurements.tsv]
  observable_files: [observables.tsv]
  sbml_files: [model.xml]
"""
MODEL = """\
<sbml xmlns="http://www.sbml.org/sbml/level3/version1/core" level="3" version="1">
<model id="toy" timeUnits="minute">
<listOfUnitDefinitions><unitDefinition id="minute"><listOfUnits>
<unit kind="second" exponent="1" scale="0" multiplier="60"/>
</listOfUnits></unitDefinition></listOfUnitDefinitions>
<listOfCompartments><compartment id="cell" size="1" constant="true"/></listOfCompartments>
<listOfSpecies>
<species id="EGF" compartment="cell" initialConcentration="0" hasOnlySubstanceUnits="false"
 boundaryCondition="false" constant="false"/>
<species id="EGFR" compartment="cell" initialConcentration="1" hasOnlySubstanceUnits="false"
 boundaryCondition="false" constant="false"/>
</listOfSpecies>
<listOfParameters><parameter id="k" value="0.5" constant="true"/></listOfParameters>
<listOfReactions><reaction id="r" reversible="false" fast="false">
<listOfProducts><speciesReference species="EGFR" stoichiometry="1" constant="true"/>
</listOfProducts><listOfModifiers><modifierSpeciesReference species="EGF"/></listOfModifiers>
<kineticLaw><math xmlns="http://www.w3.org/1998/Math/MathML"><apply><times/><ci>k</ci><ci>EGF</ci>
</apply></math></kineticLaw></reaction></listOfReactions>
</model></sbml>
"""
TABLES = {
    "parameters.tsv": """\
parameterId	parameterScale	nominalValue	estimate
scale_fixed	lin	4	0
offset_fixed	lin	2	0
scale_free	log10	3	1
noise_fixed	lin	0.5	0
""",
    "conditions.tsv": """\
conditionId	conditionName	EGF	k
ctrl	nothing	0	0.5
low	a little	0.1	0.5
high	much	10	0.5
unused	never measured	99	0.5
""",
    "observables.tsv": """\
observableId	observableName	observableFormula	noiseFormula	observableTransformation
pEGFR	phospho EGFR	EGFR	noiseParameter1_pEGFR	lin
""",
    "measurements.tsv": """\
observableId	simulationConditionId	measurement	time	noiseParameters
pEGFR	ctrl	1.5	0	0.25
pEGFR	ctrl	1.25	30	noise_fixed
pEGFR	low	2.5	30	scale_free
pEGFR	low	2.75	30	0.25
pEGFR	high	5	inf	0.25
""",
}
COLUMNS = (
    "observableId\tpreequilibrationConditionId\tsimulationConditionId\tmeasurement\ttime"
    "\tobservableParameters\n"
)
QUIET = TABLES["observables.tsv"].replace("noiseParameter1_pEGFR", "0.5")
"""Of measurements without a column of noise."""


@pytest.fixture
def problem(tmp_path):
    """Writes the toy problem with other files, or other text in its files."""

    def write(**files: str) -> Path:
        for name, text in {"model.xml": MODEL, **TABLES}.items():
            text = files.get(name.partition(".")[0], text)
            (tmp_path / name).write_text(text)
        path = tmp_path / "toy.yaml"
        path.write_text(files.get("yaml", YAML))
        return path

    return write


def one(path: Path, **options: str):
    (found,) = read_petab(path, **options)
    return found


def replaced(name: str, old: str, new: str) -> dict[str, str]:
    assert old in TABLES[f"{name}.tsv"]
    return {name: TABLES[f"{name}.tsv"].replace(old, new)}


def notes(found) -> str:
    return "\n".join(found.notes)


# -- what it means ------------------------------------------------------------------------------


def test_columns_that_differ_are_treatments(problem):
    found = one(problem())
    assert found.conditions == {
        "ctrl": (),
        "low": (Treatment(STIMULUS, "EGF", 0.1, unit="as in the table"),),
        "high": (Treatment(STIMULUS, "EGF", 10.0, unit="as in the table"),),
    }
    assert found.treatments == (Treatment(STIMULUS, "EGF", 10.0, unit="as in the table"),)
    assert "the same in all conditions, and no treatment: k 0.5" in notes(found)
    assert "1 conditions have no measurements and are left out: 'unused'" in notes(found)


def test_values_times_replicates_and_deviations(problem):
    found = one(problem())
    rows = [(m.condition, m.time_hours, m.value, m.sd, m.replicate) for m in found.measurements]
    assert rows == [
        ("ctrl", 0.0, 1.5, 0.25, ""),
        ("ctrl", 0.5, 1.25, 0.5, ""),
        ("low", 0.5, 2.5, None, ""),  # an sd that is estimated is not known
        ("low", 0.5, 2.75, 0.25, "2"),
        ("high", LATE, 5.0, 0.25, ""),
    ]
    assert found.readout_names == ("phospho EGFR",)
    assert {str(m.scale) for m in found.measurements} == {"linear"}


def test_the_model_is_the_network_and_tells_the_unit_and_what_a_readout_may_be(problem):
    found = one(problem())
    assert found.network is not None
    assert set(found.network.names) == {"EGF", "EGFR"}
    assert "times are in minutes, as the model states" in notes(found)
    assert "which is to be checked: phospho EGFR EGFR" in notes(found)
    assert found.readouts == {}  # a guess is not applied


@pytest.mark.parametrize(
    ("model", "options", "hours"),
    [
        (MODEL, {"time_unit": "seconds"}, 30 / 3600),
        (MODEL, {"time_unit": "hours"}, 30.0),
        (MODEL.replace('timeUnits="minute"', 'timeUnits="second"'), {}, 30 / 3600),
        (MODEL.replace('timeUnits="minute"', ""), {}, 0.5),
        ("<sbml>", {}, 0.5),
    ],
)
def test_units_of_time(problem, model, options, hours):
    found = one(problem(model=model), **options)
    assert found.times_hours == pytest.approx((0, hours, LATE))
    if not options and "second" not in model.partition(">")[2][:60]:
        assert "the model states no unit of time" in notes(found)
    if model == "<sbml>":
        assert found.network is None
        assert "the model was not read" in notes(found)


def test_times_that_are_long_are_noted(problem):
    found = one(problem(**replaced("measurements", "1.25\t30", "1.25\t3600")))
    assert "times reach 60 hours" in notes(found)
    found = one(problem(**replaced("measurements", "1.25\t30", "1.25\t3600")), time_unit="seconds")
    assert "times reach" not in notes(found)


def with_scales(formula: str, given: str, *, base: str = "lin", value: str = "10") -> dict:
    return {
        "observables": (
            "observableId\tobservableFormula\tnoiseFormula\tobservableTransformation\n"
            f"pEGFR\t{formula}\t0.5\t{base}\n"
        ),
        "measurements": COLUMNS
        + f"pEGFR\t\tlow\t{value}\t0\t{given}\npEGFR\t\tctrl\t6\t0\t{given}\n",
    }


@pytest.mark.parametrize(
    ("formula", "given", "value", "sd"),
    [
        ("offset_fixed + scale_fixed * EGFR", "", 2.0, 0.125),
        ("scale_fixed * (EGFR + offset_fixed)", "", 0.5, 0.125),
        ("observableParameter1_pEGFR + observableParameter2_pEGFR * EGFR", "2;-4", -2.0, 0.125),
        ("observableParameter1_pEGFR * EGFR", "scale_fixed", 2.5, 0.125),
        ("observableParameter1_pEGFR * EGFR", "scale_free", 10.0, 0.5),
        ("offset_fixed + scale_free * EGFR", "", 10.0, 0.5),
        ("EGFR / (EGFR + EGF)", "", 10.0, 0.5),
        ("EGFR^2", "", 10.0, 0.5),
    ],
)
def test_offsets_and_scales_are_taken_off_where_they_are_known(problem, formula, given, value, sd):
    found = one(problem(**with_scales(formula, given)))
    assert (found.measurements[0].value, found.measurements[0].sd) == (value, sd)
    is_relative = value == 10 and "free" in formula + given
    assert ("are relative" in notes(found)) is is_relative
    assert ("were taken off" in notes(found)) is (value != 10)


@pytest.mark.parametrize(
    ("base", "scale", "value"), [("log10", "log10", 1.0), ("log", "ln", math.log(10))]
)
def test_values_of_a_logarithmic_observable_become_logarithms(problem, base, scale, value):
    """PEtab states them on a linear scale, and their noise on that of the logarithm."""
    found = one(problem(**with_scales("EGFR", "", base=base)))
    assert found.measurements[0].value == pytest.approx(value)
    assert found.measurements[0].scale == Scale(scale)
    assert found.measurements[0].sd == 0.5
    with pytest.raises(FormatError, match=r"measurements.tsv, row 2: measurement is '0'.*above 0"):
        read_petab(problem(**with_scales("EGFR", "", base=base, value="0")))


def test_an_offset_above_a_value_is_not_taken_off_a_logarithm(problem):
    found = one(problem(**with_scales("EGFR + 8", "", base="log10")))
    assert found.measurements[0].value == 1.0
    assert "are relative" in notes(found)


def test_laplace_noise_becomes_a_standard_deviation(problem):
    files = with_scales("EGFR", "")
    files["observables"] = (
        "observableId\tobservableFormula\tnoiseFormula\tnoiseDistribution\n"
        "pEGFR\tEGFR\t0.5\tlaplace\n"
    )
    assert one(problem(**files)).measurements[0].sd == pytest.approx(0.5 * math.sqrt(2))


def test_what_is_done_before_time_0(problem):
    conditions = (
        "conditionId\tEGF\ttrametinib\nctrl\t0\t0\ninhibited\t0\t2\nboth\t5\t2\nother\t5\t1\n"
    )
    rows = "".join(
        f"pEGFR\t{before}\t{name}\t1\t0\t\n"
        for before, name in (
            ("ctrl", "ctrl"), ("inhibited", "both"), ("inhibited", "ctrl"),
            ("inhibited", "other"), ("", "both"),
        )
    )  # fmt: skip
    found = one(problem(conditions=conditions, measurements=COLUMNS + rows, observables=QUIET))
    unit = "as in the table"
    egf = Treatment(STIMULUS, "EGF", 5.0, unit=unit)
    egf_on = {"both": egf, "other": egf}
    before = Treatment(DRUG, "trametinib", 2.0, -24.0, unit=unit)
    washed_out = Treatment(DRUG, "trametinib", 2.0, -24.0, 0.0, unit=unit)
    assert found.conditions == {
        "ctrl after ctrl": (),
        "both after inhibited": (before, egf_on["both"]),
        "ctrl after inhibited": (washed_out,),
        "other": (washed_out, egf_on["other"], Treatment(DRUG, "trametinib", 1.0, unit=unit)),
        "both from the start": (egf_on["both"], Treatment(DRUG, "trametinib", 2.0, unit=unit)),
    }
    assert "in the steady state of 'ctrl', 'inhibited'" in notes(found)
    assert "from 24 hours before time 0" in notes(found)


def test_what_was_washed_out_comes_back_and_is_said(problem, tmp_path, toy_network):
    conditions = "conditionId\tEGF\nctrl\t0\nbefore\t5\n"
    rows = "pEGFR\tbefore\tctrl\t1\t0\t\npEGFR\tctrl\tbefore\t1\t0\t\n"
    found = one(problem(conditions=conditions, measurements=COLUMNS + rows, observables=QUIET))
    folder = tmp_path / "set"
    folder.mkdir()
    write_measured_set(found, folder)
    assert read_measured_set(folder).conditions == found.conditions
    with pytest.warns(FormatWarning, match="EGF from -24 h to 0 h.* ended by time 0"):
        bound = bind_conditions(found.conditions, Molecules(toy_network), "set")
    assert bound == {"ctrl": Condition(), "before": Condition({"EGF": 1.0})}


def test_doses_beside_their_times(problem):
    conditions = (
        "conditionId\tins_dose_1\tins_time_1\tins_dose_2\tins_time_2\tdrug_level\tdrug_end\n"
        "ctrl\t0\t0\t0\t0\t0\t0\ntwice\t1.5\t0\t8\t15\t0\t0\npulse\t0\t0\t0\t0\t1\t6\n"
        "on\t0\t0\t0\t0\t1\t30\n"
    )
    rows = "".join(f"pEGFR\t\t{c}\t1\t30\t\n" for c in ("ctrl", "twice", "pulse", "on"))
    found = one(problem(conditions=conditions, measurements=COLUMNS + rows, observables=QUIET))
    assert found.conditions == {
        "ctrl": (),
        "twice": (
            Treatment(STIMULUS, "ins", 1.5, unit="as in the table"),
            Treatment(STIMULUS, "ins", 8.0, 0.25, unit="as in the table"),
        ),
        "pulse": (Treatment(STIMULUS, "drug", 1.0, 0.0, 0.1),),
        "on": (Treatment(STIMULUS, "drug", 1.0),),  # it ends when the last is measured
    }


def test_names_of_treatments():
    def named(*columns: str, molecules: frozenset[str] = frozenset()) -> list[str]:
        return [dose.name for dose in doses_of(columns, molecules)]

    assert named("init_Ins", "EGF_0", "Fsk_level", "k_deg") == ["Ins", "EGF", "Fsk", "k_deg"]
    assert named("EGF_0", "EGF_dose") == ["EGF_0", "EGF_dose"]  # which is which is not known
    assert named("EGF_0", molecules=frozenset({"EGF_0"})) == ["EGF_0"]
    assert named("A_dose", "A_time", "A_0") == ["A", "A_0"]


@pytest.mark.parametrize(
    ("column", "values", "batches"),
    [
        ("datasetId", ["a", "b", "c", "d"], ["", "", "", ""]),  # one each says nothing
        ("datasetId", ["a", "b", "a", "b"], ["", "", "", ""]),  # nor does one of each condition
        ("datasetId", ["a", "a", "b", "b"], ["a", "a", "b", "b"]),
        ("plate", ["p1", "p1", "p2", "p2"], ["p1", "p1", "p2", "p2"]),
        ("observableParameters", ["s1", "s1", "s2", "s2"], ["s1", "s1", "s2", "s2"]),
        ("observableParameters", ["s1", "s1", "s1", "s1"], ["", "", "", ""]),
    ],
)
def test_batches(problem, column, values, batches):
    conditions = ["ctrl", "low", "ctrl", "low"] if values != ["a", "b", "c", "d"] else (
        ["ctrl", "low", "high", "unused"]
    )  # fmt: skip
    rows = "".join(
        f"pEGFR\t{c}\t{i}\t0\t0.1\t{v}\n"
        for i, (c, v) in enumerate(zip(conditions, values, strict=True), start=1)
    )
    header = "observableId\tsimulationConditionId\tmeasurement\ttime\tnoiseParameters"
    parameters = TABLES["parameters.tsv"] + "s1\tlin\t1\t1\ns2\tlin\t1\t1\n"
    found = one(problem(measurements=f"{header}\t{column}\n{rows}", parameters=parameters))
    assert [m.batch for m in found.measurements] == batches
    assert (f"batches are those of {column}" in notes(found)) is any(batches)
    if any(batches):
        assert {m.replicate for m in found.measurements} == {""}


def test_cells_of_conditions_that_name_parameters_or_nothing(problem):
    table = "conditionId\tEGF\tk\nctrl\t\tk\nlow\tscale_fixed\t\nhigh\tscale_free\t0.5\n"
    found = one(problem(conditions=table.replace("\tk\nlow", "\t\nlow")))
    assert [[t.value for t in done] for done in found.conditions.values()] == [[], [4.0], [3.0]]
    assert "conditions estimate 'EGF': nominal values were taken" in notes(found)


def test_several_problems_are_several_sets(problem):
    again = YAML.partition("problems:\n")[2]
    found = read_petab(problem(yaml=YAML + again))
    assert [(s.name, s.study) for s in found] == [("toy-1", "toy"), ("toy-2", "toy")]


def test_it_is_recognised_and_its_options_are_passed(problem, tmp_path, toy_network):
    path = problem()
    form = set_format(path)
    assert form is not None
    assert form.name == "PEtab"
    options = SetOptions(time_unit="seconds", modality="protein", network=toy_network)
    (found,) = read_sets(path, options)
    assert found.times_hours[1] == pytest.approx(30 / 3600)
    assert found.network == toy_network
    assert {m.modality for m in found.measurements} == {"protein"}
    other = tmp_path / "config.yaml"
    other.write_text("learning_rate: 1\n")
    assert set_format(other) is None
    with pytest.raises(HMLMError, match="time_unit is 'days'; expected one of seconds"):
        read_sets(path, SetOptions(time_unit="days"))


# -- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("yaml", "format_version: 1", "format_version: 2.0.0", "expected 1 .PEtab 2 is not read"),
        ("yaml", "problems:", "problems: 3 #", "not YAML|no list of problems"),
        ("yaml", "[conditions.tsv]", "[/etc/passwd]", "in the folder of the problem"),
        ("yaml", "[conditions.tsv]", "[../../secret.tsv]", "in the folder of the problem"),
        ("yaml", "[conditions.tsv]", "['http://a.b/c.tsv']", "in the folder of the problem"),
        ("yaml", "[conditions.tsv]", "[nowhere.tsv]", "'nowhere.tsv', which is not there"),
        ("yaml", "[conditions.tsv]", "{a: b}", "condition_files is no list of files"),
        ("yaml", "[conditions.tsv]", "[]", "condition_files names no file"),
        ("yaml", "[conditions.tsv]", "[!!python/object:os.system x]", "not YAML"),
        ("conditions", "conditionId", "id", "row 1: there is no column 'conditionId'"),
        ("conditions", "low\ta little", "ctrl\ta little", "row 3: condition 'ctrl' is there twice"),
        ("conditions", "high\tmuch\t10", "high\tmuch\tplenty", "row 4: EGF has 'plenty'"),
        ("conditions", "high\tmuch\t10", "high\tmuch\t-1", "row 4: EGF is -1.*at least 0"),
        ("conditions", "high\tmuch\t10", "high\tmuch\tinf", "row 4: EGF is 'inf'"),
        ("conditions", "10\t0.5", "10\t0.5\t7", "row 4: it has 5 cells; expected 4"),
        ("measurements", "pEGFR\thigh", "pEGFR\thihg", "row 6: condition 'hihg' is not.*'high'"),
        ("measurements", "pEGFR\thigh", "pEFGR\thigh", "row 6: observable 'pEFGR'.*'pEGFR'"),
        ("measurements", "1.5\t0\t", "1.5\t-3\t", "row 2: time is -0.05 hours"),
        ("measurements", "1.5\t0\t", "x\t0\t", "row 2: measurement is 'x'; expected a number"),
        ("measurements", "\t0.25\npEGFR\tctrl", "\t\npEGFR\tctrl", "row 2: noiseParameters has 0"),
        ("measurements", "noise_fixed", "nois_fixed", "row 3: noiseParameters has 'nois_fixed'"),
        ("observables", "\tEGFR\t", "\tEGFR +\t", "row 2: 'EGFR .' is no formula"),
        ("observables", "\tEGFR\t", "\t9^(9^(9^9))\t", "powers of powers"),
        ("observables", "\tEGFR\t", "\texp(exp(exp(99)))\t", "powers of powers"),
        ("observables", "\tEGFR\t", "\t__import__('os')\t", "is no formula"),
        ("observables", "\tEGFR\t", f"\t{'(' * 2000}EGFR{')' * 2000}\t", "is no formula"),
        ("observables", "\tEGFR\t", f"\t{'EGFR+' * 3000}EGFR\t", "15004 characters"),
        ("observables", "\tlin", "\tlog2", "expected lin, log or log10"),
        ("parameters", "lin\t4", "lin\tfour", "row 2: nominalValue is 'four'"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(problem, name, old, new, message):
    if name == "yaml":
        assert old in YAML
        files = {"yaml": YAML.replace(old, new)}
    else:
        files = replaced(name, old, new)
    with pytest.raises(FormatError, match=message) as caught:
        read_petab(problem(**files))
    assert "\n" not in str(caught.value)
    assert str(caught.value.path)


def test_no_measurement_is_refused_and_missing_ones_are_counted(problem):
    header = TABLES["measurements.tsv"].partition("\n")[0] + "\n"
    with pytest.raises(FormatError, match="it holds no measurements"):
        read_petab(problem(measurements=header + "pEGFR\tctrl\tNaN\t0\t0.1\n"))
    found = one(problem(**replaced("measurements", "1.5\t0", "NaN\t0")))
    assert len(found.measurements) == 4
    assert "1 rows have no measurement" in notes(found)


def test_without_petab_the_extra_is_named(problem, monkeypatch):
    monkeypatch.setitem(sys.modules, "petab.v1.math", None)
    with pytest.raises(FormatError, match=r'petab is not installed; .*"hmlm-fm\[measurements\]"'):
        read_petab(problem())


STRANGE = ("", "\t", "\n", "0", "x", '"', "-1e999", ";", "é", "{")


def test_damaged_files_give_an_error_or_a_set(problem):
    """Cut, or with bytes replaced, a problem is read or refused, and nothing else."""
    generator = random.Random(0)
    files = {"yaml": YAML} | {name.partition(".")[0]: text for name, text in TABLES.items()}
    messages = []
    for _ in range(120):
        name = generator.choice(list(files))
        letters = list(files[name])
        for _ in range(generator.randint(1, 4)):
            at = generator.randrange(len(letters))
            letters[at : at + generator.randint(1, 9)] = generator.choice(STRANGE)
        try:
            read_petab(problem(**{name: "".join(letters)}))
            messages.append("")
        except HMLMError as error:
            messages.append(str(error))
    refused = [message for message in messages if message]
    assert 5 < len(refused) < len(messages) - 5
    assert not any("\n" in message for message in refused)


def test_offset_and_scale_of_formulas():
    def split(text: str, *parameters: str) -> tuple[str, str]:
        offset, scale = offset_and_scale(parse_formula(text), parameters)
        return str(offset), str(scale)

    assert split("a + b * x", "a", "b") == ("a", "b")
    assert split("b * (x + a)", "a", "b") == ("a*b", "b")
    assert split("x / b", "b") == ("0", "1/b")
    assert split("a + b", "a", "b") == ("0", "1")  # nothing of the model is in it
    assert split("x * y") == ("0", "1")


# -- published problems -------------------------------------------------------------------------

PUBLISHED = {
    "Boehm_JProteomeRes2014": "Boehm_JProteomeRes2014",
    "Brannmark_JBC2010": "Brannmark_JBC2010",
    "Fujita_SciSignal2010": "Fujita_SciSignal2010",
    "Isensee_JCB2018": "Isensee_JCB2018",
    "Schwen_PONE2014": "Schwen_PONE2014",
}
# Conditions, readouts, times, values, treatments by name, values in replicates, batches: counted
# in the tables.
COUNTS = {
    "Boehm_JProteomeRes2014": (1, 3, 16, 48, set(), 1),
    "Brannmark_JBC2010": (8, 3, 22, 43, {"insulin"}, 3),
    "Fujita_SciSignal2010": (6, 3, 8, 144, {"EGF"}, 1),
    "Isensee_JCB2018": (
        123, 3, 19, 687,
        {
            "Fsk", "H89", "IBMX", "Rp8_Br_cAMPS_pAB", "Rp8_pCPT_cAMPS_pAB", "Rp_cAMPS_pAB",
            "Sp8_Br_cAMPS_AM", "fourABnOH",
        },
        6,
    ),
    "Schwen_PONE2014": (19, 4, 17, 286, {"Ins"}, 5),
}  # fmt: skip


def published(shared_data: Path, name: str) -> tuple[Path, list[dict[str, str]]]:
    folder = shared_data / "petab" / name
    (table,) = folder.glob("measurementData*.tsv")
    with open(table, encoding="utf-8", newline="") as file:
        return folder / f"{name}.yaml", list(csv.DictReader(file, delimiter="\t"))


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_problems(shared_data, name):
    path, rows = published(shared_data, name)
    found = one(path)
    conditions, readouts, times, values, treatments, batches = COUNTS[name]
    assert len(found.conditions) == conditions == len({r["simulationConditionId"] for r in rows})
    assert len(found.readout_names) == readouts == len({r["observableId"] for r in rows})
    assert len(found.times_hours) == times == len({float(r["time"]) for r in rows})
    assert len(found.measurements) == values == len(rows)
    assert {t.name for t in found.treatments} == treatments
    assert len({m.batch for m in found.measurements}) == batches
    assert found.network is not None
    # Rows of one condition, readout and time are told apart by their replicates alone.
    keys = ("observableId", "simulationConditionId", "time")
    of_rows = Counter((r[keys[0]], r[keys[1]], float(r[keys[2]])) for r in rows)
    places = Counter((m.condition, m.readout, m.time_hours) for m in found.measurements)
    assert Counter(of_rows.values()) == Counter(places.values())
    unique = {
        (m.condition, m.readout, m.time_hours, m.replicate, m.batch) for m in found.measurements
    }
    assert len(unique) == values
    assert max(found.times_hours) == pytest.approx(max(float(r["time"]) for r in rows) / 60)


def test_isensee_by_hand(shared_data):
    path, _ = published(shared_data, "Isensee_JCB2018")
    found = one(path)
    unit = "as in the table"
    assert found.conditions["model1_data49"] == ()
    assert found.conditions["model1_data28"] == (
        Treatment(STIMULUS, "Fsk", 10.0, 1.0, unit=unit),
        Treatment(STIMULUS, "fourABnOH", 1.0, 55 / 60, unit=unit),
    )
    assert found.conditions["model1_data117"] == (
        Treatment(STIMULUS, "Fsk", 3.0, 1.0, unit=unit),
        Treatment(DRUG, "H89", 25.0, unit=unit),
    )
    first = found.measurements[0]
    assert (first.condition, first.time_hours) == ("model1_data1", pytest.approx(65 / 60))
    assert first.value == pytest.approx(math.log2(972.085779630542))
    assert (first.replicate, first.batch) == ("Drg345", "JI09_150302_Drg345_343_CycNuc")


def test_fujita_by_hand(shared_data):
    """Its model states minutes, and its times are in seconds: that is noted, and can be said."""
    path, _ = published(shared_data, "Fujita_SciSignal2010")
    assert "times reach 60 hours" in notes(one(path))
    found = one(path, time_unit="seconds")
    assert found.times_hours == pytest.approx([t / 60 for t in (0, 1, 2, 5, 10, 15, 30, 60)])
    assert [t.value for done in found.conditions.values() for t in done] == [
        0.1, 0.3, 1.0, 3.0, 10.0, 30.0,
    ]  # fmt: skip
    assert found.measurements[1].value == 0.00495502124323188
    assert found.measurements[1].sd == 0.01
    assert "there is no control" in notes(found)


def test_schwen_and_brannmark_by_hand(shared_data):
    found = one(published(shared_data, "Schwen_PONE2014")[0])
    assert found.measurements[0].value == pytest.approx(math.log10(2.35234490985703))
    assert {str(m.scale) for m in found.measurements} == {"log10"}
    assert found.conditions["model1_data2"][0].value == 0.1
    found = one(published(shared_data, "Brannmark_JBC2010")[0])
    assert [(t.value, t.start_hours) for t in found.conditions["TwoSteps"]] == [
        (1.2, 0.0),
        (8.8, pytest.approx(4 / 60)),
    ]
    assert found.conditions["Dose_0"] == ()


def test_what_has_controls_alone_is_not_measured_against_itself(shared_data):
    """Boehm 2014 is one condition, whose stimulus is in the model."""
    found = one(published(shared_data, "Boehm_JProteomeRes2014")[0])
    assert found.measurements[2].value == pytest.approx(math.log2(81.1713239165337))
    assert not any(m.scale.is_change for m in found.measurements)

"""SBML: logic from qual, signs from kinetics, reactions without either; and trajectories."""

from __future__ import annotations

import contextlib
import gzip
import math
import random
import warnings
from pathlib import Path

import numpy as np
import pytest

from hmlm_fm.common.errors import FormatError, FormatWarning
from hmlm_fm.dynamics.sbml_trajectories import simulate_sbml
from hmlm_fm.formats.sbml.sbml import read_sbml
from hmlm_fm.model.network import SignalingNetwork

pytest.importorskip("libsbml")

MATH = "http://www.w3.org/1998/Math/MathML"
CORE = "http://www.sbml.org/sbml/level3/version1/core"
QUAL = "http://www.sbml.org/sbml/level3/version1/qual/version1"


def write(folder: Path, text: str, name: str = "model.xml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def signs(network: SignalingNetwork) -> dict[str, str]:
    """Kind of every interaction by its rule."""
    return {interaction.rule: interaction.kind for interaction in network.interactions}


# -- small models by hand -------------------------------------------------------------------------


def model(
    species=(), reactions=(), parameters=(), rules="", functions="", units="", attributes=""
) -> str:
    """An L2V4 model. Species are ids, `!` before fixed ones; a reaction is (in, out, mods, law)."""
    species_text = "".join(
        f'<species id="{s.lstrip("!")}" compartment="c" initialConcentration="1" '
        f'boundaryCondition="{str(s.startswith("!")).lower()}"/>'
        for s in species
    )
    parameters_text = "".join(
        f'<parameter id="{name}" value="{value}" constant="false"/>' for name, value in parameters
    )

    def listed(tag, what, names):
        items = "".join(f'<{what} species="{name}"/>' for name in names.split())
        return f"<{tag}>{items}</{tag}>" if items else ""

    reactions_text = "".join(
        f'<reaction id="r{i}" reversible="{str(len(r) > 4).lower()}">'
        + listed("listOfReactants", "speciesReference", r[0])
        + listed("listOfProducts", "speciesReference", r[1])
        + listed("listOfModifiers", "modifierSpeciesReference", r[2])
        + (f'<kineticLaw><math xmlns="{MATH}">{r[3]}</math></kineticLaw>' if r[3] else "")
        + "</reaction>"
        for i, r in enumerate(reactions)
    )
    body = "".join(
        f"<{tag}>{text}</{tag}>" if text else ""
        for tag, text in (
            ("listOfFunctionDefinitions", functions),
            ("listOfUnitDefinitions", units),
            ("listOfCompartments", '<compartment id="c" size="1"/>'),
            ("listOfSpecies", species_text),
            ("listOfParameters", parameters_text),
            ("listOfRules", rules),
            ("listOfReactions", reactions_text),
        )
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<sbml xmlns="http://www.sbml.org/sbml/level2/version4" level="2" version="4">\n'
        f'<model id="m" name="A model" {attributes}>{body}</model></sbml>'
    )


def apply(operator: str, *arguments: str) -> str:
    def leaf(text):
        text = str(text)
        if text.startswith("<"):
            return text
        return f"<cn>{text}</cn>" if text[0].isdigit() else f"<ci>{text}</ci>"

    return f"<apply>{leaf(operator) if operator[0].isupper() else f'<{operator}/>'}" + (
        "".join(leaf(a) for a in arguments) + "</apply>"
    )


def rule(variable: str, math_text: str, kind: str = "assignmentRule") -> str:
    return f'<{kind} variable="{variable}"><math xmlns="{MATH}">{math_text}</math></{kind}>'


def level_1(formula: str) -> str:
    return (
        '<?xml version="1.0" encoding="ISO-8859-1"?><!-- Müller -->'
        '<sbml xmlns="http://www.sbml.org/sbml/level1" level="1" version="1"><model name="m">'
        '<listOfCompartments><compartment name="c"/></listOfCompartments><listOfSpecies>'
        '<specie name="A" compartment="c" initialAmount="1"/>'
        '<specie name="B" compartment="c" initialAmount="0"/></listOfSpecies><listOfReactions>'
        '<reaction name="r"><listOfReactants><specieReference specie="A"/></listOfReactants>'
        '<listOfProducts><specieReference specie="B"/></listOfProducts>'
        f'<kineticLaw formula="{formula}"><listOfParameters><parameter name="k" value="1"/>'
        "</listOfParameters></kineticLaw></reaction></listOfReactions></model></sbml>"
    )


def definition(name: str, math_text: str) -> str:
    return (
        f'<functionDefinition id="{name}"><math xmlns="{MATH}"><lambda><bvar><ci>x</ci></bvar>'
        f"{math_text}</lambda></math></functionDefinition>"
    )


def test_mass_action_and_a_modifier(tmp_path):
    law = apply("times", "k", "A", "E")
    network = read_sbml(write(tmp_path, model(["A", "B", "E"], [("A", "B", "E", law)], [("k", 2)])))
    assert signs(network) == {
        "=> E": "input",
        "A => B": "conversion",
        "!E => A": "inhibition",
        "E => B": "catalysis",
    }
    assert not network.logic_known
    assert (network.name, network.title) == ("model", "A model")
    assert all(m.pathways == ("model",) for m in network.molecules)


def test_binding_and_unbinding(tmp_path):
    law = apply("minus", apply("times", "k", "A", "B"), apply("times", "k", "AB"))
    text = model(["A", "B", "AB"], [("A B", "AB", "", law, "reversible")], [("k", 0.1)])
    assert signs(read_sbml(write(tmp_path, text))) == {
        "!A => B": "inhibition",
        "A => AB": "conversion",
        "!B => A": "inhibition",
        "B => AB": "conversion",
        "AB => A": "activation",
        "AB => B": "activation",
    }


@pytest.mark.parametrize(
    ("law", "expected"),
    [
        (apply("divide", "k", apply("plus", "1", "I")), "!I => P"),
        (apply("power", "I", "2"), "I => P"),
        (apply("divide", "I", apply("plus", "1", apply("power", "I", "2"))), "?I => P"),
        (apply("exp", apply("minus", "I")), "!I => P"),
        (apply("root", "I"), "I => P"),
        (apply("max", "I", "k"), "I => P"),
        (apply("minus", "3", "I"), "!I => P"),
        (f"<piecewise><piece><cn>2</cn>{apply('gt', 'I', 'k')}</piece>"
         "<otherwise><cn>1</cn></otherwise></piecewise>", "I => P"),
        (apply("factorial", "I"), "?I => P"),
        (apply("tanh", "I"), "I => P"),
        (apply("times", "0", "I"), None),
        # A law without molecules has no effect, so that the modifier counts as in plain reactions.
        ("<cn>7</cn>", "I => P"),
    ],
)  # fmt: skip
def test_signs_of_laws(tmp_path, law, expected):
    text = model(["!I", "P"], [("", "P", "I", law)], [("k", 0.5)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FormatWarning)
        network = read_sbml(write(tmp_path, text))
    assert [i.rule for i in network.interactions if i.sources] == ([expected] if expected else [])


def test_signs_go_through_rules_and_functions(tmp_path):
    functions = definition("F", apply("divide", "1", apply("plus", "1", "x")))
    functions += definition("G", apply("F", apply("times", "2", "x")))
    rules = (
        rule("p", apply("plus", "A", "q"))
        + rule("q", apply("times", "2", "B"))
        + rule("S", apply("minus", "4", "A"))
        + rule("v", apply("minus", "S", "v"), "rateRule")
    )
    text = model(
        ["A", "B", "C", "S"],
        [("", "C", "", apply("G", "p")), ("C", "", "", apply("times", "C", "v"))],
        [("p", 1), ("q", 1), ("v", 1)],
        rules,
        functions,
    )
    network = read_sbml(write(tmp_path, text))
    assert network.names == ("A", "B", "C", "S", "v")
    assert {i.rule for i in network.interactions if i.sources} == {
        "!A => C", "!B => C", "!A => S", "S => v", "!v => C",
    }  # fmt: skip
    assert set(network.inputs) == {"A", "B"}


def test_contradicting_reactions_and_self_activation(tmp_path):
    text = model(
        ["A", "B"],
        [
            ("", "B", "A", apply("times", "k", "A")),
            ("B", "", "A", apply("times", "k", "A", "B")),
            ("", "A", "A", apply("power", "A", "2")),
            ("A", "", "", apply("times", "k", "A")),
        ],
        [("k", 1)],
    )
    assert signs(read_sbml(write(tmp_path, text))) == {
        "?A => B": "unknown",
        "A => A": "activation",
    }


def test_what_is_left_of_a_total_stays_positive(tmp_path):
    rest = apply("minus", "total", "X")
    text = model(["X", "K"], [("", "X", "K", apply("times", "K", rest))], [("total", 1.2)])
    assert "K => X" in signs(read_sbml(write(tmp_path, text)))


def test_a_switched_off_rate_and_tiny_values_still_tell(tmp_path):
    law = apply("times", "off", apply("divide", "A", apply("plus", "A", "K")))
    text = model(["A", "B"], [("", "B", "A", law)], [("off", 0), ("K", 1)])
    text = text.replace('initialConcentration="1"', 'initialConcentration="1e-21"')
    assert "A => B" in signs(read_sbml(write(tmp_path, text)))


def test_reactions_without_kinetics_state_their_logic(tmp_path):
    def reaction(i, name, modifiers):
        listed = "".join(
            f'<modifierSpeciesReference species="{s}" sboTerm="SBO:{term:07d}"/>'
            for s, term in modifiers
        )
        return (
            f'<reaction id="r{i}" name="{name}" reversible="false" fast="false">'
            '<listOfReactants><speciesReference species="A" constant="true"/></listOfReactants>'
            '<listOfProducts><speciesReference species="B" constant="true"/></listOfProducts>'
            f"<listOfModifiers>{listed}</listOfModifiers></reaction>"
        )

    def species(name, label, annotation=""):
        return (
            f'<species id="{name}" metaid="m{name}" name="{label}" compartment="c" '
            'hasOnlySubstanceUnits="false" boundaryCondition="false" constant="false">'
            f"{annotation}</species>"
        )

    parts = (
        '<annotation><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" '
        'xmlns:bqbiol="http://biomodels.net/biology-qualifiers/"><rdf:Description '
        'rdf:about="#mB"><bqbiol:hasPart><rdf:Bag>'
        '<rdf:li rdf:resource="http://identifiers.org/hgnc.symbol/AKT1"/>'
        '<rdf:li rdf:resource="urn:miriam:hgnc.symbol:MTOR"/>'
        "</rdf:Bag></bqbiol:hasPart></rdf:Description></rdf:RDF></annotation>"
    )
    text = (
        f'<sbml xmlns="{CORE}" level="3" version="1"><model id="p">'
        '<listOfCompartments><compartment id="c" name="nucleoplasm" constant="true"/>'
        "</listOfCompartments><listOfSpecies>"
        + species("A", "AKT1 [nucleoplasm]")
        + species("B", "AKT1:MTOR [nucleoplasm]", parts)
        + "".join(species(n, n) for n in "KLIP")
        + "</listOfSpecies><listOfReactions>"
        + reaction(1, "A becomes B", [("K", 13), ("L", 19), ("I", 20), ("P", 459)])
        + "</listOfReactions></model></sbml>"
    )
    network = read_sbml(write(tmp_path, text))
    assert list(signs(network)) == ["?A & K & P & !I => B", "?A & L & P & !I => B"]
    assert network.logic_known
    assert network.molecule("A").members == ("AKT1",)
    assert network.molecule("A").compartment == "nucleus"
    assert network.molecule("A").label == "AKT1 [nucleoplasm]"
    assert network.molecule("B").kind == "complex"
    assert network.molecule("B").members == ("AKT1", "MTOR")


def test_other_levels_and_encodings_are_read(tmp_path):
    path = tmp_path / "one.xml"
    path.write_bytes(level_1("k*A").encode("latin-1"))
    assert signs(read_sbml(path)) == {"A => B": "conversion"}
    text = model(["A", "B"], [("A", "B", "", apply("times", "2", "A"))])
    path.write_bytes(gzip.compress(text.encode()))
    assert signs(read_sbml(path)) == {"A => B": "conversion"}
    path.write_bytes(text.replace("UTF-8", "UTF-16").encode("utf-16"))
    assert signs(read_sbml(path)) == {"A => B": "conversion"}


# -- qual -----------------------------------------------------------------------------------------


def qual_model(transitions: str, species=("A", "B", "C"), most=1) -> str:
    listed = "".join(
        f'<qual:qualitativeSpecies qual:id="{s}" qual:compartment="c" qual:constant="false" '
        f'qual:maxLevel="{most}"/>'
        for s in species
    )
    return (
        f'<sbml xmlns="{CORE}" xmlns:qual="{QUAL}" level="3" version="1" qual:required="true">'
        '<model id="q"><listOfCompartments><compartment id="c" constant="true"/>'
        f"</listOfCompartments><qual:listOfQualitativeSpecies>{listed}"
        f"</qual:listOfQualitativeSpecies><qual:listOfTransitions>{transitions}"
        "</qual:listOfTransitions></model></sbml>"
    )


def transition(condition: str, level=1, default=0, inputs="AB", threshold=1) -> str:
    marks = {"A": "positive", "B": "negative"}
    inputs_text = "".join(
        f'<qual:input qual:id="t_{s}" qual:qualitativeSpecies="{s}" qual:sign="{marks[s]}" '
        f'qual:transitionEffect="none" qual:thresholdLevel="{threshold}"/>'
        for s in inputs
    )
    terms = f'<qual:defaultTerm qual:resultLevel="{default}"/>' + (
        f'<qual:functionTerm qual:resultLevel="{level}"><math xmlns="{MATH}">{condition}</math>'
        "</qual:functionTerm>"
        if condition
        else ""
    )
    return (
        f'<qual:transition qual:id="tr"><qual:listOfInputs>{inputs_text}</qual:listOfInputs>'
        '<qual:listOfOutputs><qual:output qual:qualitativeSpecies="C" '
        'qual:transitionEffect="assignmentLevel"/></qual:listOfOutputs>'
        f"<qual:listOfFunctionTerms>{terms}</qual:listOfFunctionTerms></qual:transition>"
    )


@pytest.mark.parametrize(
    ("condition", "rules"),
    [
        (apply("and", apply("eq", "A", "1"), apply("eq", "B", "0")), ["A & !B => C"]),
        (apply("and", apply("geq", "A", "t_A"), apply("lt", "B", "t_B")), ["A & !B => C"]),
        (apply("or", apply("gt", "A", "0"), apply("neq", "B", "1")), ["!B => C", "A => C"]),
        (apply("leq", "1", "A"), ["A => C"]),
        (apply("not", apply("leq", "A", "0")), ["A => C"]),
        (apply("xor", "A", apply("eq", "B", "1")), ["!A & B => C", "A & !B => C"]),
        (apply("implies", apply("eq", "A", "1"), apply("eq", "B", "1")), ["!A => C", "B => C"]),
        (apply("and", "A", "B"), ["A & B => C"]),
        (apply("gt", "A", "B"), ["A & !B => C"]),
        ("<true/>", ["=> C"]),
        (apply("geq", "A", "5"), ["=> C"]),
        # No logic, or none at all: the inputs as they are signed.
        (apply("gt", apply("plus", "A", "B"), "1"), ["A => C", "!B => C"]),
    ],
)  # fmt: skip
def test_qualitative_conditions(tmp_path, condition, rules):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FormatWarning)
        network = read_sbml(write(tmp_path, qual_model(transition(condition))))
    assert sorted(i.rule for i in network.interactions if i.target == "C") == sorted(rules)
    assert network.inputs[-2:] == ("A", "B")
    assert network.logic_known


def test_qualitative_defaults_and_levels(tmp_path):
    inhibiting = transition(apply("eq", "A", "1"), level=0, default=1)
    network = read_sbml(write(tmp_path, qual_model(inhibiting)))
    assert "!A => C" in signs(network)
    condition = apply("and", apply("geq", "A", "t_A"), apply("leq", "B", "1"))
    several = qual_model(transition(condition, threshold=2), most=2)
    with pytest.warns(FormatWarning, match="more levels than two"):
        network = read_sbml(write(tmp_path, several))
    assert "A & !B => C" in signs(network)
    with pytest.warns(FormatWarning, match="are no logic"):
        network = read_sbml(
            write(tmp_path, qual_model(transition(apply("gt", apply("plus", "A", "B"), "1"))))
        )
    assert {"A => C", "!B => C"} <= signs(network).keys()


# -- hostile files --------------------------------------------------------------------------------


def refused(path: Path) -> str:
    with pytest.raises(FormatError) as caught:
        read_sbml(path)
    assert path.name in str(caught.value)
    return str(caught.value)


def test_foreign_and_damaged_files_are_refused(tmp_path):
    good = model(["A", "B"], [("A", "B", "", apply("times", "2", "A"))])
    assert "line 1" in refused(write(tmp_path, ""))
    assert "<html>" in refused(write(tmp_path, "<html><body/></html>"))
    assert "<model>" in refused(write(tmp_path, good.split("<model")[0] + "</sbml>"))
    assert "not well-formed" in refused(write(tmp_path, good[: len(good) // 2]))
    assert "no species" in refused(write(tmp_path, model()))
    bomb = '<!DOCTYPE sbml [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>' + good.split("\n", 1)[1]
    assert "entities" in refused(write(tmp_path, bomb))
    refused(tmp_path / "missing.xml")
    refused(tmp_path)


def test_circles_and_depth_are_refused(tmp_path):
    circle = rule("p", apply("plus", "q", "1")) + rule("q", apply("plus", "p", "1"))
    law = apply("times", "p", "A")
    text = model(["A", "B"], [("A", "B", "", law)], [("p", 1), ("q", 1)], circle)
    assert "need each other" in refused(write(tmp_path, text))
    itself = definition("F", apply("F", "x"))
    text = model(["A", "B"], [("A", "B", "", apply("F", "A"))], functions=itself)
    assert "calls itself" in refused(write(tmp_path, text))
    deep = "<apply><minus/>" * 20_000 + "<ci>A</ci>" + "</apply>" * 20_000
    assert "nested" in refused(write(tmp_path, model(["A", "B"], [("A", "B", "", deep)])))
    path = tmp_path / "one.xml"
    # These bring libsbml itself down, and the process with it.
    for formula in ("(" * 600 + "A" + ")" * 600, "-" * 600 + "A", "A" + "+A" * 300_000):
        path.write_bytes(level_1(formula).encode("latin-1"))
        assert "element <kineticLaw>" in refused(path)
    wide = apply("plus", *["A"] * 300_000)
    assert "terms" in refused(write(tmp_path, model(["A", "B"], [("A", "B", "", wide)])))


@pytest.mark.parametrize("calls_twice", [True, False])
def test_doubling_functions_do_not_blow_up(tmp_path, calls_twice):
    functions = definition("F0", apply("plus", "1", "x"))
    for i in range(1, 40):
        inner = apply(f"F{i - 1}", "x")
        again = apply(f"F{i - 1}", inner) if calls_twice else inner
        functions += definition(f"F{i}", apply("plus", inner, again))
    path = write(
        tmp_path, model(["A", "B"], [("A", "B", "", apply("F39", "A"))], functions=functions)
    )
    if calls_twice:
        assert "operations" in refused(path)
    else:
        assert signs(read_sbml(path)) == {"A => B": "conversion"}


def test_a_model_without_effects_is_read_with_a_warning(tmp_path):
    with pytest.warns(FormatWarning, match="no molecule acts on another"):
        network = read_sbml(write(tmp_path, model(["A", "B"])))
    assert network.names == ("A", "B")
    assert network.interactions == ()


def test_mutilated_files_are_networks_or_errors(tmp_path):
    texts = [
        model(
            ["A", "B", "!E"],
            [("A", "B", "E", apply("times", "p", "A", "E")), ("B", "A", "", apply("exp", "B"))],
            [("k", 1), ("p", 1)],
            rule("p", apply("divide", "k", apply("plus", "1", "B"))),
        ),
        qual_model(transition(apply("and", apply("eq", "A", "1"), apply("lt", "B", "t_B")))),
    ]  # fmt: skip
    rng = random.Random(5)
    words = ("speciesReference", "times", "A", "math", "id", "species", "1", "ci", "k", "qual")
    for i in range(300):
        text = texts[i % 2]
        for _ in range(rng.randint(1, 3)):
            if rng.random() < 0.7:
                # Swapping words keeps it well-formed more often than cutting does.
                text = text.replace(rng.choice(words), rng.choice(words), rng.randint(-1, 3))
            else:
                start = rng.randrange(len(text))
                text = text[:start] + text[start + rng.randint(1, 30) :]
        path = write(tmp_path, text, f"{i % 7}.xml")
        with warnings.catch_warnings(), contextlib.suppress(FormatError):
            warnings.simplefilter("ignore")
            assert isinstance(read_sbml(path), SignalingNetwork)


# -- published models -----------------------------------------------------------------------------


def test_the_mapk_cascade_with_negative_feedback(shared_data: Path):
    network = read_sbml(shared_data / "biomodels" / "BIOMD0000000010.xml.gz")
    found = signs(network)
    assert found["MKKK => MKKK_P"] == "conversion"
    assert found["!MAPK_PP => MKKK_P"] == "inhibition"
    assert found["MKKK_P => MKK_PP"] == "catalysis"
    assert found["MKK_PP => MAPK_PP"] == "catalysis"
    assert found["!MKKK_P => MKK"] == "inhibition"
    assert network.molecule("MAPK_PP").label == "Erk2-PP"
    assert network.molecule("MAPK_PP").members


def read_quietly(path: Path) -> SignalingNetwork:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FormatWarning)
        return read_sbml(path)


@pytest.mark.parametrize("step", [8, pytest.param(1, marks=pytest.mark.slow)])
def test_published_models_are_read_with_their_signs(shared_data: Path, step):
    files = sorted((shared_data / "biomodels").glob("*.xml.gz"))
    assert len(files) == 185
    networks = [read_quietly(path) for path in files[::step]]
    assert all(any(i.sources for i in network.interactions) for network in networks)
    found = [s for network in networks for i in network.interactions for s in i.signs]
    assert found.count(0) < 0.12 * len(found)
    assert found.count(-1) > 0.15 * len(found)


def test_reading_twice_gives_the_same(shared_data: Path):
    path = shared_data / "biomodels" / "BIOMD0000000394.xml.gz"
    assert read_quietly(path) == read_quietly(path)


# -- trajectories ---------------------------------------------------------------------------------


@pytest.fixture
def decay(tmp_path) -> Path:
    units = (
        '<unitDefinition id="time" name="min"><listOfUnits>'
        '<unit kind="second" multiplier="60"/></listOfUnits></unitDefinition>'
    )
    law = apply("times", "k", "A")
    return write(tmp_path, model(["A", "B"], [("A", "B", "", law)], [("k", 0.3)], units=units))


def test_decay_is_exponential(decay):
    pytest.importorskip("roadrunner")
    times = [0, 1, 2.5, 10]
    trajectory = simulate_sbml(decay, times)
    assert trajectory.names == read_sbml(decay).names == ("A", "B")
    assert trajectory.time_unit == "minute"
    np.testing.assert_allclose(trajectory.times_hours, np.array(times) / 60)
    expected = np.exp(-0.3 * np.array(times))
    np.testing.assert_allclose(trajectory.states[:, 0], expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(trajectory.states[:, 1], 2 - expected, rtol=1e-4)
    later = simulate_sbml(decay, [1, 10])
    np.testing.assert_allclose(later.states, trajectory.states[[1, 3]], rtol=1e-4)


@pytest.mark.parametrize("rate", [1e-3, 0.3, 1e3])
def test_the_end_is_found_where_the_dynamics_are_seen(decay, rate):
    pytest.importorskip("roadrunner")
    decay.write_text(decay.read_text().replace('value="0.3"', f'value="{rate}"'))
    trajectory = simulate_sbml(decay)
    assert trajectory.states.shape == (101, 2)
    assert trajectory.states[-1, 0] < 0.05
    assert trajectory.states[5, 0] > 0.1
    assert math.isclose(simulate_sbml(decay, end=6, points=3).times_hours[-1], 0.1)


@pytest.mark.parametrize("number", [10, 26, 84])
def test_published_models_move(shared_data: Path, number):
    pytest.importorskip("roadrunner")
    path = shared_data / "biomodels" / f"BIOMD{number:010d}.xml.gz"
    trajectory = simulate_sbml(path)
    assert trajectory.names == read_quietly(path).names
    assert np.isfinite(trajectory.states).all()
    assert np.ptp(trajectory.states, axis=0).max() > 0
    assert (trajectory.states > -1e-6).all()


def test_what_cannot_be_simulated_is_an_error(tmp_path, decay):
    pytest.importorskip("roadrunner")
    fast = model(["A"], [("A", "", "", apply("power", "A", "2"))])
    fast = fast.replace('id="r0"', 'id="r0" fast="true"')
    with pytest.raises(FormatError, match="cannot load"):
        simulate_sbml(write(tmp_path, fast, "fast.xml"))
    explodes = model(["A"], [("", "A", "", apply("power", "A", "2"))])
    with pytest.raises(FormatError, match="cannot integrate"):
        simulate_sbml(write(tmp_path, explodes, "explodes.xml"), end=50)
    path = tmp_path / "long.xml"
    path.write_bytes(level_1("A" + "+A" * 4000).encode("latin-1"))
    assert signs(read_sbml(path)) == {"A => B": "conversion"}
    with pytest.raises(FormatError, match="4000 terms"):
        simulate_sbml(path)
    for times in ([0], [1, 1], [-1, 2], [2, 1]):
        with pytest.raises(ValueError, match="ascending"):
            simulate_sbml(decay, times)
    with pytest.raises(ValueError, match="end"):
        simulate_sbml(decay, end=-1)

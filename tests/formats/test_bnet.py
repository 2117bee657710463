"""Boolean networks: what the interactions state is what the functions state."""

from __future__ import annotations

import contextlib
import random
import time
import warnings
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from hmlm_fm.common.errors import FormatError, FormatWarning
from hmlm_fm.formats.logic.bnet import is_bnet, read_bnet, write_bnet
from hmlm_fm.formats.logic.implicants import interactions_of_function
from hmlm_fm.formats.logic.normal_form import distributed_terms, irredundant_terms, truth_table
from hmlm_fm.formats.logic.parsing import parse_expression
from hmlm_fm.model.network import Interaction, Molecule, SignalingNetwork


def bnet(folder: Path, text: str, name: str = "model.bnet") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def rules(network: SignalingNetwork) -> list[str]:
    return [interaction.rule for interaction in network.interactions]


def state_of(interactions, values):
    """What the interactions on one target state: OR of ANDs; an input without weight keeps its."""
    result = False
    for interaction in interactions:
        if interaction.is_input:
            weight = interaction.weight
            result = result | (values[interaction.target] if weight is None else weight == 1.0)
            continue
        term = True
        for name, sign in zip(interaction.sources, interaction.signs, strict=True):
            term = term & (values[name] if sign > 0 else values[name] ^ True)
        result = result | term
    return result


def written_functions(path: Path) -> dict[str, str]:
    """Targets and functions by a parser that is not the reader's: Python's own."""
    functions = {}
    for line in path.read_text().splitlines()[1:]:
        target, _, text = line.partition(",")
        functions[target.strip()] = text.strip()
    return functions


# -- expressions --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A & B | C", lambda a, b, c: a and b or c),
        ("A & (B | !C)", lambda a, b, c: a and (b or not c)),
        ("!(A|B)&C", lambda a, b, c: not (a or b) and c),
        ("!!A && ~B || C", lambda a, b, c: a and not b or c),
        ("not A and B or C", lambda a, b, c: not a and b or c),
        ("A AND NOT B OR C", lambda a, b, c: a and not b or c),
        ("A ^ B & C", lambda a, b, c: a != (b and c)),
        ("A xor B xor C", lambda a, b, c: (a + b + c) % 2 == 1),
        ("¬A ∧ B ∨ C", lambda a, b, c: not a and b or c),
        ("A * B + C", lambda a, b, c: a and b or c),
        ("(A & 1) | (B & 0) | C & true", lambda a, b, c: a or c),
        ('"A" & B | FALSE & C', lambda a, b, c: a and b),
    ],
)
def test_expressions_mean_what_they_say(text, expected):
    expression = parse_expression(text)
    interactions, exact = interactions_of_function("T", expression)
    assert exact
    for a, b, c in product((False, True), repeat=3):
        values = {"A": a, "B": b, "C": c}
        assert bool(expression.evaluate(values)) == bool(expected(a, b, c))
        assert bool(state_of(interactions, values)) == bool(expected(a, b, c))


@pytest.mark.parametrize(
    "name",
    ["v_Akt1", "p53.P", "IL-6", "A:B", "5'UTR", "Ca2+", "TNFα", "x/y", "1433", "A_1*", "notch"],
)
def test_names_as_found_in_files(name):
    assert parse_expression(f"!{name} & (B)").names == (name, "B")


@pytest.mark.parametrize(
    ("text", "column"),
    [("A &", ""), ("& A", "1"), ("(A", "1"), ("A)", "2"), ("A B", "3"), ("A !B", "3"), ("", ""),
     ("A | , B", "4"), ("()", "2"), ("A & & B", "5"), ('"A', "1")],
)  # fmt: skip
def test_what_is_no_expression_is_an_error_with_its_column(text, column):
    with pytest.raises(FormatError) as caught:
        parse_expression(text)
    assert caught.value.place == (f"column {column}" if column else "")


@pytest.mark.parametrize("opening", ["(", "!", "!(", "(!B & ", "(B | !(C & "])
def test_deep_nesting_is_read(opening):
    depth = 20_000
    text = opening * depth + "A" + ")" * (opening.count("(") * depth)
    assert "A" in parse_expression(text).names
    interactions, exact = interactions_of_function("T", parse_expression(text))
    assert exact
    assert interactions


def test_terms_are_prime_and_none_is_redundant():
    rng = random.Random(0)
    for _ in range(300):
        n = rng.randint(1, 5)
        table = rng.getrandbits(1 << n)
        terms = irredundant_terms(table, n)

        def covers(plain, negated, k):
            return k & plain == plain and not k & negated

        def value(some, n=n):
            return sum(1 << k for k in range(1 << n) if any(covers(p, q, k) for p, q in some))

        assert value(terms) == table
        for i, (plain, negated) in enumerate(terms):
            assert value(terms[:i] + terms[i + 1 :]) != table
            for bit in (1 << j for j in range(n) if (plain | negated) >> j & 1):
                assert value([(plain & ~bit, negated & ~bit)]) & ~table


def test_both_ways_to_a_normal_form_agree():
    rng = random.Random(1)
    names = "ABCDEF"

    def drawn(depth):
        if depth == 0 or rng.random() < 0.2:
            return rng.choice(("", "!")) + rng.choice(names)
        mark = rng.choice(("&", "|", "&", "|", "^"))
        return f"{rng.choice(('', '!'))}({drawn(depth - 1)} {mark} {drawn(depth - 1)})"

    for _ in range(200):
        expression = parse_expression(drawn(5))
        n = len(expression.names)
        terms = distributed_terms(expression)
        assert terms is not None
        table = truth_table(expression)
        for k in range(1 << n):
            held = any(k & p == p and not k & q for p, q in terms)
            assert held == bool(table >> k & 1)
            values = {name: bool(k >> i & 1) for i, name in enumerate(expression.names)}
            assert bool(expression.evaluate(values)) == held


def test_too_many_terms_give_an_interaction_per_variable(tmp_path):
    pairs = " & ".join(f"(a{i} | !b{i})" for i in range(30)) + " & (a0 | !a0 & c)"
    parity = " ^ ".join(f"x{i}" for i in range(14))
    with pytest.warns(FormatWarning, match="logic of T, P takes too many terms"):
        network = read_bnet(bnet(tmp_path, f"T, {pairs}\nP, {parity}\n"))
    signs = {(i.sources[0], i.target): i.signs for i in network.interactions if not i.is_input}
    assert signs["a1", "T"] == (1,)
    assert signs["b1", "T"] == (-1,)
    assert signs["a0", "T"] == (0,)
    assert signs["x3", "P"] == (0,)


def test_long_functions_take_no_time():
    minterms = " | ".join(
        "(" + " & ".join(("" if k >> i & 1 else "!") + f"x{i}" for i in range(18)) + ")"
        for k in range(0, 1 << 18, 97)
    )
    long_chain = " | ".join(f"y{i}" for i in range(5000))
    start = time.monotonic()
    for text in (minterms, long_chain, " ^ ".join(f"z{i}" for i in range(40))):
        interactions_of_function("T", parse_expression(text))
    assert time.monotonic() - start < 15


# -- files --------------------------------------------------------------------------------------


def test_a_file_with_everything(tmp_path):
    network = read_bnet(
        bnet(
            tmp_path,
            "# a comment\n\ntargets, factors\nA, B & !C  # why\nB,\tA|C\nC, C\n\nD, 1\nE,0\n"
            "F, F | A\nG, (A & !B) | (!A & B);\nH, A & !A\nI, missing\n",
            "007_TOY-MODEL.bnet",
        )
    )
    assert rules(network) == [
        "B & !C => A", "A => B", "C => B", "=> C", "=> D", "=> E", "F => F", "A => F",
        "A & !B => G", "!A & B => G", "=> H", "missing => I", "=> missing",
    ]  # fmt: skip
    weights = {i.target: i.weight for i in network.interactions if i.is_input}
    assert weights == {"C": None, "D": 1.0, "E": 0.0, "H": 0.0, "missing": None}
    assert network.names == (*"ABCDEFGHI", "missing")
    assert (network.name, network.title) == ("007_TOY-MODEL", "TOY MODEL")
    assert [p.name for p in network.pathways] == ["007_TOY-MODEL"]
    assert all(m.pathways == ("007_TOY-MODEL",) for m in network.molecules)
    assert network.logic_known


def test_a_prefix_is_dropped_only_where_all_names_have_it(tmp_path):
    network = read_bnet(bnet(tmp_path, "targets,factors\nv_AKT1, v_NF_kB\n"))
    assert network.names == ("AKT1", "NF_kB")
    assert network.molecule("AKT1").members == ("AKT1",)
    assert read_bnet(bnet(tmp_path, "v_A, B\n")).names == ("v_A", "B")


def test_odd_files_are_read(tmp_path):
    assert rules(read_bnet(bnet(tmp_path, "﻿Targets, Functions\r\nA, B\r\n"))) == ["B => A", "=> B"]
    assert rules(read_bnet(bnet(tmp_path, "A b, C\nC, !A b\n"))) == ["C => A b", "!A b => C"]
    assert rules(read_bnet(bnet(tmp_path, '"A, x", C\n'))) == ["C => A, x", "=> C"]
    assert rules(read_bnet(bnet(tmp_path, "factors, targets\n"))) == [
        "targets => factors", "=> targets",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A, B\n\nA, C\n", "line 3: the target 'A' was already defined in line 1"),
        ("A, B\nB, (A & \n", "line 2: function of 'B': the Boolean function breaks off"),
        ("A, B\nB A\n", "line 2: found 'B A'; expected 'target, function'"),
        ("A,\n", "line 1: found 'A,'"),
        (", A\n", "line 1"),
        ("targets, factors\n# nothing\n", "it is empty"),
        ("", "it is empty"),
        ("just some words of prose, and nothing that is a network\n", "line 1"),
        ("<xml>, a\n", "line 1"),
        ("A, " + "(" * 5000 + "B\n", "found '(' without its ')'"),
    ],
)
def test_bad_files_are_errors_with_their_line(tmp_path, text, expected):
    with pytest.raises(FormatError) as caught:
        read_bnet(bnet(tmp_path, text))
    assert expected in str(caught.value)
    assert "model.bnet" in str(caught.value)


def test_recognised_by_content():
    assert is_bnet(["", "# c", "targets, factors"])
    assert is_bnet(["A, B & !C"])
    assert not is_bnet(["A\t1\tB"])
    assert not is_bnet(["pathway\tsource,x\ttarget"])
    assert not is_bnet(["just some words, and more words of prose"])
    assert not is_bnet([])


def test_writing_says_what_is_lost(tmp_path, toy_network):
    path = tmp_path / "toy.bnet"
    with pytest.warns(UserWarning, match="bnet does not hold"):
        lost = write_bnet(toy_network, path)
    assert any("kinetic parameters" in words for words in lost)
    again = read_bnet(path)
    assert "EGFR & !PTEN => PIP3" in rules(again)
    odd = SignalingNetwork(
        "odd",
        (Molecule("A B"), Molecule("A_B"), Molecule("or"), Molecule("C")),
        (Interaction(("A B", "or"), (1, 0), "C"), Interaction((), (), "C", "input", 0.5)),
        logic_known=False,
    )
    with pytest.warns(UserWarning, match="spelling of 2 names"):
        lost = write_bnet(odd, path)
    assert len(lost) == 6
    assert rules(read_bnet(path)) == ["=> A_B_", "=> A_B", "=> or_", "A_B_ & or_ => C"]


def test_mutilated_files_are_networks_or_errors(tmp_path):
    text = 'targets, factors\nA, B & (!C | D)\nB, (A | !"D e") & C\nC, 1\nD, !(A ^ B)\n'
    rng = random.Random(3)
    for i in range(400):
        characters = list(text)
        for _ in range(rng.randint(1, 8)):
            start = rng.randrange(len(characters))
            del characters[start : start + rng.randint(1, 4)]
            if rng.random() < 0.5:
                odd = rng.choice('(),!&|\n"#\0\u2028x ')
                characters.insert(start % (len(characters) + 1), odd)
        path = bnet(tmp_path, "".join(characters), f"{i % 5}.bnet")
        with contextlib.suppress(FormatError):
            assert isinstance(read_bnet(path), SignalingNetwork)


# -- the published networks -----------------------------------------------------------------------


def check_equivalence(path: Path, folder: Path, samples: int = 64) -> int:
    """Interactions, and what is written of them, state what the file states; how many targets."""
    rng = np.random.default_rng(0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        network = read_bnet(path)
        write_bnet(network, folder / path.name)
        again = read_bnet(folder / path.name)
    messages = " ".join(str(w.message) for w in caught if issubclass(w.category, FormatWarning))
    inexact = {i.target for i in network.interactions if messages and len(i.sources) == 1}
    values = {name: rng.random(samples) < 0.5 for name in network.names}
    of_target = {name: [] for name in network.names}
    of_target_again = {name: [] for name in network.names}
    for interaction in network.interactions:
        of_target[interaction.target].append(interaction)
    for interaction in again.interactions:
        of_target_again[interaction.target].append(interaction)
    functions = written_functions(path)
    for target, text in functions.items():
        name = target.removeprefix("v_")
        if name in inexact:
            continue
        known = {f"v_{n}": v for n, v in values.items()}
        expression = parse_expression(text)
        expected = np.broadcast_to(expression.evaluate(known), samples)
        assert (state_of(of_target[name], values) == expected).all(), (path.name, target)
        assert (state_of(of_target_again[name], values) == expected).all(), (path.name, target)
    return len(functions)


def test_some_published_networks_mean_what_they_say(shared_data: Path, tmp_path):
    files = sorted((shared_data / "boolean").glob("*.bnet"))
    assert len(files) == 275
    assert sum(check_equivalence(path, tmp_path) for path in files[::8]) > 1000


@pytest.mark.slow
def test_all_published_networks_mean_what_they_say(shared_data: Path, tmp_path):
    files = sorted((shared_data / "boolean").glob("*.bnet"))
    assert sum(check_equivalence(path, tmp_path) for path in files) == 16480


def test_the_erbb_network(shared_data: Path):
    network = read_bnet(shared_data / "boolean" / "004_ERBB-RECEPTOR-SIGNALING.bnet")
    assert network.title == "ERBB RECEPTOR SIGNALING"
    assert "PLA2 => AA" in rules(network)
    assert "Integrins & ECM & Gas & Gbg_i => AC" in rules(network)
    # ARF's text holds ((A | B) with ARF off) | (ARF with PIP2 off), which shrinks.
    assert all(len(i.sources) <= 3 for i in network.interactions if i.target == "ARF")

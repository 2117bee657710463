"""The simulator against the authors' stored responses, SciPy, hand-worked values and invariants."""

import csv
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from toys import toy_network

from hmlm_fm import load_network
from hmlm_fm.dynamics import elimination, w_method
from hmlm_fm.dynamics.elimination import Elimination, iterate
from hmlm_fm.dynamics.equations import Equations, Forcing, GroupedProduct, drive_of, hill
from hmlm_fm.dynamics.logic_ode import LogicODE
from hmlm_fm.dynamics.simulator import simulate, simulate_system
from hmlm_fm.dynamics.w_method import PATH_WEIGHTS, STATE_WEIGHTS
from hmlm_fm.model.condition_tensors import ConditionTensors
from hmlm_fm.model.conditions import Condition, Perturbation
from hmlm_fm.model.network import Interaction, Molecule, NetworkError, SignalingNetwork

NETFLUX = (
    "netflux/BSD3_Netflux_exampleNet.xlsx",
    "netflux/BSD3_Netflux_kraeutler_betaAdrenergic_bmcsysbio2010.xlsx",
    "netflux/BSD3_Netflux_ryall_cardiomyocyte_hypertrophy_jbc2012.xlsx",
    "netflux/BSD3_Netflux_tan_mechanosignaling_ploscb2017.xlsx",
    "netflux/BSD3_Netflux_zeigler_fibroblast_jmcc2016.xls",
    "netflux/Brahma-Model.xlsx",
    "netflux/MYBPC3_HCMDCM_2026.xlsx",
    "fibroblast/snm_1_1_rev4.xlsx",
)


def test_the_authors_stored_responses_are_reproduced(shared_data):
    network = load_network("cardiac-fibroblast")
    rows = list(csv.DictReader((shared_data / "fibroblast/validation_act_delta.csv").open()))
    base = dict.fromkeys(network.inputs, 0.1) | {"tension": 0.4}
    before = simulate(network, [Condition(base)], [80.0])[0, -1]
    raised = [Condition(base | {row["input"]: 0.8}) for row in rows]
    after = simulate(network, raised, [240.0], initial=before)[:, -1]
    stored = torch.tensor([[float(row[n]) for n in network.names] for row in rows])
    assert (after - before - stored).abs().max() < 1e-3


@pytest.mark.parametrize("file", NETFLUX)
def test_scipy_agrees(shared_data, file):
    network = load_network(shared_data / file)
    system = LogicODE.from_network(network)
    inputs = system.input_weight[:, None]

    def slope(_: float, y: np.ndarray) -> np.ndarray:
        state = torch.from_numpy(y)[:, None]
        return ((drive_of(system, state, inputs) - state)[:, 0] / system.tau_hours).numpy()

    times = [0.0, 0.3, 2.0, 10.0, 48.0]
    expected = solve_ivp(
        slope, (0, 48), system.y0.numpy(), "LSODA", t_eval=times, rtol=1e-8, atol=1e-10
    ).y.T
    found = simulate(network, [Condition()], times)[0]
    assert np.abs(found.numpy() - expected).max() < 1e-4


def test_hill_meets_its_three_points():
    n, ec50 = torch.tensor(1.25), torch.tensor(0.6)
    found = hill(torch.tensor([0.0, 0.6, 1.0, 1.7]), n, ec50**n)
    assert torch.allclose(found, torch.tensor([0.0, 0.5, 1.0, 1.0]), atol=1e-6)
    # Where EC50ⁿ is one half, the published form has a singularity and this one is a line in xⁿ.
    assert torch.isclose(
        hill(torch.tensor(0.3), torch.tensor(1.0), torch.tensor(0.5)), torch.tensor(0.3)
    )


@pytest.mark.parametrize(("n", "ec50"), [(1.4, 0.5), (1.0, 0.1), (0.1, 0.05)])
def test_hill_starts_at_next_to_nothing(n, ec50):
    n, ec50 = torch.tensor(n).double(), torch.tensor(ec50).double()
    assert 0 < hill(torch.zeros(1).double(), n, ec50**n) < (1e-12 / ec50) ** n


def test_hand_worked_network():
    """A rises to its input with τ = 2 h; B has no regulator, so it stays where it is pulled: 0."""
    network = SignalingNetwork(
        "hand",
        (Molecule("A", tau_hours=2.0), Molecule("B", tau_hours=1.0, y0=0.5)),
        (Interaction((), (), "A", "input", weight=0.5),),
    )
    found = simulate(network, [Condition()], [0.0, 2.0, 4.0])[0]
    assert torch.allclose(
        found[:, 0], 0.5 * (1 - torch.exp(-torch.tensor([0.0, 1.0, 2.0]).double()))
    )
    assert torch.allclose(found[:, 1], 0.5 * torch.exp(-torch.tensor([0.0, 2.0, 4.0]).double()))


def test_and_or_and_not():
    """At saturated sources: AND of 1 and NOT 1 is 0; OR of two halves is three quarters."""
    network = SignalingNetwork(
        "logic",
        tuple(Molecule(n) for n in "ABCD"),
        (
            Interaction((), (), "A", "input", weight=1.0),
            Interaction((), (), "B", "input", weight=1.0),
            Interaction(("A", "B"), (1, -1), "C"),
            Interaction(("A",), (1,), "D", weight=0.5),
            Interaction(("B",), (1,), "D", weight=0.5),
        ),
    )
    system = LogicODE.from_network(network)
    drive = drive_of(system, torch.ones(4, 1, dtype=torch.float64), system.input_weight[:, None])
    assert torch.allclose(drive[:, 0], torch.tensor([1.0, 1.0, 0.0, 0.75]).double())


def test_stimuli_replace_weights_and_join_by_or():
    network = toy_network()
    found = simulate(
        network, [Condition({"EGF": 0.7}), Condition({"ERK": 1.0}), Condition()], [400.0]
    )[:, 0]
    index = network.molecule_index
    assert found[0, index["EGF"]].item() == pytest.approx(0.7, abs=1e-5)
    assert found[2, index["EGF"]].item() == pytest.approx(0.1, abs=1e-5)
    assert found[1, index["ERK"]].item() == pytest.approx(1.0, abs=1e-5)


def test_perturbations_do_what_they_are_defined_to():
    network = toy_network()
    base = {"EGF": 0.9, "TGFB1": 0.9}
    kinds = {
        "none": (),
        "knockout": (Perturbation("ERK"),),
        "late": (Perturbation("ERK", start_hours=1.3),),
        "knockdown": (Perturbation("ERK", "knockdown", 0.5),),
        "over": (Perturbation("ERK", "overexpression", 0.5),),
        "clamp": (Perturbation("ERK", "clamp", 0.37, 2.0, 5.0),),
        "inhibition": (Perturbation("ERK", "inhibition", 1.0),),
    }
    times = [0.0, 1.29, 1.3, 3.0, 100.0]
    found = simulate(network, [Condition(base, p) for p in kinds.values()], times, torch.ones(6))
    row, erk, dusp1 = {k: i for i, k in enumerate(kinds)}, 3, 4
    plain = found[row["none"], -1, erk]
    assert (found[row["knockout"], :, erk] == 0).all()
    assert found[row["late"], 1, erk] > 0.2
    assert (found[row["late"], 2:, erk] == 0).all()
    assert found[row["knockdown"], -1, erk] < 0.75 * plain
    assert found[row["over"], -1, erk] > 1.1 * plain
    assert found[row["clamp"], 3, erk] == pytest.approx(0.37)
    assert found[row["clamp"], -1, erk] == pytest.approx(float(plain), abs=1e-5)
    assert found[row["inhibition"], -1, dusp1] < 1e-3
    assert found[row["inhibition"], -1, erk] > 0.1


def test_a_condition_does_not_depend_on_its_neighbours():
    network = toy_network()
    first = Condition({"EGF": 0.8})
    alone = simulate(network, [first], [5.0])
    beside = simulate(network, [first, Condition({"TGFB1": 1.0}, (Perturbation("RAS"),))], [5.0])
    assert torch.allclose(alone[0], beside[0], atol=1e-5)


def test_joined_networks_do_not_interact():
    systems = [LogicODE.from_network(toy_network()) for _ in range(2)]
    conditions = [Condition({"EGF": 0.8}, (Perturbation("TGFB1"),)), Condition({"TGFB1": 0.6})]
    tensors = ConditionTensors.from_conditions(conditions, toy_network())
    joined = simulate_system(
        LogicODE.joined(systems), ConditionTensors.join([tensors, tensors]), [1.0, 9.0]
    )
    alone = simulate_system(systems[0], tensors, [1.0, 9.0])
    assert torch.allclose(joined[:, :6], alone, atol=1e-5)
    assert torch.allclose(joined[:, 6:], alone, atol=1e-5)


def test_gradients_reach_parameters():
    system = LogicODE.from_network(toy_network())
    system.tau_hours.requires_grad_()
    tensors = ConditionTensors.from_conditions([Condition({"EGF": 0.9})], toy_network())

    def erk(tau: float) -> float:
        moved = LogicODE.from_network(toy_network())
        moved.tau_hours[2] = tau
        return float(simulate_system(moved, tensors, [2.0])[0, 3, 0])

    simulate_system(system, tensors, [2.0])[0, 3, 0].backward()
    numeric = (erk(0.5 + 1e-3) - erk(0.5 - 1e-3)) / 2e-3
    assert float(system.tau_hours.grad[2]) == pytest.approx(numeric, rel=1e-2)


def test_grouped_product_handles_empty_groups():
    values = torch.tensor([[2.0], [3.0], [5.0]])
    product = GroupedProduct(torch.tensor([2, 0, 2]), 4)(values)
    assert product[:, 0].tolist() == [3.0, 1.0, 10.0, 1.0]


@pytest.mark.parametrize("sizes", [[0, 0], [1], [5, 0, 1, 2, 7], [3, 4]])
def test_products_and_those_of_the_others(sizes):
    groups = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    shuffled = torch.randperm(len(groups), generator=torch.Generator().manual_seed(0))
    group = groups[shuffled]
    values = torch.rand(len(groups) + 1, 3, dtype=torch.float64)
    values[-1] = 1
    product = GroupedProduct(group, len(sizes))
    factors = []
    found = product.pairwise(values, factors).index_select(0, product.row_of_group)
    scale = torch.rand(len(sizes), 3, dtype=torch.float64)
    others = product.others(factors, scale.index_select(0, product.group_of_row))
    for i in range(len(sizes)):
        assert torch.allclose(found[i], values[:-1][group == i].prod(0))
    for j in range(len(groups)):
        same = group == group[j]
        same[j] = False
        assert torch.allclose(others[j], values[:-1][same].prod(0) * scale[group[j]])


def conditions_of_all_kinds(network: SignalingNetwork) -> list[Condition]:
    """Stimuli with knock-outs, and windows of every other kind that open and close."""
    names, inputs = network.names, network.inputs
    windows = [
        Perturbation(names[7], "inhibition", 0.7, 1.3, 9.0),
        Perturbation(names[11], "knockdown", 0.5, 0.0, 20.0),
        Perturbation(names[15], "overexpression", 0.4, 2.5),
        Perturbation(names[30], "clamp", 0.8, 4.0, 4.5),
    ]
    rows = [Condition({name: 0.9}) for name in inputs[:4]]
    rows += [Condition({inputs[0]: 0.6}, (Perturbation(name),)) for name in names[20:24]]
    return rows + [Condition({inputs[i]: 0.7}, (window,)) for i, window in enumerate(windows)]


@pytest.mark.parametrize("size", [1, 4, 40, 150])
def test_an_elimination_is_exact_but_for_its_core(size, monkeypatch):
    monkeypatch.setattr(elimination, "CORE_ITERATIONS", 60)
    draw = torch.Generator().manual_seed(size)
    # With loops of one molecule, paths of two literals, and molecules without sources or targets.
    source, target = torch.randint(size, (2, 2 * size), generator=draw)
    coupling = 0.2 * torch.randn(2 * size, 3, generator=draw, dtype=torch.float64)
    right = torch.rand(size, 3, generator=draw, dtype=torch.float64)
    found = Elimination(source, target, size)
    solved = found.solve(right.clone(), found.couplings(coupling))
    systems = torch.eye(size, dtype=torch.float64).repeat(3, 1, 1)
    for system, coupling_J in zip(systems, coupling.T, strict=True):
        system.index_put_((target, source), -coupling_J, accumulate=True)
    exact = torch.linalg.solve(systems, right.T).T
    assert torch.allclose(solved, exact, atol=1e-9)
    assert torch.allclose(iterate(right, source, target, coupling, 60), exact, atol=1e-9)


def test_the_core_of_a_network_is_small():
    equations = Equations(LogicODE.from_network(load_network("cardiac-fibroblast")))
    found = Elimination(equations.source_J, equations.target_J, 109)
    assert len(found.core) <= 12


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_error_stays_near_the_tolerance(dtype):
    network = load_network("cardiac-fibroblast")
    conditions, times = conditions_of_all_kinds(network), [0.0, 0.5, 1.3, 4.0, 4.2, 4.5, 9.0, 33.3]
    rest = torch.full((len(network.molecules),), 0.2)
    exact = simulate(network, conditions, times, rest, tolerance=1e-6)
    for tolerance in (1e-3, 1e-4):
        found = simulate(network, conditions, times, rest, tolerance=tolerance, dtype=dtype)
        assert (found - exact).abs().max() < 6 * tolerance


def test_conditions_of_other_lengths_leave_a_condition_as_it_is():
    network = load_network("cardiac-fibroblast")
    conditions, times = conditions_of_all_kinds(network), [0.0, 0.4, 4.0, 21.0, 48.0]
    together = simulate(network, conditions, times, tolerance=1e-5)
    for row in (0, 5, 9, 11):
        alone = simulate(network, conditions[row : row + 1], times, tolerance=1e-5)
        assert (alone[0] - together[row]).abs().max() < 3e-5


def test_asking_for_more_times_changes_no_state():
    network = toy_network()
    conditions = [Condition({"EGF": 0.9}, (Perturbation("ERK", start_hours=1.7),))]
    few = simulate(network, conditions, [1.7, 5.0, 30.0])
    many = simulate(network, conditions, [0.1 * i for i in range(301)])[:, [17, 50, 300]]
    assert torch.allclose(few, many, atol=1e-6)
    assert few[0, 0, 3] == many[0, 0, 3] == 0, "a window that opens at a query time is open"


def test_the_path_of_a_step_ends_where_the_step_does():
    end = torch.tensor(STATE_WEIGHTS[-1]).double() + torch.tensor([0.0, 0.0, 0.0, 1.0])
    assert torch.allclose(PATH_WEIGHTS.sum(0), end)


def test_linearised_drives_are_derivatives():
    network = toy_network()
    system = LogicODE.from_network(network)
    effects = ConditionTensors.from_conditions(
        [Condition(perturbations=(Perturbation("RAS", "inhibition", 0.3),))], network
    ).effects_at(torch.zeros(1))
    inputs = system.input_weight[:, None]
    forcing = Forcing.from_effects(system.ymax, inputs, effects.transposed())
    state = torch.linspace(0.2, 0.9, 6, dtype=torch.float64)[:, None]
    equations = Equations(system)
    scale = torch.linspace(0.5, 2.0, 6, dtype=torch.float64)[:, None]
    drive, slopes = equations.linearised(state, forcing, scale)
    assert torch.equal(drive, equations.drive(state, forcing))
    found = torch.zeros(6, 6, dtype=torch.float64).index_put(
        (equations.target_J, equations.source_J), slopes[:, 0], accumulate=True
    )
    exact = torch.autograd.functional.jacobian(
        lambda y: equations.drive(y[:, None], forcing)[:, 0], state[:, 0]
    )
    assert torch.allclose(found, scale * exact)


@pytest.mark.parametrize("most_iterations", [100, 0])
def test_gradients_of_every_parameter(most_iterations, monkeypatch):
    """With couplings that are iterated, and that are eliminated."""
    monkeypatch.setattr(w_method, "MOST_ITERATIONS", most_iterations)
    network = toy_network()
    tensors = ConditionTensors.from_conditions(
        [Condition({"EGF": 0.9}), Condition({"TGFB1": 0.5}, (Perturbation("RAS", "clamp", 0.4),))],
        network,
    )
    names = ("tau_hours", "ymax", "weight", "n", "c", "y0")
    start = LogicODE.from_network(network)

    def states(*values: torch.Tensor) -> torch.Tensor:
        system = replace(start, **dict(zip(names, values, strict=True)))
        return simulate_system(system, tensors, [0.5], tolerance=1e-8)

    values = [getattr(start, name).clone() for name in names]
    values[-1] = values[-1] + 0.2
    for value in values:
        value.requires_grad_()
    assert torch.autograd.gradcheck(states, values, eps=1e-4, atol=1e-3, rtol=1e-3, fast_mode=True)


def test_errors_name_what_is_wrong():
    network = toy_network()
    with pytest.raises(NetworkError, match="EGFx"):
        simulate(network, [Condition({"EGFx": 1.0})], [1.0])
    with pytest.raises(ValueError, match="times"):
        simulate(network, [Condition()], [2.0, 1.0])
    with pytest.raises(ValueError, match="shape"):
        simulate(network, [Condition()], [1.0], initial=torch.ones(5))
    with pytest.raises(ValueError, match="an initial state is -1; expected numbers of at least 0"):
        simulate(network, [Condition()], [1.0], initial=torch.tensor([0, 0, -1.0, 0, 0, 0]))
    unknown = SignalingNetwork(
        "unknown", (Molecule("A"), Molecule("B")), (Interaction(("A",), (0,), "B"),)
    )
    with pytest.raises(NetworkError, match="unknown sign"):
        simulate(unknown, [Condition()], [1.0])
    with pytest.raises(ValueError, match="strength"):
        Perturbation("A", "knockdown", 1.5)
    with pytest.raises(ValueError, match="always whole, expected 1, or the kind knockdown"):
        Perturbation("A", "knockout", 0.5)
    with pytest.raises(ValueError, match="kind"):
        Perturbation("A", "removal")
    with pytest.raises(ValueError, match="level"):
        Condition({"A": 2.0})


def test_what_is_no_number_ends_in_an_error_and_not_in_a_loop():
    network = toy_network()
    with pytest.raises(ValueError, match="not all finite"):
        simulate(network, [Condition()], [1.0], initial=torch.full((6,), math.nan))
    broken = LogicODE.from_network(network)
    broken.weight[0] = math.nan
    rows = ConditionTensors.from_conditions([Condition()], network)
    with pytest.raises(ValueError, match="infinite or no number"):
        simulate_system(broken, rows, [1.0])


def test_kinetics_beyond_floating_point_are_refused():
    network = SignalingNetwork(
        "steep",
        (Molecule("A"), Molecule("B")),
        (
            Interaction((), (), "A", "input", weight=0.5),
            Interaction(("A",), (1,), "B", n=300.0, ec50=0.05),
        ),
    )
    with pytest.raises(NetworkError, match="'A => B' has n 300 and EC50 0.05"):
        simulate(network, [Condition()], [0.0, 30.0])


def test_an_empty_query_has_an_empty_result():
    assert simulate(toy_network(), [], [0.0, 1.0]).shape == (0, 2, 6)
    assert simulate(toy_network(), [Condition()], []).shape == (1, 0, 6)

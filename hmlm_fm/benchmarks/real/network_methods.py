"""The methods of `hmlm benchmark real` that know networks: HMLM, and others that are fitted.

Shapes: C shown conditions, Q queries, K treatments, M outputs, T times, N molecules.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ...inference.response_prediction import predict_responses
from ...measurements.baseline import Baseline
from ...measurements.response_tasks_of_sets import response_task
from ...measurements.set_on_network import SetOnNetwork
from ...measurements.time_scale import time_scale_for
from ...model.modeling_hmlm import HMLMForSignaling
from ...model.response_features import ResponseTask
from ..baselines.hmlm import HMLMPredictor
from .folds import Shown
from .methods import Answer


class OnNetwork:
    """A method of simulated tasks, told a measured set as activities of a network.

    Args:
        make: the method.
        with_network: whether it is shown the set's network, or treatments and readouts alone.
    """

    def __init__(self, make: Callable[[], Baseline], with_network: bool = True) -> None:
        self.make, self.with_network = make, with_network

    def answer(self, shown: Shown) -> Answer:
        network = shown.measured.network if self.with_network else None
        on_network = SetOnNetwork(shown.measured, shown.outputs, network)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what the network has not, which the set has
            data = on_network.measurements(shown.doses, shown.changes)
            queries = on_network.conditions(shown.query_doses)
        time_scale = time_scale_for(data.times_hours)
        data = data.in_model_hours(time_scale)
        method = self.make().fit(data)
        scale, rest = on_network.instrument(shown.changes)
        if isinstance(method, HMLMPredictor):
            predicted = method.predict_with_sd(queries, data.times_hours)
            states, sd = predicted.states, on_network.outputs_of(predicted.scale) / scale
        else:
            states, sd = method.predict(queries, data.times_hours), None
        return Answer((on_network.outputs_of(np.asarray(states)) - rest) / scale, sd)


class InContext:
    """HMLM in context: its head for measured sets, without a gradient step.

    Args:
        model: with such a head.
        altered: what a control makes of the task.
    """

    def __init__(
        self,
        model: HMLMForSignaling,
        altered: Callable[[ResponseTask], ResponseTask] = lambda task: task,
    ) -> None:
        self.model, self.altered = model, altered

    def answer(self, shown: Shown) -> Answer:
        task = response_task(
            shown.measured,
            shown.treatments,
            shown.outputs,
            shown.doses,
            shown.changes,
            shown.query_doses,
        )
        return Answer(*predict_responses(self.model, self.altered(task)))


def with_shuffled_network(task: ResponseTask) -> ResponseTask:
    """The task with the influences of other treatments on other outputs."""
    rng = np.random.default_rng(0)
    treatments, outputs = (rng.permutation(n) for n in task.signed.shape)
    return replace(
        task,
        signed=task.signed[treatments][:, outputs],
        reach=task.reach[treatments][:, outputs],
    )

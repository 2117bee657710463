"""How much memory a step of work takes at its peak, in a process of its own.

The number is `getrusage`'s maximum of the resident set after the step, less what was resident just
before it, when whatever the step works on was made already and a small step had loaded every
kernel. It is the median of three processes, since allocators do not do the same twice. They are
forked from a server that has imported the package: a program that is started afresh would inherit
the maximum of whoever started it.
"""

from __future__ import annotations

import multiprocessing
import statistics
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

import psutil
import torch

from ...model.error_base import HMLMError

Step = Callable[[], object]
PROCESSES = 3
# Linux counts kilobytes, macOS bytes.
UNIT_BYTES = 1 if sys.platform == "darwin" else 1024


def peak_megabytes(prepare: Callable[..., tuple[Step, Step]], *arguments: object) -> float:
    """Peak memory of a step in megabytes of 10⁶ bytes, the median of some processes.

    Args:
        prepare: a function of a module, which makes a small step of the same kind and the step.
        arguments: of `prepare`, handed over to the process.

    Raises:
        HMLMError: this system cannot fork or count.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        raise HMLMError("peak memory is measured on Linux and macOS alone")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([prepare.__module__])
    found = []
    for _ in range(PROCESSES):
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            found.append(pool.submit(_measure, prepare, arguments).result())
    return statistics.median(found)


def _measure(prepare: Callable[..., tuple[Step, Step]], arguments: tuple[object, ...]) -> float:
    import resource  # not on every system

    torch.set_num_threads(1)
    warm_up, step = prepare(*arguments)
    warm_up()
    before = psutil.Process().memory_info().rss
    step()
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * UNIT_BYTES
    return max(most - before, 0) / 1e6

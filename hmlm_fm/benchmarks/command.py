"""The run of one task of `hmlm benchmark` from its options.

What computes is imported when a benchmark is run.
"""

from __future__ import annotations

from .benchmark_options import BenchmarkOptions, Log

QUICK_NOTE = (
    "A quick look: few members and steps, which starves entries that start far from where they "
    "end, the fitted baselines above all. Leave --quick out to compare entries.\n\n"
)


def run_benchmark(options: BenchmarkOptions, log: Log = print) -> str:
    """Run one task; returns its tables as Markdown.

    Args:
        log: is called with a line of progress now and then.

    Raises:
        HMLMError: options that make no sense; a network that cannot be read or has no dynamics; a
            file that cannot be written.
    """
    options.check()
    from .report import write_json  # torch takes its time
    from .runners import RUNNERS

    report = RUNNERS[options.task](options, log)
    if options.json is not None:
        write_json(
            options.json, options.task, report.results, track=options.track, model=options.model,
            quick=options.quick, command=options.command(), **report.about,
        )  # fmt: skip
    if options.figure is not None:
        report.draw(options.figure)
    return (QUICK_NOTE if options.quick else "") + report.table

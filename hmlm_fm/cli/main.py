"""The command `hmlm`. What a command needs is imported when it runs."""

from __future__ import annotations

import typer

from ..benchmarks.benchmark_options import BenchmarkOptions
from ..pretraining.response_options import ResponseOptions
from .command_options import (
    ConvertOptions,
    CrosstalkOptions,
    InfoOptions,
    NetworkOptions,
    PredictOptions,
    ReadoutsOptions,
    SimulateOptions,
)
from .dataclass_command import add_command

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
_PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


@app.callback()
def hmlm() -> None:
    """Cell signalling networks as a language."""


def _predict(options: PredictOptions) -> None:
    from .predict import run_prediction

    run_prediction(options)


def _simulate(options: SimulateOptions) -> None:
    from .simulation import run_simulation

    run_simulation(options)


def _convert(options: ConvertOptions) -> None:
    from .conversion import run_conversion

    run_conversion(options)


def _readouts(options: ReadoutsOptions) -> None:
    from .readout_drafts import run_readouts

    run_readouts(options)


def _crosstalk(options: CrosstalkOptions) -> None:
    from .pathway_scores import run_crosstalk

    run_crosstalk(options)


def _network(options: NetworkOptions) -> None:
    from .network_building import run_network

    run_network(options)


def _info(options: InfoOptions) -> None:
    from .info import run_info

    run_info(options)


def _responses(options: ResponseOptions) -> None:
    from ..pretraining.response_run import run_response_training

    run_response_training(options, lambda line: typer.echo(line, err=True))
    typer.echo(f"{options.out}: {options.checkpoint} with a head for measured sets")


def _benchmark(options: BenchmarkOptions) -> None:
    from ..benchmarks.command import run_benchmark

    typer.echo(run_benchmark(options, lambda line: typer.echo(line, err=True)))


add_command(
    app, "predict", PredictOptions, _predict,
    "hmlm predict hmlm-small --network cardiac-fibroblast --stimulus TGFB=0.8 --knockout smad3 "
    "--hours 0,6,24 --out predicted.csv --plot predicted.png",
)  # fmt: skip
add_command(
    app, "simulate", SimulateOptions, _simulate,
    "hmlm simulate cardiac-fibroblast --stimulus TGFB=0.8 --knockout smad3 --out simulated.csv",
)  # fmt: skip
add_command(
    app, "benchmark", BenchmarkOptions, _benchmark,
    "hmlm benchmark conditions --network cardiac-fibroblast --budget 16x4 "
    "--entries hold,training-mean --json results.json",
    "the same command resumes it",
)  # fmt: skip
add_command(
    app, "convert", ConvertOptions, _convert, "hmlm convert cardiac-fibroblast fibroblast.sif"
)
add_command(
    app, "readouts", ReadoutsOptions, _readouts,
    "hmlm readouts measured.csv --out drafted.csv --targets-out targets.csv",
)  # fmt: skip
add_command(
    app, "crosstalk", CrosstalkOptions, _crosstalk,
    "hmlm crosstalk cardiac-fibroblast --out pairs.csv --plot pairs.png",
)  # fmt: skip
add_command(
    app, "network", NetworkOptions, _network,
    "hmlm network --readouts readouts.csv --conditions conditions.csv --source core --out net.json "
    "--plot net.png",
)  # fmt: skip
add_command(
    app, "responses", ResponseOptions, _responses,
    "hmlm responses hmlm-small responses --worlds worlds --steps 2",
    "the same command goes on from the last checkpoint",
)  # fmt: skip
add_command(app, "info", InfoOptions, _info, "hmlm info hmlm-small")


@app.command(context_settings=_PASSED_ON)
def finetune(context: typer.Context) -> None:
    """Fit the gates of a network to measurements; the same as finetune/run.py."""
    from .finetune import run

    raise typer.Exit(run(context.args))


@app.command(context_settings=_PASSED_ON)
def pretrain(context: typer.Context) -> None:
    """Pretrain on pathways; the same as pretrain/run.py."""
    from .pretrain import run

    raise typer.Exit(run(context.args))


@app.command(context_settings=_PASSED_ON)
def corpus(context: typer.Context) -> None:
    """Build corpora, simulate them, and check what the package ships."""
    from .corpus import run_corpus

    raise typer.Exit(run_corpus(context.args))


def main() -> None:
    app()


if __name__ == "__main__":
    main()

"""The command `hmlm`."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from ..common.files import check_output_files, refuse_to_overwrite
from ..common.words import counted, in_one_line, warnings_in_lines
from ..corpora import load_corpus
from ..formats import FormatError, Identifiers, shipped_networks
from ..formats.measured.condition_tables import write_conditions, write_observations
from ..formats.measured.midas import INHIBITION, read_midas
from ..formats.network_choice import one_network
from ..formats.output_formats import files_to_write, writable_format, write_networks
from ..model.network import NetworkError, SignalingNetwork

_STRENGTH = "NAME=STRENGTH[@START-END]"

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def hmlm() -> None:
    """Cell signalling networks as a language."""


@app.command()
def convert(
    source: Annotated[
        str,
        typer.Argument(
            metavar="IN", help="A file of networks, a shipped network's name, or a corpus."
        ),
    ],
    target: Annotated[
        str,
        typer.Argument(
            metavar="OUT", help="The file, or with --to a folder of one file per network."
        ),
    ],
    pathway: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The network to take of several."),
    ] = None,
    mapping: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="A table that says what identifiers mean; repeatable."),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(metavar="FORMAT", help="The format of OUT, where its ending does not say."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that exist.")] = False,
) -> None:
    """Write networks in another format, and say what that format does not hold."""
    with errors_in_one_line():
        form = writable_format(target, to)
        networks = _load(source, mapping)
        if pathway is not None:
            networks = (one_network(networks, pathway, source),)
        for file in files_to_write(networks, target, to):
            refuse_to_overwrite(file, _own_files(source), force)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they are the losses, which are printed
            lost = write_networks(networks, target, to)
    what = networks[0].name if len(networks) == 1 else f"{len(networks)} networks"
    typer.echo(f"{target}: {what} as {form.name}")
    for words in lost:
        typer.echo(f"lost: {words}")


@app.command()
def simulate(
    network: Annotated[
        str, typer.Argument(metavar="NETWORK", help="A shipped network's name, or a file.")
    ],
    pathway: Annotated[
        str | None, typer.Option(metavar="NAME", help="The network to take of several.")
    ] = None,
    stimulus: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=LEVEL", help="Level of an input in [0, 1]; repeatable."),
    ] = None,
    knockout: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME[@START-END]", help="State 0 from START; repeatable."),
    ] = None,
    knockdown: Annotated[
        list[str] | None, typer.Option(metavar=_STRENGTH, help="ymax x (1 - strength).")
    ] = None,
    inhibition: Annotated[
        list[str] | None,
        typer.Option(metavar=_STRENGTH, help="What is passed on x (1 - strength)."),
    ] = None,
    overexpression: Annotated[
        list[str] | None, typer.Option(metavar=_STRENGTH, help="ymax x (1 + strength).")
    ] = None,
    clamp: Annotated[
        list[str] | None, typer.Option(metavar=_STRENGTH, help="Hold the state at a value.")
    ] = None,
    conditions: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A table of conditions, instead of these.")
    ] = None,
    hours: Annotated[float | None, typer.Option(help="The last time (48).")] = None,
    step: Annotated[float | None, typer.Option(help="Hours between times (1).")] = None,
    times: Annotated[
        str | None, typer.Option(metavar="H,H,...", help="Times in hours, instead of these.")
    ] = None,
    start: Annotated[
        str,
        typer.Option("--from", help="rest (the steady state), zero, or network (its y0)."),
    ] = "rest",
    molecule: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="One to tell of; repeatable.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE.csv", help="Where to write the states.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="Where to draw trajectories.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that exist.")] = False,
) -> None:
    """Simulate a network under conditions; windows of perturbations are in hours."""
    from .simulation import SimulateOptions, run_simulation, table  # slow; only needed here

    kinds = {
        "knockout": knockout,
        "knockdown": knockdown,
        "inhibition": inhibition,
        "overexpression": overexpression,
        "clamp": clamp,
    }
    done = {kind: texts for kind, texts in kinds.items() if texts}
    options = SimulateOptions(
        stimulus or (), done, hours, step, times, start, conditions, molecule or (), out, plot,
        force, _own_files(network),
    )  # fmt: skip
    with errors_in_one_line():
        loaded = one_network(_load(network), pathway, network)
        with warnings_in_lines():
            simulation = run_simulation(loaded, options)
    if out is None:
        table(simulation)
    else:
        typer.echo(f"{out}: {simulation.describe()}")
    if plot is not None:
        typer.echo(f"{plot}: trajectories")


@app.command()
def midas(
    table: Annotated[Path, typer.Argument(metavar="IN", help="A table of MIDAS.")],
    network: Annotated[
        str, typer.Option(help="Whose molecules it speaks of: a file, or a shipped one's name.")
    ],
    conditions: Annotated[Path, typer.Option(metavar="OUT.csv", help="What was done.")],
    observations: Annotated[Path, typer.Option(metavar="OUT.csv", help="What was measured.")],
    pathway: Annotated[
        str | None, typer.Option(metavar="NAME", help="The network to take of several.")
    ] = None,
    time_unit: Annotated[str, typer.Option(help="Of its times: minutes or hours.")] = "minutes",
    modality: Annotated[
        str, typer.Option(help="Of its values: activity in [0, 1], phosphoprotein, and so on.")
    ] = "activity",
    inhibition: Annotated[
        float, typer.Option(help="What inhibitors take away of what is passed on, in [0, 1].")
    ] = INHIBITION,
    cell_line: Annotated[
        str | None, typer.Option(metavar="NAME", help="Whose rows to read, of several.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that exist.")] = False,
) -> None:
    """Write CellNOpt's measurements as the two tables that fine-tuning and benchmarks read."""
    inputs = (*_own_files(network), table)
    with errors_in_one_line(), warnings_in_lines():
        for target in (conditions, observations):
            check_output_files(target, None, inputs, force)
        if conditions.resolve() == observations.resolve():
            raise FormatError("both tables are to be this file; expected two", path=conditions)
        done, seen = read_midas(
            table,
            one_network(_load(network), pathway, network),
            time_unit=time_unit,
            modality=modality,
            inhibition=inhibition,
            cell_line=cell_line,
        )
        write_conditions(done, conditions)
        write_observations(seen, observations)
    values = sum(map(len, seen.values()))
    typer.echo(f"{conditions}: {counted(len(done), 'condition')}")
    typer.echo(f"{observations}: {counted(values, 'value')}")


@app.command()
def crosstalk(
    network: Annotated[
        str, typer.Argument(metavar="NETWORK", help="A shipped network's name, or a file.")
    ],
    model: Annotated[
        str, typer.Option(help="A checkpoint: hmlm-small, a folder, or a name on a hub.")
    ] = "hmlm-small",
    pathway: Annotated[
        str | None, typer.Option(metavar="NAME", help="The network to take of several.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE.csv", help="Where to write all pairs.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="Where to draw them.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that exist.")] = False,
) -> None:
    """Which pathways act on which, by what a model attends to."""
    from ..inference.crosstalk import crosstalk_of  # torch takes its time

    with errors_in_one_line():
        check_output_files(out, plot, _own_files(network), force)
        loaded = one_network(_load(network), pathway, network)
        table = crosstalk_of(loaded, model)
        if out is not None:
            table.to_csv(out, index=False)
        if plot is not None:
            from ..inference.figures import plot_crosstalk

            plot_crosstalk(plot, table, loaded.name)
    typer.echo(table.head(20).to_string(index=False, float_format="%.3f"))
    if len(table) > 20:
        typer.echo(f"and {len(table) - 20} pairs more; --out FILE.csv holds all")


@app.command()
def benchmark(
    task: Annotated[str, typer.Argument(metavar="TASK", help="What to measure; see the README.")],
    model: Annotated[
        str, typer.Option(help="A checkpoint: hmlm-small, a folder, or a name on a hub.")
    ] = "hmlm-small",
    network: Annotated[
        str,
        typer.Option(help="A file, or the name of a shipped network; cardiac-fibroblast without."),
    ] = "",
    pathway: Annotated[
        str | None, typer.Option(metavar="NAME", help="The network to take of several.")
    ] = None,
    track: Annotated[str, typer.Option(help="signs, or logic with the AND groups too.")] = "signs",
    budget: Annotated[
        list[str] | None,
        typer.Option(metavar="CxT", help="Conditions x times, such as 16x4; repeatable."),
    ] = None,
    seeds: Annotated[int, typer.Option(help="How many; crosstalk and speed have one.")] = 1,
    json: Annotated[Path | None, typer.Option(help="Where to write the results.")] = None,
    figure: Annotated[Path | None, typer.Option(help="Where to draw them.")] = None,
    cache: Annotated[
        Path, typer.Option(help="Folder of runs that were measured, to resume from.")
    ] = Path("outputs/benchmark-cache"),
    quick: Annotated[bool, typer.Option("--quick", help="Few members and steps.")] = False,
    entries: Annotated[
        str, typer.Option(metavar="ID,ID", help="The entries to measure, by id; all without.")
    ] = "",
    workers: Annotated[
        int | None, typer.Option(help="Processes that measure side by side; as many as cores.")
    ] = None,
    corpus: Annotated[
        str, typer.Option(help="Pathways to hold some out of, for molecules; core without.")
    ] = "",
    experiments: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Published experiments, for literature.")
    ] = None,
    conditions: Annotated[
        Path | None, typer.Option(metavar="FILE", help="What was done, for measured.")
    ] = None,
    observations: Annotated[
        Path | None, typer.Option(metavar="FILE", help="What was measured then, for measured.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that exist.")] = False,
) -> None:
    """Measure HMLM beside everything simpler."""
    from ..benchmarks.command import BenchmarkOptions, run_benchmark  # only this command needs all

    options = BenchmarkOptions(
        task,
        model=model,
        network=network,
        pathway=pathway,
        track=track,
        budget=budget or [],
        seeds=seeds,
        entries=entries,
        json=json,
        figure=figure,
        cache=cache,
        quick=quick,
        workers=workers,
        corpus=corpus,
        experiments=experiments,
        conditions=conditions,
        observations=observations,
        force=force,
    )
    with errors_in_one_line(), warnings_in_lines():
        table = run_benchmark(options, lambda line: typer.echo(line, err=True))
    typer.echo(table)


@contextlib.contextmanager
def errors_in_one_line() -> Iterator[None]:
    """End the command with a line on stderr and exit code 2 where its input is at fault."""
    try:
        yield
    except (FormatError, NetworkError, OSError, ValueError) as error:
        message = str(error)
        if isinstance(error, OSError) and error.strerror:
            message = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
        typer.echo(f"error: {in_one_line(message)}", err=True)
        raise typer.Exit(2) from None


def _load(source: str, mapping: list[Path] | None = None) -> tuple[SignalingNetwork, ...]:
    """The networks of the input; warnings go to stderr."""
    identifiers = Identifiers.from_tables(mapping) if mapping else None
    with warnings_in_lines():
        return load_corpus(source, identifiers)


def _own_files(source: str) -> tuple[Path, ...]:
    """The user's file or folder that a source names, and none where it is a shipped network."""
    return () if source == "core" or source in shipped_networks() else (Path(source),)


def main() -> None:
    app()


if __name__ == "__main__":
    main()

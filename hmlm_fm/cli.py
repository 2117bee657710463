"""The command `hmlm`."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from .corpora import load_corpus
from .formats import FormatError, Identifiers, did_you_mean, shipped_networks
from .formats.write import files_to_write, is_folder, writable_format, write_networks
from .network import NetworkError, SignalingNetwork

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
        networks = _load(source, pathway, mapping or [])
        if len(networks) > 1 and not form.holds_several and not is_folder(target):
            some = ", ".join(network.name for network in networks[:4])
            raise FormatError(
                f"it holds {len(networks)} networks ({some} ...), and {form.name} holds one; "
                "name one with --pathway, or end OUT with '/'",
                path=source,
            )
        for file in files_to_write(networks, target, to):
            _refuse_to_overwrite(file, source, force)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they are the losses, which are printed
            lost = write_networks(networks, target, to)
    what = networks[0].name if len(networks) == 1 else f"{len(networks)} networks"
    typer.echo(f"{target}: {what} as {form.name}")
    for words in lost:
        typer.echo(f"lost: {words}")


@app.command()
def benchmark(
    task: Annotated[str, typer.Argument(metavar="TASK", help="conditions or knockouts.")],
    model: Annotated[
        str, typer.Option(help="A checkpoint: hmlm-small, a folder, or a name on a hub.")
    ] = "hmlm-small",
    network: Annotated[
        str, typer.Option(help="A file with a network, or the name of a shipped one.")
    ] = "cardiac-fibroblast",
    track: Annotated[str, typer.Option(help="signs, or logic with the AND groups too.")] = "signs",
    budget: Annotated[
        list[str] | None,
        typer.Option(metavar="CxT", help="Conditions x times, such as 16x4; repeatable."),
    ] = None,
    seeds: Annotated[int, typer.Option(help="How many.")] = 1,
    json: Annotated[Path | None, typer.Option(help="Where to write the rows.")] = None,
    figure: Annotated[Path | None, typer.Option(help="Where to draw them.")] = None,
    cells: Annotated[
        Path, typer.Option(help="Folder of what was measured; a stopped run goes on from it.")
    ] = Path("outputs/benchmark-cells"),
    quick: Annotated[bool, typer.Option("--quick", help="Few members and steps.")] = False,
    rows: Annotated[str, typer.Option(help="Part of the names of the rows to measure.")] = "",
) -> None:
    """Measure HMLM beside everything simpler."""
    from .benchmarks.command import BenchmarkOptions, run_benchmark  # only this command needs all

    options = BenchmarkOptions(
        task, model, network, track, budget or ["16x4"], seeds, json, figure, cells, quick, rows
    )
    with errors_in_one_line():
        typer.echo(run_benchmark(options, lambda line: typer.echo(line, err=True)))


@contextlib.contextmanager
def errors_in_one_line() -> Iterator[None]:
    """End the command with a line on stderr and exit code 2 where its input is at fault."""
    try:
        yield
    except (FormatError, NetworkError, OSError, ValueError) as error:
        message = str(error)
        if isinstance(error, OSError) and error.strerror:
            message = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
        typer.echo(f"error: {' '.join(message.split())}", err=True)
        raise typer.Exit(2) from None


def _load(source: str, pathway: str | None, mapping: list[Path]) -> tuple[SignalingNetwork, ...]:
    """The networks of the input, or the one that is asked for; warnings go to stderr."""
    identifiers = Identifiers.from_tables(mapping) if mapping else None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        networks = load_corpus(source, identifiers)
    for warning in caught:
        typer.echo(f"warning: {' '.join(str(warning.message).split())}", err=True)
    if pathway is None:
        return networks
    chosen = tuple(network for network in networks if network.name == pathway)
    if not chosen:
        hint = did_you_mean(pathway, [network.name for network in networks])
        raise FormatError(
            f"there is no network {pathway!r} among the {len(networks)} in it{hint}", path=source
        )
    return chosen


def _refuse_to_overwrite(file: Path, source: str, force: bool) -> None:
    is_file = source != "core" and source not in shipped_networks()
    places = (file.resolve(), *file.resolve().parents)
    if is_file and Path(source).resolve() in places:
        raise FormatError("it is IN itself, or lies within it; expected another OUT", path=file)
    if file.exists() and not force:
        raise FormatError("it exists; replace it with --force", path=file)


def main() -> None:
    app()


if __name__ == "__main__":
    main()

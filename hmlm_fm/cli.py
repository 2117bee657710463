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


@contextlib.contextmanager
def errors_in_one_line() -> Iterator[None]:
    """End the command with a line on stderr and exit code 2 where its input is at fault."""
    try:
        yield
    except (FormatError, NetworkError, OSError) as error:
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

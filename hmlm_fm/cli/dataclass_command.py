"""Commands from dataclasses: the options of a command are declared once, as the fields of one."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import MISSING, field, fields
from typing import Annotated, Any, TypeVar, get_type_hints

import typer

from .plain_arguments import exit_code

Options = TypeVar("Options")


def option(default: Any, help: str, metavar: str = "", flag: str = "") -> Any:
    """A field of a dataclass of options.

    Args:
        default: of the option; of a list an empty one.
        help: names the unit, and the value that disables where there is one.
        metavar: what stands for its value in the help.
        flag: where it is not the field's name.
    """
    metadata = {"help": help, "metavar": metavar, "flag": flag}
    if isinstance(default, list):
        return field(default_factory=list, metadata=metadata)
    return field(default=default, metadata=metadata)


def argument(help: str, metavar: str) -> Any:
    """A field that is given by its place on the command line."""
    return field(metadata={"help": help, "metavar": metavar})


def add_command(
    app: typer.Typer,
    name: str,
    kind: type[Options],
    run: Callable[[Options], int | None],
    example: str,
    when_stopped: str = "",
) -> None:
    """Add a command whose options are the fields of a dataclass.

    Args:
        app: the command line.
        name: of the command.
        kind: the dataclass; its docstring is the help. Fields without a default are arguments, the
            others options.
        run: the command; what it returns is the exit code, 0 for None.
        example: a command line that works, for the help.
        when_stopped: what is printed after Ctrl-C.
    """
    hints = get_type_hints(kind)

    def command(**given: Any) -> None:
        code = exit_code(lambda: run(kind(**given)) or 0, when_stopped)
        if code:
            raise typer.Exit(code)

    parameters = []
    for f in fields(kind):  # type: ignore[arg-type]
        hint, metavar = hints[f.name], f.metadata.get("metavar") or None
        is_required = f.default is MISSING and f.default_factory is MISSING
        is_argument = is_required or f.metadata.get("argument", False)
        flag = f.metadata.get("flag") or f"--{f.name.replace('_', '-')}"
        # A flag without its negation.
        names = [flag] if f.metadata.get("flag") or hint is bool else []
        info = (
            typer.Argument(help=f.metadata["help"], metavar=metavar)
            if is_argument
            else typer.Option(*names, help=f.metadata["help"], metavar=metavar)
        )
        default = inspect.Parameter.empty
        if not is_required:
            default = f.default if f.default is not MISSING else []
        parameters.append(
            inspect.Parameter(
                f.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=default,
                annotation=Annotated[hint, info],
            )
        )
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    app.command(name, help=" ".join((kind.__doc__ or "").split()), epilog=f"Example: {example}")(
        command
    )

"""The options of the short commands, each declared once; see `dataclass_command`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .dataclass_command import argument, option

STRENGTH = "NAME=STRENGTH[@START-END]"


@dataclass(kw_only=True)
class TreatmentOptions:
    """What is done to a network in one condition, or a table of conditions."""

    stimulus: list[str] = option([], "Level of an input in [0, 1]; repeatable.", "NAME=LEVEL")
    knockout: list[str] = option(
        [], "State 0 from START, in hours; repeatable.", "NAME[@START-END]"
    )
    knockdown: list[str] = option([], "ymax x (1 - strength).", STRENGTH)
    inhibition: list[str] = option([], "What is passed on x (1 - strength).", STRENGTH)
    overexpression: list[str] = option([], "ymax x (1 + strength).", STRENGTH)
    clamp: list[str] = option([], "Hold the state at a value in [0, 1].", STRENGTH)
    conditions: Path | None = option(None, "A table of conditions, instead of these.", "FILE")


@dataclass(kw_only=True)
class OutputOptions:
    """What is written."""

    out: Path | None = option(None, "Where to write the table.", "FILE.csv")
    plot: Path | None = option(None, "Where to draw it.", "FILE.png")
    force: bool = option(False, "Replace files that exist.")


@dataclass(kw_only=True)
class SimulateOptions(TreatmentOptions, OutputOptions):
    """Simulate a network's logic ODE under conditions; windows of perturbations are in hours."""

    network: str = argument("A shipped network's name, or a file.", "NETWORK")
    pathway: str | None = option(None, "The network to take of several.", "NAME")
    hours: float | None = option(None, "The last time, in hours (48).", "HOURS")
    step: float | None = option(None, "Hours between times (1).", "HOURS")
    times: str | None = option(None, "Times in hours, instead of these.", "H,H,...")
    start: str = option(
        "rest", "rest (the steady state), zero, or network (its y0).", flag="--from"
    )
    molecule: list[str] = option([], "One to report; repeatable.", "NAME")


@dataclass(kw_only=True)
class PredictOptions(TreatmentOptions, OutputOptions):
    """Predict states of a network by a pretrained checkpoint, or by the folder of a fine-tuned
    model; or, with --measured, what conditions of a measured set would have shown, without a
    network."""

    checkpoint: str = argument(
        "hmlm-small, a folder, or a name on a hub; or a fine-tuned folder.", "FOLDER_OR_CHECKPOINT"
    )
    network: str = option(
        "", "Of a pretrained checkpoint: a shipped network's name, or a file.", "NETWORK"
    )
    pathway: str | None = option(None, "The network to take of several.", "NAME")
    measured: Path | None = option(
        None,
        "A measured set, all of which is shown. Asked are --conditions, or those in which nothing "
        "was measured.",
        "SET",
    )
    hours: str = option("0,6,24,48", "Times in hours, of a network.", "H,H,...")
    modality: str = option(
        "activity",
        "activity in [0, 1], or what the states show as phosphoprotein, mRNA, and so on.",
    )
    molecule: list[str] = option([], "One to report, or a readout; repeatable.", "NAME")


@dataclass(kw_only=True)
class ConvertOptions:
    """Write networks in another format, and report what that format does not hold; or published
    measurements as measured sets: MIDAS, tables (CSV, TSV, Excel), PEtab, AnnData, CellBox's and
    LEMBAS's folders."""

    source: str = argument(
        "A file of networks, a shipped network's name, a corpus; or measurements.", "IN"
    )
    target: str = argument(
        "The file; with --to, a folder of one file per network; of measurements, a folder, or an "
        ".h5ad file.",
        "OUT",
    )
    pathway: str | None = option(None, "The network to take of several.", "NAME")
    mapping: list[Path] = option(
        [], "A table that states what identifiers mean; repeatable.", "FILE"
    )
    to: str | None = option(None, "The format of OUT, where its ending does not show it.", "FORMAT")
    network: str = option("", "Of measurements: prior knowledge for the set.", "NETWORK")
    time_unit: str = option(
        "",
        "Of measurements: seconds, minutes or hours, where not stated (MIDAS: minutes).",
        "UNIT",
    )
    modality: str = option(
        "", "Of measurements: activity in [0, 1], phosphoprotein, and so on; by values and names."
    )
    scale: str = option(
        "", "Of measurements: linear, log2, ln or log10, perhaps 'change from control'."
    )
    inhibition: float | None = option(
        None, "Of MIDAS: what inhibitors take away of what is passed on, in [0, 1]."
    )
    cell_line: str | None = option(None, "Of measurements: the line to write, of several.", "NAME")
    given: str = option("", "Of a table: columns that name what was given.", "COLUMN,COLUMN")
    doses: str = option("", "Of a table: columns of doses.", "COLUMN,COLUMN")
    readout: str = option("", "Of a long table: the column that names readouts.", "COLUMN")
    value: str = option("", "Of a long table: the column of values.", "COLUMN")
    line: str = option("", "Of a table: the column of cell lines.", "COLUMN")
    time: str = option("", "Of a table: the column of times.", "COLUMN")
    replicate: str = option("", "Of a table: the column of replicates.", "COLUMN")
    batch: str = option("", "Of a table: the column of blots, plates or experiments.", "COLUMN")
    layer: str = option("", "Of AnnData: the layer to read instead of X.", "NAME")
    force: bool = option(False, "Replace files that exist.")


@dataclass(kw_only=True)
class ReadoutsOptions:
    """Draft the tables that say what readouts measure and what drugs act on, by their names, of any
    measurements that can be read; to be checked before use."""

    source: str = argument("A measured set, or a file or folder of measurements.", "SET_OR_FILE")
    out: Path = option(Path("readouts.csv"), "Where to write the table of readouts.", "FILE.csv")
    targets_out: Path | None = option(None, "Where to write a table of drugs.", "FILE.csv")
    mapping: list[Path] = option(
        [], "A table that states what identifiers mean; repeatable.", "FILE"
    )
    orthologues: Path | None = option(
        None, "A table with the columns symbol and human, of another organism.", "FILE"
    )
    time_unit: str = option("", "seconds, minutes or hours, where they do not say it.", "UNIT")
    force: bool = option(False, "Replace files that exist.")


@dataclass(kw_only=True)
class CrosstalkOptions(OutputOptions):
    """Score which pathways act on which, by what a model attends to."""

    network: str = argument("A shipped network's name, or a file.", "NETWORK")
    model: str = option("hmlm-small", "A checkpoint: hmlm-small, a folder, or a name on a hub.")
    pathway: str | None = option(None, "The network to take of several.", "NAME")


@dataclass(kw_only=True)
class NetworkOptions:
    """Make a network for measurements that have none: the shortest signed paths from what was
    treated to what was measured, in the pathways of corpora. The evidence of each interaction is
    written beside it."""

    readouts: Path | None = option(
        None, "What readouts measure: a table with columns readout and genes (A|B).", "FILE"
    )
    conditions: Path | None = option(
        None,
        "What was done: a table of conditions, MIDAS, or a measured set.",
        "FILE",
    )
    targets: Path | None = option(
        None, "What drugs act on, beside those known: columns drug and target.", "FILE"
    )
    source: list[str] = option(
        [], "Where interactions are from: core (the default), or a built corpus; repeatable.",
        "CORPUS",
    )  # fmt: skip
    steps: int = option(4, "The most that a path may have.", "STEPS")
    longer: int = option(
        0, "Steps that a path may have more than the shortest of its two ends.", "STEPS"
    )
    unsigned: bool = option(False, "Also use interactions whose sign is not known.")
    every_gene: bool = option(
        False, "Keep genes apart that no source tells apart, such as the subunits of a complex."
    )
    out: Path | None = option(None, "Where to write the network.", "FILE.json")
    plot: Path | None = option(None, "Where to draw it.", "FILE.png")
    force: bool = option(False, "Replace files that exist.")


@dataclass(kw_only=True)
class InfoOptions:
    """Describe a network, a checkpoint, a corpus or a measured set."""

    name: str = argument("A name that ships with the package, a file, or a folder.", "NAME")

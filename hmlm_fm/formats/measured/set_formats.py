"""Which form of measurements a file or folder has, and the measured sets in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from ...common.errors import FormatError
from ...common.files import read_start
from ...model.error_base import HMLMError, listed
from ...model.network import SignalingNetwork
from ..network_loading import load_network
from ..recognise import SIF, format_of
from ..spreadsheet import OLE_MAGIC, ZIP_MAGIC, read_sheets
from ..tables import PathLike
from .anndata_sets import AnnDataOptions, is_anndata, read_anndata
from .measured_set import MeasuredSet
from .midas import INHIBITION, is_midas, read_midas_sets
from .paired_matrices import is_cellbox, lembas_names, read_cellbox, read_lembas
from .petab_files import is_petab
from .petab_problems import read_petab
from .published_tables import TableOptions, read_published_table, table_roles
from .set_folder import CONDITIONS_FILE, OBSERVATIONS_FILE, is_set_folder, read_measured_set
from .table_roles import Roles
from .time_units import check_time_unit


@dataclass(frozen=True)
class SetOptions:
    """What published measurements do not state.

    Attributes:
        time_unit: of times, of `HOURS_OF`; where empty MIDAS has minutes, tables what the name of
            the column says or hours, and PEtab what the model states or minutes.
        modality, scale: of values; see `read_midas_sets` and `TableOptions`.
        inhibition: strength of MIDAS's inhibitors at level 1.
        roles: of a table's columns, where they are not to be found by names and contents.
        network: prior knowledge, which goes into the sets and tells inhibitors from stimuli.
        layer: of AnnData, the one to read instead of X.
    """

    time_unit: str = ""
    modality: str = ""
    scale: str = ""
    inhibition: float = INHIBITION
    roles: Roles = Roles()
    network: SignalingNetwork | None = None
    layer: str = ""

    @property
    def table(self) -> TableOptions:
        """Those of a table."""
        return TableOptions(self.roles, self.time_unit, self.scale, self.modality)


@dataclass(frozen=True)
class SetFormat:
    """A form of measurements that can be read.

    Attributes:
        name: as messages give it.
        fits: whether a file or folder has it.
        read: the sets of one.
    """

    name: str
    fits: Callable[[Path], bool]
    read: Callable[[Path, SetOptions], tuple[MeasuredSet, ...]]


def _read_midas(path: Path, options: SetOptions) -> tuple[MeasuredSet, ...]:
    return read_midas_sets(
        path,
        options.network,
        time_unit=options.time_unit or "minutes",
        modality=options.modality,
        inhibition=options.inhibition,
        scale=options.scale or "linear",
    )


def _read_table(path: Path, options: SetOptions) -> tuple[MeasuredSet, ...]:
    return read_published_table(path, options.table)


def _read_anndata(path: Path, options: SetOptions) -> tuple[MeasuredSet, ...]:
    return read_anndata(path, AnnDataOptions(options.table, options.layer))


def _read_lembas(path: Path, options: SetOptions) -> tuple[MeasuredSet, ...]:
    base = path.resolve().name
    return tuple(read_lembas(path, name, f"{base}-{name}") for name in lembas_names(path))


def _read_petab(path: Path, options: SetOptions) -> tuple[MeasuredSet, ...]:
    return read_petab(
        path, time_unit=options.time_unit, modality=options.modality, network=options.network
    )


def is_measured_table(path: Path) -> bool:
    """Whether a table's columns are of what was given and what was measured, and it is no format of
    networks."""
    try:
        if read_start(path).startswith((ZIP_MAGIC, OLE_MAGIC)):
            if "reactions" in read_sheets(path):
                return False
        elif format_of(path) is not SIF:
            return False
    except FormatError as error:
        if "its header is" not in error.problem:
            return False
    try:
        table_roles(path)
    except HMLMError:
        return False
    return True


TABLE = SetFormat("table", lambda path: path.is_file() and is_measured_table(path), _read_table)
SET_FORMATS = (
    SetFormat(
        "measured set", lambda path: path.is_dir() and is_set_folder(path),
        lambda path, _: (read_measured_set(path),),
    ),
    SetFormat(
        "CellBox's tables", lambda path: path.is_dir() and is_cellbox(path),
        lambda path, _: (read_cellbox(path, path.resolve().name),),
    ),
    SetFormat(
        "LEMBAS's tables", lambda path: path.is_dir() and bool(lembas_names(path)), _read_lembas
    ),
    SetFormat("PEtab", lambda path: path.is_file() and is_petab(path), _read_petab),
    SetFormat("AnnData", lambda path: path.is_file() and is_anndata(path), _read_anndata),
    SetFormat("MIDAS", lambda path: path.is_file() and is_midas(path), _read_midas),
    TABLE,
)  # fmt: skip


def set_format(path: PathLike) -> SetFormat | None:
    """The form of measurements that a file or folder has, or None where it has none.

    Raises:
        FormatError: a file cannot be read.
    """
    path = Path(path)
    return next((form for form in SET_FORMATS if form.fits(path)), None)


def read_sets(
    path: PathLike, options: SetOptions = SetOptions(), insists: bool = False
) -> tuple[MeasuredSet, ...]:
    """The measured sets of a file or folder, one for each cell line.

    Args:
        path: of the file or folder.
        options: what it does not state.
        insists: read a file of no form that is recognised as a table, so that an error says what
            it lacks.

    Raises:
        FormatError: there is none, or it cannot be read.
        HMLMError: an option that is not known.
    """
    path = Path(path)
    check_time_unit(options.time_unit)
    if not path.exists():
        raise FormatError("there is no such file or folder", path=path)
    form = set_format(path)
    if form is None and insists and path.is_file():
        form = TABLE
    if form is None:
        _refuse_folder(path)
        names = ", ".join(form.name for form in SET_FORMATS)
        raise FormatError(
            f"it holds no measurements that are known; expected one of {names} (a table has a "
            "header with columns of doses, or one called treatment, stimulus, ligand, drug or "
            "inhibitor)",
            path=path,
        )
    found = form.read(path, options)
    if options.network is None:
        return found
    return tuple(one if one.network else replace(one, network=options.network) for one in found)


def _refuse_folder(path: Path) -> None:
    """
    Raises:
        FormatError: a folder of measured sets, or one that lacks a table.
    """
    if not path.is_dir():
        return
    sets = sorted(p.name for p in path.iterdir() if p.is_dir() and is_set_folder(p))
    if sets:
        raise FormatError(
            f"it holds {len(sets)} measured sets, {listed(sets)}; expected one of them", path=path
        )
    tables = [name for name in (CONDITIONS_FILE, OBSERVATIONS_FILE) if (path / name).is_file()]
    if len(tables) == 1:
        missing = OBSERVATIONS_FILE if tables == [CONDITIONS_FILE] else CONDITIONS_FILE
        raise FormatError(f"it has {tables[0]} and no {missing}; expected both", path=path)


def network_beside(path: Path) -> SignalingNetwork | None:
    """The prior knowledge that lies beside a file of measurements: the SIF of the same name but for
    a start such as PKN-, or the only one of its folder."""
    files = sorted(path.parent.glob("*.sif"))
    base = path.stem.partition("-")[2] or path.stem
    exact = [file for file in files if file.stem.partition("-")[2] == base]
    chosen = exact or files
    return load_network(chosen[0]) if len(chosen) == 1 else None

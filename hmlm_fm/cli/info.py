"""What `hmlm info` does: describes a network, a checkpoint, a corpus or measured sets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..common.errors import FormatError, MissingFileError
from ..common.files import read_json_text
from ..common.words import counted
from ..inference.shipped import SHIPPED, TRAINING_FILE, folder_with_code
from ..model.error_base import did_you_mean, listed
from ..model.network import SignalingNetwork
from .command_options import InfoOptions
from .condition_arguments import load_networks
from .measured_info import facts_of_measured, is_measured

CONFIG_FILE, NETWORK_FILE, METRICS_FILE = "config.json", "network.json", "metrics.json"
MOST_NAMES = 100


def run_info(options: InfoOptions) -> None:
    """Print what a name, a file or a folder is, a fact a line.

    Raises:
        FormatError: it is none of what hmlm_fm reads, or is damaged.
    """
    path = Path(options.name)
    if options.name in SHIPPED:
        facts = [("checkpoint", options.name), *checkpoint_facts(folder_with_code(options.name))]
    elif (path / CONFIG_FILE).is_file():
        facts = [("checkpoint", options.name), *checkpoint_facts(path)]
    elif is_measured(path):
        facts = list(facts_of_measured(options.name))
    elif not path.exists() and (hint := did_you_mean(options.name, SHIPPED)):
        raise MissingFileError(f"there is no such file, network or checkpoint{hint}", path=path)
    else:
        networks = load_networks(options.name)
        if len(networks) == 1:
            facts = [("network", networks[0].name), *network_facts(networks[0])]
        else:
            facts = [("corpus", options.name), *corpus_facts(networks)]
    width = max(len(name) for name, _ in facts)
    for name, value in facts:
        print(f"{name:<{width}}  {value}")


def network_facts(network: SignalingNetwork) -> Iterator[tuple[str, object]]:
    """Of one network."""
    signs = Counter(sign for i in network.interactions for sign in i.signs)
    groups = sum(len(i.sources) > 1 for i in network.interactions)
    if network.title:
        yield "title", network.title
    yield "molecules", len(network.molecules)
    yield "interactions", f"{len(network.interactions)}, {counted(groups, 'AND group')}"
    yield "signs", f"{signs[1]} activate, {signs[-1]} inhibit, {signs[0]} unknown"
    yield "inputs", listed(network.inputs) or "none"
    yield "pathways", listed(p.name for p in network.pathways) or "none"
    yield "logic", "known" if network.logic_known else "not known: all joined by OR"
    kinetics = sum(i.weight is not None for i in network.interactions)
    yield "kinetics", f"stated of {kinetics} of {len(network.interactions)} interactions"
    for name in ("source", "licence"):
        if getattr(network, name):
            yield name, getattr(network, name)
    yield "hash", network.content_hash


def corpus_facts(networks: Sequence[SignalingNetwork]) -> Iterator[tuple[str, object]]:
    """Of several networks."""
    yield "networks", len(networks)
    yield "molecules", sum(len(n.molecules) for n in networks)
    yield "interactions", sum(len(n.interactions) for n in networks)
    names = sorted(n.name for n in networks)
    yield "names", ", ".join(names) if len(names) <= MOST_NAMES else listed(names)
    yield "families", len({n.family_name for n in networks})
    yield "licences", listed(sorted({n.licence for n in networks if n.licence})) or "not stated"


def checkpoint_facts(folder: Path) -> Iterator[tuple[str, object]]:
    """Of a folder with weights."""
    config = _json(folder / CONFIG_FILE)
    if config.get("model_type") != "hmlm":
        raise FormatError(
            f"model_type is {config.get('model_type')!r}; expected 'hmlm'",
            path=folder / CONFIG_FILE,
        )
    tissue = config.get("tissue")
    yield "folder", folder.resolve()
    yield "code", "beside the weights" if (folder / "modeling_hmlm.py").is_file() else "none"
    yield "width", f"{config.get('hidden_size')}, {config.get('num_hidden_layers')} layers"
    yield "vocabulary", f"{config.get('vocab_size')} tokens, {config.get('vocabulary_version')}"
    if tissue:
        yield "fine-tuned", f"{tissue.get('members')} members, for one network"
        if (folder / NETWORK_FILE).is_file():
            (network,) = load_networks(str(folder / NETWORK_FILE))
            yield "network", f"{network.name}, {counted(len(network.molecules), 'molecule')}"
    else:
        yield "fine-tuned", "no: predicts any network"
    if config.get("response_size"):
        facts = _json(folder / TRAINING_FILE) if (folder / TRAINING_FILE).is_file() else {}
        worlds, sets = facts.get("worlds", 0), facts.get("sets", ())
        on = f", trained on {worlds:,} worlds and {counted(len(sets), 'measured set')}"
        yield "measured sets", "predicted in context" + (on if facts else "")
    else:
        yield "measured sets", "no head for them: `hmlm responses` trains one"
    if (folder / METRICS_FILE).is_file():
        for name, value in _json(folder / METRICS_FILE).items():
            if isinstance(value, float):
                yield name, f"{value:.6g}"


def _json(path: Path) -> Mapping[str, Any]:
    content = read_json_text(path)
    if not isinstance(content, dict):
        raise FormatError("it is not a JSON object", path=path)
    return content

"""How fast HMLM computes on batches of real networks, beside other encoders.

All models get the same batches of the core corpus with the same molecules masked, so that all
handle equally many molecules, and compute one loss forward and backward on one thread, in turns.
The baselines share HMLM's embeddings and name masked molecules by the same table of tokens; of HMLM
there is the whole objective, with the votes of neighbours and pathways and their losses, and its
encoder under the baselines' one loss.

Shapes: B batch, N molecules, R molecules of a batch without padding, E edges, J literals, D width.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import nn
from torch_geometric.nn import GINEConv, GPSConv, TransformerConv

from ...formats.network_loading import load_core
from ...model.configuration_hmlm import HMLMConfig
from ...model.fields import Fields
from ...model.graph import Wiring, place_in_graph
from ...model.layers import HMLMEmbeddings
from ...model.losses import masked_molecule_loss
from ...model.modeling_hmlm import HMLMForSignaling, HMLMModel
from ...model.network import SignalingNetwork
from ...model.tokenization_hmlm import HMLMTokenizer
from ...pretraining.objectives import mask_molecules
from ..entries import Entry, Result
from .peak_memory import Step, peak_megabytes

NETWORKS, BATCHES = 16, 4
SIGNS = 3
REFERENCE = "hmlm-objective-sdpa"


@dataclass(frozen=True)
class MaskedBatch:
    """Masked networks as HMLM takes them, and their edges as graph libraries do.

    Attributes:
        fields: the tokenizer's, padded.
        edge_index_2E: literals in both directions, among the R molecules.
        edge_kind_E: direction and sign.
        network_R: the network of each molecule.
    """

    fields: dict[str, torch.Tensor]
    edge_index_2E: torch.Tensor
    edge_kind_E: torch.Tensor
    network_R: torch.Tensor

    @classmethod
    def from_networks(
        cls,
        networks: Sequence[SignalingNetwork],
        tokenizer: HMLMTokenizer,
        rng: np.random.Generator,
    ) -> MaskedBatch:
        """Networks with some of their molecules masked."""
        encodings = [tokenizer.encode_network(n, warn_unknown=False) for n in networks]
        fields = dict(tokenizer.pad([mask_molecules(e, tokenizer, rng) for e in encodings]))
        mask = fields["attention_mask"].bool()
        wiring = Wiring.from_fields(Fields(fields))
        place = mask.flatten().cumsum(0) - 1
        forward = place[torch.stack([wiring.source_J, wiring.target_J])]
        sign = wiring.sign_J + 1
        return cls(
            fields,
            torch.cat([forward, forward.flip(0)], dim=1),
            torch.cat([sign, sign + SIGNS]),
            torch.nonzero(mask)[:, 0],
        )

    @property
    def molecules(self) -> int:
        return len(self.network_R)


class PlainTransformer(nn.Module):
    """torch's encoder: every molecule of a network attends to every other, edges unknown."""

    def __init__(self, width: int, config: HMLMConfig) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(
            width, config.num_attention_heads, 4 * width, dropout=0.0, activation="gelu",
            batch_first=True, norm_first=True,
        )  # fmt: skip
        self.stack = nn.TransformerEncoder(
            layer, config.num_hidden_layers, enable_nested_tensor=False
        )

    def forward(self, token_BND: torch.Tensor, batch: MaskedBatch) -> torch.Tensor:
        """States (R, D)."""
        mask = batch.fields["attention_mask"].bool()
        return self.stack(token_BND, src_key_padding_mask=~mask)[mask]


class GPSStack(nn.Module):
    """GPSConv: messages along edges, and every molecule attends to every other (R, D)."""

    def __init__(self, width: int, config: HMLMConfig) -> None:
        super().__init__()
        self.edge = nn.Embedding(2 * SIGNS, width)
        self.layers = nn.ModuleList(
            GPSConv(
                width, GINEConv(_mlp(width, width)), config.num_attention_heads, norm="layer_norm"
            )
            for _ in range(config.num_hidden_layers)
        )

    def forward(self, token_BND: torch.Tensor, batch: MaskedBatch) -> torch.Tensor:
        """States (R, D)."""
        state = token_BND[batch.fields["attention_mask"].bool()]
        edge = self.edge(batch.edge_kind_E)
        for layer in self.layers:
            state = layer(state, batch.edge_index_2E, batch.network_R, edge_attr=edge)
        return state


class TransformerConvStack(nn.Module):
    """TransformerConv: attention along edges alone, in blocks with a feed-forward part."""

    def __init__(self, width: int, config: HMLMConfig) -> None:
        super().__init__()
        heads, layers = config.num_attention_heads, config.num_hidden_layers
        self.edge = nn.Embedding(2 * SIGNS, width)
        self.attend = nn.ModuleList(
            TransformerConv(width, width // heads, heads, edge_dim=width) for _ in range(layers)
        )
        self.mlp = nn.ModuleList(_mlp(width, 4 * width) for _ in range(layers))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2 * layers))

    def forward(self, token_BND: torch.Tensor, batch: MaskedBatch) -> torch.Tensor:
        """States (R, D)."""
        state = token_BND[batch.fields["attention_mask"].bool()]
        edge = self.edge(batch.edge_kind_E)
        for i, (attend, mlp) in enumerate(zip(self.attend, self.mlp, strict=True)):
            state = state + attend(self.norms[2 * i](state), batch.edge_index_2E, edge)
            state = state + mlp(self.norms[2 * i + 1](state))
        return state


def _mlp(width: int, between: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, between), nn.GELU(), nn.Linear(between, width))


class BaselineEncoder(nn.Module):
    """HMLM's embeddings of the wiring under another stack."""

    def __init__(self, stack: nn.Module, config: HMLMConfig) -> None:
        super().__init__()
        self.embeddings, self.blocks = HMLMEmbeddings(config), stack

    def forward(self, batch: MaskedBatch) -> torch.Tensor:
        """States (R, D)."""
        fields = batch.fields
        ids = fields["input_ids"]
        place = place_in_graph(Fields(fields))
        unknown = torch.zeros(ids.shape[:2])
        token = self.embeddings(
            ids, fields["molecule_kind_ids"], fields["compartment_ids"], place, unknown, unknown,
            None,
        )  # fmt: skip
        return self.blocks(token[:, 0], batch)


class HMLMEncoder(nn.Module):
    """HMLM without its heads."""

    def __init__(self, config: HMLMConfig) -> None:
        super().__init__()
        self.hmlm = HMLMModel(config)

    @property
    def embeddings(self) -> HMLMEmbeddings:
        return self.hmlm.embeddings

    @property
    def blocks(self) -> nn.Module:
        return self.hmlm.layers

    def forward(self, batch: MaskedBatch) -> torch.Tensor:
        """States (R, D)."""
        state = self.hmlm(**batch.fields).last_hidden_state
        return state[:, 0][batch.fields["attention_mask"].bool()]


class OneLoss(nn.Module):
    """An encoder that names masked molecules by the table of its embeddings."""

    def __init__(self, encoder: BaselineEncoder | HMLMEncoder, config: HMLMConfig) -> None:
        super().__init__()
        self.encoder = encoder
        self.norm = nn.LayerNorm(config.hidden_size)
        self.project = nn.Linear(config.hidden_size, config.embedding_size)
        self.bias = nn.Parameter(torch.zeros(config.vocab_size))

    @property
    def blocks(self) -> nn.Module:
        return self.encoder.blocks

    def forward(self, batch: MaskedBatch) -> torch.Tensor:
        """The loss of a batch."""
        labels = batch.fields["masked_ids"][batch.fields["attention_mask"].bool()]
        chosen = (labels >= 0).any(-1)
        hidden = self.project(self.norm(self.encoder(batch)[chosen]))
        table = self.encoder.embeddings.members.weight
        return masked_molecule_loss(hidden @ table.T + self.bias, labels[chosen])


class WholeObjective(nn.Module):
    """HMLM with its own head and all losses of masked molecules."""

    def __init__(self, config: HMLMConfig) -> None:
        super().__init__()
        self.model = HMLMForSignaling(config)

    @property
    def blocks(self) -> nn.Module:
        return self.model.hmlm.layers

    def forward(self, batch: MaskedBatch) -> torch.Tensor:
        """The loss of a batch."""
        return self.model(**batch.fields).loss


Stack = Callable[[int, HMLMConfig], nn.Module]


def _baseline(stack: Stack, width: int, config: HMLMConfig) -> OneLoss:
    wide = HMLMConfig(**{**config.to_diff_dict(), "hidden_size": width, "intermediate_size": 0})
    return OneLoss(BaselineEncoder(stack(width, config), wide), wide)


def _as_large(stack: Stack, config: HMLMConfig) -> OneLoss:
    """As deep as HMLM, and of the width at which its blocks have most nearly as many parameters."""
    layers = HMLMModel(config).layers
    # A batch without conditions leaves the attention across them out.
    wanted = sum(p.numel() for name, p in layers.named_parameters() if ".conditions." not in name)
    heads = config.num_attention_heads
    widths = range(heads, 4 * config.hidden_size, heads)
    sizes = np.array([parameters_of(stack(width, config)) for width in widths])
    return _baseline(stack, widths[int(np.abs(sizes - wanted).argmin())], config)


def _hmlm(make: Callable[[HMLMConfig], nn.Module], backend: str, config: HMLMConfig) -> nn.Module:
    own = HMLMConfig(**config.to_diff_dict())
    own._attn_implementation = backend
    return make(own)


def _encoder_alone(config: HMLMConfig) -> nn.Module:
    return OneLoss(HMLMEncoder(config), config)


ENCODERS: tuple[Entry, ...] = (
    Entry(
        REFERENCE, "HMLM tiny, whole objective, sdpa",
        partial(_hmlm, WholeObjective, "sdpa"), highlighted=True,
    ),
    Entry(
        "hmlm-objective-sparse", "HMLM tiny, whole objective, sparse",
        partial(_hmlm, WholeObjective, "sparse"), highlighted=True,
    ),
    Entry(
        "hmlm-encoder-sdpa", "HMLM tiny, encoder and one loss, sdpa",
        partial(_hmlm, _encoder_alone, "sdpa"), highlighted=True,
    ),
    Entry(
        "hmlm-encoder-sparse", "HMLM tiny, encoder and one loss, sparse",
        partial(_hmlm, _encoder_alone, "sparse"), highlighted=True,
    ),
    Entry(
        "transformer-same-width", "transformer encoder, same width and depth",
        lambda config: _baseline(PlainTransformer, config.hidden_size, config),
    ),
    Entry(
        "transformer-equal", "transformer encoder, equal parameters",
        partial(_as_large, PlainTransformer),
    ),
    Entry("gpsconv-equal", "GPSConv, equal parameters", partial(_as_large, GPSStack)),
    Entry(
        "transformerconv-equal", "TransformerConv, equal parameters",
        partial(_as_large, TransformerConvStack),
    ),
)  # fmt: skip
"""Their factories take the configuration of HMLM tiny and give a module that computes a loss."""

BY_ID = {entry.id: entry for entry in ENCODERS}


def parameters_of(module: nn.Module) -> int:
    """How many numbers a module learns; of a module that had a backward pass, those it uses."""
    parameters = list(module.parameters())
    used = [p for p in parameters if p.grad is not None]
    return sum(p.numel() for p in used or parameters)


def make_model(id: str, config: HMLMConfig) -> nn.Module:
    """A model of `ENCODERS` with weights drawn by a fixed seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module: nn.Module = BY_ID[id].make(config)
        return module.train()


def draw_batches(tokenizer: HMLMTokenizer, networks: int, batches: int) -> list[MaskedBatch]:
    """Batches of core networks, drawn at random whatever their size."""
    core, rng = load_core(), np.random.default_rng(0)
    return [
        MaskedBatch.from_networks(
            [core[i] for i in rng.choice(len(core), networks, replace=networks > len(core))],
            tokenizer,
            rng,
        )
        for _ in range(batches)
    ]


def forward_and_backward(model: nn.Module, batch: MaskedBatch) -> None:
    model.zero_grad(set_to_none=True)
    model(batch).backward()


def _all_batches(model: nn.Module, batches: Sequence[MaskedBatch]) -> None:
    for batch in batches:
        forward_and_backward(model, batch)


def _prepare(id: str, networks: int) -> tuple[Step, Step]:
    """A step with one network, and one with a batch."""
    tokenizer = HMLMTokenizer()
    model = make_model(id, HMLMConfig.of_size("tiny", vocab_size=tokenizer.vocab_size))
    (one,), (batch,) = (draw_batches(tokenizer, size, 1) for size in (1, networks))

    def first() -> None:
        forward_and_backward(model, one)
        model.zero_grad(set_to_none=True)

    return first, lambda: forward_and_backward(model, batch)


def measure_models(
    networks: int = NETWORKS,
    batches: int = BATCHES,
    repeats: int = 10,
    log: Callable[[str], object] = lambda line: None,
) -> list[Result]:
    """One result per model: parameters, milliseconds per batch, molecules per second, peak memory.

    Args:
        networks: in a batch.
        batches: how many; a repeat is their mean.
        repeats: how often every model has its turn.
        log: is called with a line of progress now and then.

    Raises:
        HMLMError: this system cannot measure memory.
    """
    tokenizer = HMLMTokenizer()
    config = HMLMConfig.of_size("tiny", vocab_size=tokenizer.vocab_size)
    drawn = draw_batches(tokenizer, networks, batches)
    molecules = sum(batch.molecules for batch in drawn) / batches
    models = {entry.id: make_model(entry.id, config) for entry in ENCODERS}
    times = time_in_turns(
        {id: partial(_all_batches, model, drawn) for id, model in models.items()},
        repeats,
        lambda repeat: log(f"models: repeat {repeat} of {repeats}"),
    )
    fastest = {id: min(of) / batches for id, of in times.items()}
    results = []
    for entry in ENCODERS:
        model, seconds = models[entry.id], fastest[entry.id]
        results.append(
            entry.result(
                f"{networks} networks",
                "models",
                None,
                parameters=parameters_of(model),
                parameters_in_blocks=parameters_of(model.blocks),  # type: ignore[arg-type]
                molecules_per_batch=molecules,
                ms_per_batch=1e3 * seconds,
                ms_median=1e3 * statistics.median(times[entry.id]) / batches,
                molecules_per_second=molecules / seconds,
                peak_mb=peak_megabytes(_prepare, entry.id, networks),
                ratio_to_hmlm=seconds / fastest[REFERENCE],
            )
        )
        log(f"{entry.label}: {1e3 * seconds:.0f} ms, {results[-1]['peak_mb']:.0f} MB")
    return results


def time_in_turns(
    steps: dict[str, Step], repeats: int, log: Callable[[int], object] = lambda repeat: None
) -> dict[str, list[float]]:
    """Seconds of the processor that each step takes, in turns; a first turn does not count."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    try:
        for repeat in range(repeats + 1):
            for name, step in steps.items():
                started = time.process_time()
                step()
                if repeat:
                    seconds[name].append(time.process_time() - started)
            log(repeat)
    finally:
        torch.set_num_threads(threads)
    return seconds

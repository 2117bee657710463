"""transformers' Trainer for both objectives, on any number of processes."""

from __future__ import annotations

from typing import Any

import torch

from ..common.launching import summed
from ..model.gates import PresetTable
from ..model.losses import PART_LOSSES, count_terms, weighted_sum
from ..model.masked_molecule_head import unmasked_ids
from ..model.vocabulary import SPECIAL_TOKENS
from .every_parameter import EveryParameter
from .objectives import PretrainingExamples, count_molecules
from .progress import Progress
from .resuming import ResumableTrainer

FLOPS = 4.5
"""Operations on a molecule token per parameter outside of tables, forward and back, as torch
counts them in products of matrices (4.5 to 4.9): 6 would be if every token passed every part."""


class PretrainingTrainer(ResumableTrainer):
    """Trainer that takes examples in the order of their numbers and logs each objective.

    Every loss is a mean over the whole batch, whichever process holds which part of it: on two
    processes with half of the batch each, it equals that of one process on all of it.
    """

    def __init__(
        self,
        token_rate_factor: float = 1.0,
        token_weight_decay: float = 0.0,
        progress: Progress | None = None,
        **kwargs: Any,
    ) -> None:
        """
        Args:
            token_rate_factor: times the learning rate for the token table.
            token_weight_decay: decoupled, of the token table.
            progress: the log of this trainer.
        """
        self.progress = progress or Progress()
        super().__init__(callbacks=[self.progress], **kwargs)
        self.progress.trainer = self
        self.token_rate_factor, self.token_weight_decay = token_rate_factor, token_weight_decay
        self.model_accepts_loss_kwargs = False
        self._parts: list[torch.Tensor] = []
        self._logged_tokens = (0, 0)
        self.molecules_processed = self.tokens_computed = 0
        self._every_parameter: EveryParameter | None = None
        model = kwargs["model"]
        # Counted now: under ZeRO-3 parameters are elsewhere later.
        self._flops_per_molecule = FLOPS * model.num_parameters(exclude_embeddings=True)
        self._vocabulary = int(model.config.vocab_size)

    def _get_train_sampler(self, *args: Any, **kwargs: Any) -> torch.utils.data.Sampler:
        # Every example is drawn from its own number, so shuffling would add nothing.
        return torch.utils.data.SequentialSampler(self.train_dataset)  # type: ignore[arg-type]

    def create_optimizer(self, *args: Any, **kwargs: Any) -> torch.optim.Optimizer:
        """AdamW; few batches update a row of the token table, so its learning rate is higher.

        So is that of the matrices that the table is compared through. All of them have a weight
        decay of their own, so that tokens of few networks are not memorised.
        """
        if self.optimizer is None:
            model = self.model
            assert model is not None
            decayed = set(self.get_decay_parameter_names(model))
            presets = {
                f"{name}.weight"
                for name, module in model.named_modules()
                if isinstance(module, PresetTable)
            }
            groups: dict[tuple[bool, bool], list[torch.nn.Parameter]] = {}
            for name, parameter in model.named_parameters():
                is_token = name.endswith(("embeddings.members.weight", "vocabulary.bias"))
                is_token = is_token or "_votes." in name
                # Presets have a meaning, and 0 would change it.
                kind = (is_token, name in decayed and not is_token and name not in presets)
                groups.setdefault(kind, []).append(parameter)
            rate = self.args.learning_rate

            def decay(is_token: bool, decays: bool) -> float:
                if is_token:
                    return self.token_weight_decay
                return self.args.weight_decay if decays else 0.0

            self.optimizer = torch.optim.AdamW(
                [
                    {
                        "params": parameters,
                        "lr": rate * (self.token_rate_factor if is_token else 1.0),
                        "weight_decay": decay(is_token, decays),
                    }
                    for (is_token, decays), parameters in groups.items()
                ],
                lr=rate,
            )
        return self.optimizer

    def compute_loss(  # type: ignore[override]
        self, model: torch.nn.Module, inputs: dict[str, Any], return_outputs: bool = False, **_: Any
    ) -> Any:
        terms = count_terms(inputs)
        counts = torch.cat([terms, terms.new_tensor(count_molecules(inputs))])
        counts = summed(counts)
        self.molecules_processed += int(counts[-2])
        self.tokens_computed += int(counts[-1])
        if self.accelerator.num_processes > 1:
            inputs = self._with_candidates(inputs)
        if self._every_parameter is None:
            self._every_parameter = EveryParameter(self.accelerator.unwrap_model(model))
        output = model(**inputs)
        # Gradients are averaged over processes, of which each has some of the terms.
        weight = terms * self.accelerator.num_processes / counts[: len(terms)].clamp(min=1)
        parts = [
            None if loss is None else loss * share
            for loss, share in zip(
                (getattr(output, name) for name in PART_LOSSES), weight.float(), strict=True
            )
        ]
        self._parts.append(
            torch.stack([weight.new_tensor(0.0) if p is None else p.detach() for p in parts])
        )
        loss = weighted_sum(*parts)
        assert loss is not None, "the batch has no labels"
        loss = loss + self._every_parameter.nothing
        return (loss, output) if return_outputs else loss

    def _with_candidates(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """The batch, with the tokens that the masked networks of all processes hold."""
        language = inputs.get("language", inputs)
        if "masked_ids" not in language:
            return inputs
        ids = unmasked_ids(language["input_ids"], language["masked_ids"])
        there = torch.zeros(self._vocabulary, device=ids.device)
        there[ids[ids >= len(SPECIAL_TOKENS)]] = 1
        candidates = torch.nonzero(summed(there))[:, 0]
        if "language" not in inputs:
            return {**inputs, "candidate_ids": candidates}
        return {**inputs, "language": {**language, "candidate_ids": candidates}}

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        # The Trainer's mean over a run counts from where it was resumed.
        logs.pop("train_loss", None)
        if "loss" in logs:
            mean = torch.stack(self._parts).mean(0)
            parts = (summed(mean) / self.accelerator.num_processes).tolist()
            used = {n: v for n, v in zip(PART_LOSSES, parts, strict=True) if v}
            real, computed = self._logged_tokens
            logs |= used | {
                "real_tokens": (self.molecules_processed - real) / (self.tokens_computed - computed)
            }
            self._parts.clear()
            self._logged_tokens = (self.molecules_processed, self.tokens_computed)
        super().log(logs, *args, **kwargs)

    def molecules_per_step(self) -> float:
        """Molecule tokens of a batch on all processes, by the first few examples."""
        examples = self.train_dataset
        assert isinstance(examples, PretrainingExamples)
        size = examples.batch_size
        batches = range(0, min(4 * size, len(examples)), size)
        counts = [
            count_molecules(examples.collate([examples[first + i] for i in range(size)]))[0]
            for first in batches
        ]
        return sum(counts) / len(counts)

    def flops_per_molecule(self) -> float:
        """Operations on a molecule token, forward and back."""
        return self._flops_per_molecule

"""Dedicated models, each for one weighting: policies that take the nearest one, or average their parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from moft.engine.policies.conditioned_policy import common_multiple
from moft.engine.policies.state_dict import own_copy, own_state
from moft.errors import ConfigError
from moft.interfaces import Assignment, Model, Policy
from moft.types import Batch, Injection, ModelSpec, Tradeoff


class DedicatedModels(nn.Module):
    """Copies of one model that are trained for different weightings, without conditioner; they share its frozen parameters.

    Args:
        model: to copy.
        count: of copies.
    """

    models: nn.ModuleList

    def __init__(self, model: nn.Module, count: int) -> None:
        super().__init__()
        self.models = nn.ModuleList(own_copy(model) for _ in range(count))
        self._is_correction = _spec(model).is_correction

    def __len__(self) -> int:
        return len(self.models)

    def __getitem__(self, index: int) -> Model:
        model = self.models[index]
        if not isinstance(model, Model):
            raise ConfigError(f"{type(model).__name__} is not a Model, so it cannot score lists.")
        return model

    def corrections(self, batch: Batch, chosen: Sequence[int]) -> Tensor:
        """`[k, batch, list]`, score minus reference, of k of the models, in one pass where they can be stacked.

        Args:
            batch: the lists.
            chosen: indices of the models.
        """
        if len(chosen) == 1 or not self[0].is_stackable:
            return torch.stack([self._correction(self[index](batch.inputs, Injection()), batch) for index in chosen])
        trained = [_trained(self.models[index]) for index in chosen]
        stacked = {name: torch.stack([parameters[name] for parameters in trained]) for name in trained[0]}
        with side_by_side():
            outputs = vmap(self._output, in_dims=(0, None), randomness="different")(stacked, batch)  # [k, batch, list]
        return self._correction(outputs, batch)

    def averaged(self, batch: Batch, weights: Tensor) -> Tensor:
        """`[batch, list]`, the correction of the model whose parameters are averages.

        Args:
            batch: the lists.
            weights: `[n]`, of the models; they sum to one.
        """
        return self._correction(self._output(self._mean(weights), batch), batch)

    def average(self, weights: Tensor) -> Model:
        """A model of its own whose parameters are averages.

        Args:
            weights: `[n]`, of the models; they sum to one.
        """
        model, mean = own_copy(self[0]), self._mean(weights)
        with torch.no_grad():
            for name, parameter in _trained(model).items():
                parameter.copy_(mean[name])
        return model

    def check_one_start(self) -> None:
        """Checks that all models have the same parameters, as before training.

        Raises:
            ConfigError: one differs.
        """
        first = own_state(self.models[0])
        for index, model in enumerate(self.models):
            for name, value in own_state(model).items():
                if value.shape != first[name].shape or not torch.equal(value, first[name].to(value.device)):
                    raise ConfigError(
                        f"model {index + 1} of {len(self.models)} does not start from the same weights as model 1: {name!r} "
                        "differs. Parameters can only be averaged between models that were tuned from one initialisation."
                    )

    def _mean(self, weights: Tensor) -> dict[str, Tensor]:
        """The average of the trained parameters, by name."""
        trained = [_trained(model) for model in self.models]
        return {name: torch.tensordot(weights, torch.stack([model[name] for model in trained]), dims=1) for name in trained[0]}

    def _output(self, parameters: Mapping[str, Tensor], batch: Batch) -> Tensor:
        """The output of the first model with other parameters."""
        output: Tensor = functional_call(self.models[0], dict(parameters), (batch.inputs, Injection()))
        return output

    def _correction(self, output: Tensor, batch: Batch) -> Tensor:
        return output if self._is_correction else output - batch.reference


def side_by_side() -> AbstractContextManager[None]:
    """A block for passes of stacked models: it selects the one attention kernel that is fast there and runs on every device."""
    return sdpa_kernel(SDPBackend.MATH)


class NearestPolicy(Policy):
    """A model for each point of a grid of weights; other weights are served by the nearest point's model.

    Args:
        dedicated: the models.
        grid: `[n, m]`, the weights of each.
        betas: `[1, m]`, of training.
    """

    grid: Tensor
    betas: Tensor

    def __init__(self, dedicated: DedicatedModels, grid: Tensor, betas: Tensor) -> None:
        super().__init__()
        self.dedicated = dedicated
        self.register_buffer("grid", grid.clone())
        self.register_buffer("betas", betas.clone())

    def correction(self, batch: Batch, tradeoff: Tradeoff) -> Tensor:
        nearest = self._nearest(tradeoff.expand(len(batch)).weights)  # [batch]
        outputs = torch.zeros_like(batch.reference)
        for index in sorted(set(nearest.tolist())):
            rows = (nearest == index).nonzero().squeeze(1)
            corrections = self.dedicated.corrections(batch.select(rows), (index,)).squeeze(0)  # [k, list]
            outputs = outputs.to(corrections.dtype).index_copy(0, rows, corrections)
        return outputs

    def magnitude(self, tradeoff: Tradeoff) -> Tensor:
        return common_multiple(tradeoff, self.betas)

    def assignments(self, tradeoff: Tradeoff) -> Sequence[Assignment]:
        whole = tradeoff.expand(len(tradeoff))
        nearest, assignments = self._nearest(whole.weights), []
        for index in sorted(set(nearest.tolist())):
            rows = (nearest == index).nonzero().squeeze(1)
            assignments.append(Assignment(rows, self.dedicated[index], Injection(), self.magnitude(whole.select(rows))))
        return assignments

    def served(self, tradeoff: Tradeoff) -> Tradeoff:
        return Tradeoff(self.grid.to(tradeoff.weights)[self._nearest(tradeoff.weights)], tradeoff.betas)

    def _nearest(self, weights: Tensor) -> Tensor:
        """`[rows]`, the grid point at the least distance from each row; the first of equals."""
        distances = (weights.unsqueeze(1) - self.grid.to(weights)).square().sum(-1)  # [rows, n]
        return (distances <= distances.amin(1, keepdim=True) + 1e-9).int().argmax(1)  # rounding must not choose among equals


class SoupPolicy(Policy):
    """A model for each objective; for given weights, the parameters of the models are averaged with these weights.

    Args:
        dedicated: the models, one for each objective, in order.
        betas: `[1, m]`, of training.

    Source: Rame et al. 2023 (rewarded soups), arXiv 2306.04488; DPO Soup of arXiv 2410.08316, appendix A.1.
    """

    betas: Tensor

    def __init__(self, dedicated: DedicatedModels, betas: Tensor) -> None:
        super().__init__()
        self.dedicated = dedicated
        self.register_buffer("betas", betas.clone())

    def correction(self, batch: Batch, tradeoff: Tradeoff) -> Tensor:
        different, places = torch.unique(tradeoff.expand(len(batch)).weights, dim=0, return_inverse=True)
        outputs = torch.zeros_like(batch.reference)
        for index, weights in enumerate(different):
            rows = (places == index).nonzero().squeeze(1)
            corrections = self.dedicated.averaged(batch.select(rows), weights)  # [k, list]
            outputs = outputs.to(corrections.dtype).index_copy(0, rows, corrections)
        return outputs

    def magnitude(self, tradeoff: Tradeoff) -> Tensor:
        return common_multiple(tradeoff, self.betas)

    def assignments(self, tradeoff: Tradeoff) -> Sequence[Assignment]:
        whole = tradeoff.expand(len(tradeoff))
        different, places = torch.unique(whole.weights, dim=0, return_inverse=True)
        assignments = []
        for index, weights in enumerate(different):
            rows = (places == index).nonzero().squeeze(1)
            assignments.append(Assignment(rows, self.dedicated.average(weights), Injection(), self.magnitude(whole.select(rows))))
        return assignments


def _spec(model: nn.Module) -> ModelSpec:
    if not isinstance(model, Model):
        raise ConfigError(f"{type(model).__name__} is not a Model, so it cannot be copied.")
    return model.spec


def _trained(model: nn.Module) -> dict[str, Tensor]:
    """The parameters that are trained; all others are the same in every copy."""
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}

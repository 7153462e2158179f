"""The forward pass of a small BERT that embeds sentences, in numpy: tokens -> vectors. Pure.

The architecture is that of J. Devlin et al., "BERT" (2019); mean pooling and normalisation as N. Reimers and
I. Gurevych, "Sentence-BERT" (2019). Names of weights as in the ``model.safetensors`` of a BertModel.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

_NEVER: Final = np.float32(-1e9)


class Bert:
    """``weights`` by name, ``config`` as the model's ``config.json``. Raises ``ValueError`` for another architecture,
    ``KeyError`` for a weight that is missing."""

    def __init__(self, weights: Mapping[str, Any], config: Mapping[str, Any]) -> None:
        if config.get("model_type") != "bert" or config.get("hidden_act") != "gelu":
            raise ValueError("not a BERT with GELU: model_type and hidden_act in config.json say otherwise")
        self.size = int(config["hidden_size"])
        self.positions = int(config["max_position_embeddings"])
        self._heads = int(config["num_attention_heads"])
        self._eps = np.float32(config.get("layer_norm_eps", 1e-12))
        self._weights = {name: np.asarray(value, np.float32) for name, value in _plain(weights).items()}
        self._layers = [self._layer(f"encoder.layer.{at}.") for at in range(int(config["num_hidden_layers"]))]
        first = self._weights["embeddings.token_type_embeddings.weight"][0]
        self._places = self._weights["embeddings.position_embeddings.weight"] + first

    def embed(self, tokens: Ints, mask: Ints) -> Floats:
        """``tokens`` and ``mask`` (1 for a token, 0 for padding): (texts, length). Gives (texts, size), each of length
        1: the mean over a text's tokens. What stands in padding changes nothing."""
        seen = mask.astype(np.float32)
        hidden = self._weights["embeddings.word_embeddings.weight"][tokens] + self._places[: tokens.shape[1]]
        hidden = self._norm(hidden, "embeddings.LayerNorm")
        closed = (1 - seen)[:, None, None, :] * _NEVER
        for layer in self._layers:
            hidden = self._through(hidden, closed, layer)
        mean = (hidden * seen[:, :, None]).sum(1) / np.maximum(seen.sum(1), 1)[:, None]
        length = np.sqrt((mean * mean).sum(1, keepdims=True))
        return np.asarray(mean / np.maximum(length, 1e-12), np.float32)

    def _layer(self, name: str) -> dict[str, Any]:
        """One layer's weights, query, key and value in one matrix."""
        parts = [f"{name}attention.self.{part}" for part in ("query", "key", "value")]
        return {
            "name": name,
            "qkv": np.ascontiguousarray(np.concatenate([self._weights.pop(f"{p}.weight") for p in parts]).T),
            "bias": np.concatenate([self._weights.pop(f"{p}.bias") for p in parts]),
        }

    def _through(self, hidden: Floats, closed: Floats, layer: Mapping[str, Any]) -> Floats:
        name = layer["name"]
        texts, length, size = hidden.shape
        flat = hidden.reshape(-1, size)
        mixed = (flat @ layer["qkv"] + layer["bias"]).reshape(texts, length, 3, self._heads, size // self._heads)
        query, key, value = mixed.transpose(2, 0, 3, 1, 4)
        weights = _softmax(query @ key.swapaxes(-1, -2) / np.float32(math.sqrt(size // self._heads)) + closed)
        # tables of two dimensions from here: one large product instead of one for each text
        context = (weights @ value).transpose(0, 2, 1, 3).reshape(-1, size)
        flat = self._norm(
            flat + self._dense(context, f"{name}attention.output.dense"), f"{name}attention.output.LayerNorm"
        )
        inner = _gelu(self._dense(flat, f"{name}intermediate.dense"))
        flat = self._norm(flat + self._dense(inner, f"{name}output.dense"), f"{name}output.LayerNorm")
        return flat.reshape(texts, length, size)

    def _dense(self, value: Floats, name: str) -> Floats:
        return np.asarray(value @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"], np.float32)

    def _norm(self, value: Floats, name: str) -> Floats:
        centred = value - value.mean(-1, keepdims=True)
        spread = np.sqrt((centred * centred).mean(-1, keepdims=True) + self._eps)
        return np.asarray(
            centred / spread * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"], np.float32
        )


def _plain(weights: Mapping[str, Any]) -> dict[str, Any]:
    """Without the "bert." that some models' names begin with."""
    return {name.removeprefix("bert."): value for name, value in weights.items() if "position_ids" not in name}


def _softmax(value: Floats) -> Floats:
    raised = np.exp(value - value.max(-1, keepdims=True))
    return np.asarray(raised / raised.sum(-1, keepdims=True), np.float32)


def _gelu(value: Floats) -> Floats:
    """``x * (1 + erf(x / sqrt 2)) / 2``; numpy has no erf: Abramowitz and Stegun 7.1.26, wrong by 1.5e-7 at most."""
    side = np.abs(value) * np.float32(math.sqrt(0.5))
    t = 1 / (1 + np.float32(0.3275911) * side)
    series = ((((1.061405429 * t - 1.453152027) * t) + 1.421413741) * t - 0.284496736) * t + 0.254829592
    erf = np.copysign(1 - series * t * np.exp(-side * side), value)
    return np.asarray(value * (1 + erf) / 2, np.float32)

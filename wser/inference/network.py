"""One fold of a run of a network, ready to predict."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from wser.inference.trained import Trained, TrainedFold
from wser.training import forward, statistics
from wser.training.standardise import Standardise
from wser.training.statistics import Statistics

if TYPE_CHECKING:
    from precompute.library import Extracted

BATCH = 16
"""Recordings in a batch."""


class NetworkFold:
    """A network on the device of its run; arguments and call as of `wser.inference.ready.FittedFold`."""

    def __init__(self, run: Trained, fold: TrainedFold, speaker: Statistics | None) -> None:
        given = statistics.stacked({"": speaker}) if speaker else fold.statistics
        own = run.config.data.standardise == "utterance"
        self.run, self.network = run, fold.network.to(run.device)
        self.standardise = Standardise(run.item, given, None, own, by_speaker=speaker is not None).to(run.device)

    def __call__(self, items: "Sequence[Extracted]") -> NDArray[np.float64]:
        """Probabilities of each class, float64 (n, classes), by what a cache would hold of each recording."""
        run = self.run
        order = sorted(range(len(items)), key=lambda place: items[place].stop - items[place].start)
        probabilities = np.empty((len(items), len(run.classes)))
        with torch.inference_mode():
            for first in range(0, len(order), BATCH):
                batch = order[first : first + BATCH]
                frames = np.stack([items[place].values for place in batch])
                spoken = np.array([(items[place].start, items[place].stop) for place in batch])
                cut = forward.cut(frames, spoken, run.item, run.config.data.pad)
                values, lengths, own = (tensor.to(run.device) for tensor in cut)
                standardised = self.standardise(values, lengths, own, torch.zeros_like(lengths))
                logits = forward.logits(self.network, standardised, lengths)
                probabilities[batch] = logits.softmax(dim=1).cpu().numpy()
        return probabilities

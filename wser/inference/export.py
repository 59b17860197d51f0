"""The networks of a run as one ONNX graph, the recipe's transform as another, and what a client must know of them.

Both graphs are compared with the code that they replace, on recordings, before they count: the network with PyTorch, the
transform with `precompute.extract`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from precompute.cache import places
from precompute.common import files
from precompute.common.errors import RecipeError, UnusableAudioError, UsageError, WserError
from precompute.common.provenance import version_of
from precompute.library import extract
from wser.data.dataset import open_dataset
from wser.inference import graph, sources
from wser.inference.graph import ExportError
from wser.inference.predict import Recording, Unusable
from wser.inference.trained import Trained
from wser.inference.transform import Transform
from wser.results import FITTED
from wser.training import forward
from wser.training.standardise import Standardise
from wser.training.statistics import FLOOR

if TYPE_CHECKING:
    from precompute.common.finding import Corpora
    from precompute.library import Extracted

T = TypeVar("T")

FORMAT = 1
"""Of the JSON file; raised where a client written for it would misread it."""

RECORDINGS = 20
"""On which graphs are checked."""

TOLERANCE = 1e-4
"""Largest difference of a probability from PyTorch's."""

WITHIN_ONE = 0.9999
"""Share of the pixels whose level is at most one from the cache's, at least.  Where a column is 40 dB under its neighbour, the
cache itself is half a decibel from the definition here and there (`precompute.wavelet.pooling`), and the graph is not."""

PROBABILITIES = "probabilities"
"""What the network gives."""


class Ensemble(nn.Module):
    """The networks of a run with their standardisation: from what caches hold to the mean of their probabilities.

    Args:
        run: What it has learned.

    Raises:
        ExportError: It needs more than one recording and its length.
    """

    def __init__(self, run: Trained) -> None:
        super().__init__()
        _check_alone(run)
        own = run.config.data.standardise == "utterance"
        self.networks = nn.ModuleList(fold.network.cpu() for fold in run.folds)
        self.standardise = nn.ModuleList(Standardise(run.item, fold.statistics, None, own) for fold in run.folds)
        self.whole, self.steps = run.config.data.pad == "paper", run.item.steps
        self.eval()

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        """Probabilities.

        Args:
            values: As caches hold them, from the first step of each utterance on, (batch, ...).
            lengths: Steps of each utterance, int64 (batch,).

        Returns:
            float32 (batch, classes).
        """
        spoken = torch.stack([torch.zeros_like(lengths), lengths], dim=1)
        seen = torch.full_like(lengths, self.steps) if self.whole else lengths
        logits = [
            forward.logits(network, standardise(values, seen, spoken), seen).softmax(dim=1)
            for network, standardise in zip(self.networks, self.standardise, strict=True)
        ]
        return torch.stack(logits).mean(dim=0)


@dataclass(frozen=True)
class Exported:
    """The files of an export.

    Attributes:
        network: ONNX.
        transform: ONNX; None where the recipe has no such graph.
        facts: What a client must know, for JSON.
    """

    network: bytes
    transform: bytes | None
    facts: dict[str, Any]


def export(run: Trained, recordings: Sequence[Path], names: tuple[str, str]) -> Exported:
    """Make the graphs of a run, and check them.

    Args:
        run: What it has learned.
        recordings: Audio files on which the graphs are checked.
        names: Of the files of network and transform.

    Raises:
        ExportError: The networks cannot be written, or a graph differs from the code that it replaces.
        UnusableAudioError: None of the recordings can be used.
    """
    ensemble = Ensemble(run)
    extracted = _extracted(run, recordings)
    network = graph.graph(ensemble, _examples(run), {run.item.kind: _axes(run), "lengths": {0: "batch"}}, [PROBABILITIES])
    checked: dict[str, Any] = {
        "recordings": len(extracted),
        "largest_difference": _check_network(network, ensemble, run, [extracted_item for _, extracted_item in extracted]),
    }
    transform, why_not = None, ""
    try:
        transform_module = Transform(run.recipe, ensemble.whole).eval()
    except RecipeError as error:
        why_not = str(error)
    else:
        waveform = {"waveform": torch.linspace(-1, 1, run.recipe.audio.samples // 3)}
        transform = graph.graph(transform_module, waveform, {"waveform": {0: "samples"}}, ["picture", "level"])
        checked["transform"] = _check_transform(transform, network, run, extracted)
    written = {names[0]: network} | ({names[1]: transform} if transform else {})
    return Exported(network, transform, _facts(run, written, names, why_not) | {"checked": checked})


def of_corpora(run: Trained, corpora: "Corpora") -> list[Path]:
    """Recordings of the run's own corpora, spread over them; none where its cache or they are not here.

    Args:
        run: Whose cache says which recordings there are.
        corpora: Where corpora are.
    """
    named = run.record["corpora"]
    try:
        ids = [str(corpus["cache"]) for corpus in named]
        roots, recipe = places.parse(run.config.cache_root), run.record["recipe_id"]
        dataset = open_dataset(roots, [corpus["corpus"] for corpus in named], recipe, ids, run.config.labels)
    except (OSError, WserError):
        return []
    whole = [(cache.corpus, record.path) for cache in dataset.caches for record in cache.records if record.end is None]
    return [file for corpus, path in _spread(whole) if (file := corpora.recording(corpus, path))]


def named(texts: Sequence[str]) -> list[Path]:
    """Recordings that some texts name: files, folders or patterns; of many, some that are spread over them.

    Raises:
        UsageError: A text names none.
    """
    recordings = list(sources.named(texts))
    for recording in recordings:
        if isinstance(recording, Unusable):
            raise UsageError(f"--recordings {recording.name}: {recording.reason}")
    audio = (recording.audio for recording in recordings if isinstance(recording, Recording))
    return _spread([path for path in audio if isinstance(path, Path)])


def _spread(items: Sequence[T]) -> list[T]:
    """As many as graphs are checked on."""
    return [items[place] for place in np.linspace(0, len(items) - 1, min(RECORDINGS, len(items))).astype(int)]


def _check_alone(run: Trained) -> None:
    data, pad = run.config.data, run.recipe.parameters["pad"]
    if not run.config.model.is_network:
        raise ExportError(
            f"{run.path} is of model={run.config.model.name}, which is no network: give a run of a network, or read "
            f"{FITTED} of its folds with NumPy"
        )
    if data.standardise == "speaker":
        raise ExportError(
            f"{run.path} standardises by all recordings of a speaker (data.standardise=speaker), and a graph sees one: give a "
            "run of data.standardise=utterance"
        )
    if run.item.time is None:
        raise ExportError(f"{run.path} learns from {run.item.kind} without time: give a run on pictures, levels or waveforms")
    if data.pad == "paper" and data.standardise == "utterance" and pad != "end":
        raise ExportError(
            f"{run.path} standardises each utterance (data.standardise=utterance) in frames that it may begin anywhere in "
            f"(data.pad=paper, pad={pad}), and a graph does not get that length: give a run of data.pad=trim"
        )


def _extracted(run: Trained, recordings: Sequence[Path]) -> "list[tuple[Path, Extracted]]":
    extracted, why = [], ""
    for path in recordings:
        try:
            extracted.append((path, extract(path, run.recipe)))
        except UnusableAudioError as error:
            why = str(error)
    if not extracted:
        raise UnusableAudioError(f"none of the recordings can be used, on which graphs are checked: {why or 'none is given'}")
    return extracted


def _axes(run: Trained) -> dict[int, str]:
    """Axes of the network's input whose lengths vary, and what these are called."""
    return {0: "batch", 1 + (run.item.time or 0): "steps"}


def _examples(run: Trained) -> dict[str, Tensor]:
    """Inputs of the network, by name: utterances of lengths that are no special case of any layer."""
    item = run.item
    steps = min(item.steps, max(72, item.steps // 4))
    shape = [steps if axis == item.time else length for axis, length in enumerate(item.shape)]
    values = np.random.default_rng(0).integers(0, 128, (3, *shape)).astype(item.dtype)
    return {item.kind: torch.from_numpy(values), "lengths": torch.tensor([steps, steps - 1, max(1, steps // 2)])}


def _check_network(network: bytes, ensemble: Ensemble, run: Trained, items: "Sequence[Extracted]") -> float:
    """Largest difference from PyTorch, over utterances together and the first alone."""
    session, worst = graph.Session(network), 0.0
    for part in (items, items[:1]):
        frames = np.stack([picture.values for picture in part])
        spoken = np.array([(picture.start, picture.stop) for picture in part])
        values, _, own = forward.cut(frames, spoken, run.item, run.config.data.pad)
        lengths = own[:, 1]
        with torch.inference_mode():
            expected = ensemble(values, lengths).numpy()
        logits = session(**{run.item.kind: values.numpy(), "lengths": lengths.numpy()})[0]
        worst = max(worst, float(np.abs(logits - expected).max()))
    if not worst <= TOLERANCE:
        raise ExportError(
            f"the graph's probabilities differ from PyTorch's by {worst:.1e}, more than {TOLERANCE:g}: nothing is written; "
            "install the versions of torch and onnxscript that this software names"
        )
    return worst


def _check_transform(
    transform: bytes, network: bytes, run: Trained, extracted: "Sequence[tuple[Path, Extracted]]"
) -> dict[str, float]:
    """How far the pictures of the graph are from those of caches.

    Returns:
        `levels_equal` and `levels_within_one`, shares of the pixels; `largest`, the largest difference in levels; and
        `largest_difference` of a probability that the network gives of them.
    """
    from_waveform, from_picture = graph.Session(transform), graph.Session(network)
    table = np.frombuffer(bytes.fromhex(run.recipe.record()["colour_table"]), np.uint8).reshape(-1, 3)
    apart, worst = [], 0.0
    for path, item in extracted:
        computed = from_waveform(waveform=waveform(path, run.recipe.audio.sample_rate))[0]
        expected = item.values[None, :, slice(None) if computed.shape[2] == run.item.steps else slice(item.start, item.stop)]
        if computed.shape != expected.shape:
            raise ExportError(
                f"the graph of the transform makes a picture of {computed.shape} of {path}, not of {expected.shape}"
            )
        apart.append(_levels_apart(computed, expected, table).ravel())
        lengths = np.array([item.stop - item.start])
        ours, theirs = (from_picture(**{run.item.kind: picture, "lengths": lengths})[0] for picture in (computed, expected))
        worst = max(worst, float(np.abs(ours - theirs).max()))
    levels = np.concatenate(apart)
    within = float((levels <= 1).mean())
    if within < WITHIN_ONE:
        raise ExportError(
            f"the graph of the transform is more than one of 256 levels from the cache in {100 * (1 - within):.2g} % of the "
            "pixels: nothing is written; report the recipe, since this is a fault of this software"
        )
    equal = float((levels == 0).mean())
    return {"levels_equal": equal, "levels_within_one": within, "largest": int(levels.max()), "largest_difference": worst}


def _levels_apart(computed: NDArray[np.uint8], expected: NDArray[np.uint8], table: NDArray[np.uint8]) -> NDArray[np.int64]:
    """By how many levels the colours of two pictures differ, (rows, columns).

    Neighbouring levels of a colour map may have one colour.
    """
    codes = [(colours.astype(np.int64) @ (1 << 16, 1 << 8, 1)) for colours in (table, computed, expected)]
    colours, first = np.unique(codes[0], return_index=True)
    last = len(table) - 1 - np.unique(codes[0][::-1], return_index=True)[1]
    ours, theirs = (np.searchsorted(colours, code) for code in codes[1:])
    apart: NDArray[np.int64] = np.maximum(first[ours] - last[theirs], first[theirs] - last[ours])
    return np.maximum(apart, 0)


def waveform(path: Path, sample_rate: int) -> NDArray[np.float32]:
    """A recording as the graph of the transform takes it: the mean of its channels, at a rate, float32 (samples,)."""
    import soundfile
    import soxr

    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    mono = samples.mean(axis=1)
    resampled: NDArray[np.float32] = mono if rate == sample_rate else soxr.resample(mono, rate, sample_rate, quality="HQ")
    return resampled


def _facts(run: Trained, written: Mapping[str, bytes], names: tuple[str, str], why_not: str) -> dict[str, Any]:
    """What a client must know, in the order in which it needs it."""
    item, data, recipe = run.item, run.config.data, run.recipe
    shape = ["batch", *item.shape]
    shape[1 + (item.time or 0)] = "steps"
    steps = f"whole frames of {item.steps} steps" if data.pad == "paper" else "as many steps as the longest utterance has"
    transform: dict[str, Any] = {
        "file": names[1],
        "input": {"name": "waveform", "dtype": "float32", "shape": ["samples"], "full_scale": 1.0},
        "outputs": [
            {"name": "picture", "dtype": "uint8", "of": "a batch of one, for the network"},
            {
                "name": "level",
                "dtype": "float32",
                "of": "root mean square of the band from f_min to f_max; silent under 1e-5",
            },
        ],
    }
    return {
        "format": FORMAT,
        "version": version_of("wser"),
        "files": {name: {"size": len(content), "sha256": files.sha256(content)} for name, content in written.items()},
        "run": {
            "name": run.path.resolve().name,
            "identity": run.record.get("identity"),
            "folds": [fold.number for fold in run.folds],
            "of_folds": run.of_all,
            "trained_in": run.precision,
        },
        "classes": run.classes,
        "sample_rate": recipe.audio.sample_rate,
        "samples_per_step": recipe.audio.samples / item.steps,
        "network": {
            "file": names[0],
            "inputs": [
                {"name": item.kind, "dtype": item.dtype, "shape": shape, "axes": ["batch", *item.axes], "steps": steps},
                {
                    "name": "lengths",
                    "dtype": "int64",
                    "shape": ["batch"],
                    "of": "steps of each utterance; the rest is not read",
                },
            ],
            "outputs": [{"name": PROBABILITIES, "dtype": "float32", "shape": ["batch", len(run.classes)]}],
        },
        "standardisation": {"by": data.standardise, "floor": FLOOR, "where": "in the network"},
        "transform": {"why_not": why_not} if why_not else transform,
        "recipe_id": recipe.id,
        "recipe": recipe.record(),
    }

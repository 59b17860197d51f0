"""What the time-frequency features share: rows and columns, and how power is stored, as a picture or in decibels."""

from abc import abstractmethod
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from precompute.audio.chain import Audio, Frame
from precompute.common import arrays
from precompute.common.errors import RecipeError
from precompute.common.settings import facts, setting
from precompute.features import _base
from precompute.features import _picture as image
from precompute.wavelet import FEWEST_SAMPLES

FAINTEST_DB = -200.0
"""Least decibels stored, and least peak, in dB re 1, that `reference=peak` puts at the top: digital silence stays dark."""

OF_SCALOGRAMS = {"wavelet": "cmor1.5-1.0", "rgb": "colormap"}
"""Parameters of the scalogram alone, which recipes of pictures record of every feature (layout 1)."""


@dataclass(frozen=True)
class TimeFrequency(_base.Feature):
    """Power over frequency and time.

    The defaults: 128 scales from 60 Hz, under the lowest male F0, to 7.6 kHz, under the anti-aliasing edge of 16 kHz audio,
    put about 18 rows on each octave; columns of 31.25 ms still show syllables.  After RMS normalisation the peaks of speech
    lie a few dB above 0, so that a fixed range from -70 to 10 dB clips little and keeps level comparable between utterances.

    Attributes:
        scales: Number of rows of the transform (scales or bands), at least 2.
        columns: Number of time columns over which power is averaged.
        values: How power is stored: `picture`, 8-bit levels of a range in colours; or `decibels`, float16, without range and
            colour.
        reference: `fixed` puts the top of the range at `top_db`; `peak` at each utterance's own maximum.
        top_db: Upper end of the range in dB re 1 (squared units of the normalised waveform); only with `fixed`.
        range_db: Dynamic range in dB; more than 0.
        colour: Name of a matplotlib colour map, or `grey`.
        height: Rows of the image; by default `scales`; with another value the image is resized.
        width: Columns of the image; by default `columns`; with another value the image is resized.
    """

    algorithm: ClassVar[int] = 4
    layout_1: ClassVar[dict[str, Any]] = {}
    """What recipes of pictures record besides the parameters, as they did when all features were one (layout 1)."""

    ticks: ClassVar[tuple[int, ...]] = (100, 300, 1000, 3000)
    """Frequencies in Hz that a drawing of it names."""

    scales: int = setting(128, low=2, high=1024)
    columns: int = setting(256, low=1, high=8192)
    values: Literal["picture", "decibels"] = "picture"
    reference: Literal["fixed", "peak"] = setting("fixed", read_with={"values": ["picture"]})
    top_db: float = setting(10.0, read_with={"reference": ["fixed"]}, low=-200.0, high=200.0)
    range_db: float = setting(80.0, read_with={"values": ["picture"]}, low=1.0, high=200.0)
    colour: str = setting("viridis", read_with={"values": ["picture"]})
    height: int = setting(0, read_with={"values": ["picture"]}, low=1, high=1024)
    width: int = setting(0, read_with={"values": ["picture"]}, low=1, high=8192)

    def __post_init__(self) -> None:
        object.__setattr__(self, "height", self.height or self.scales)
        object.__setattr__(self, "width", self.width or self.columns)
        super().__post_init__()

    @abstractmethod
    def powers(self, frame: Frame) -> list[NDArray[np.float32]]:
        """Power of a frame, float32 (scales, columns), the highest frequency first; several where a picture has several."""

    @abstractmethod
    def frequencies(self, audio: Audio) -> NDArray[np.float64]:
        """Centre frequency of each row in Hz, float64 (scales,), from the highest down: the order of image rows."""

    def check(self, audio: Audio) -> None:
        """Refuse columns of no whole number of samples, and colours that there are not."""
        samples = round(audio.duration * audio.sample_rate, 6)
        if samples % self.columns or samples / self.columns < FEWEST_SAMPLES:
            nearest = max(FEWEST_SAMPLES, round(samples / self.columns)) * self.columns / audio.sample_rate
            raise RecipeError(
                f"duration={audio.duration} s is {samples:g} samples, no whole number of at least {FEWEST_SAMPLES} for each of "
                f"{self.columns} columns: choose a multiple of "
                f"{self.columns / audio.sample_rate:g} s, such as {nearest}"
            )
        if self.values == "picture":
            image.colour_table(self.colour)

    def array(self, audio: Audio) -> arrays.Array:  # noqa: ARG002
        """A picture, or float16 (scales, columns) in dB re 1, of which other processors round the last bit otherwise."""
        if self.values == "picture":
            return arrays.picture(self.height, self.width)
        return arrays.Array("float16", (self.scales, self.columns), ("frequency", "time"), 0.25)

    @cached_property
    def table(self) -> NDArray[np.uint8]:
        """Colour table, uint8 (256, 3)."""
        return image.colour_table(self.colour)

    def compute(self, frame: Frame) -> _base.Computed:
        """A picture or decibels, and the levels of the (first) power."""
        powers = self.powers(frame)
        levels = [self._levels(power) for power in powers]
        told = _base.Levels(levels[0], self.frequencies(frame.audio))
        if self.values == "decibels":
            return _base.Computed(np.maximum(image.decibels(powers[0]), FAINTEST_DB).astype(np.float16), told)
        return _base.Computed(self.picture([image.resize(plane, self.height, self.width) for plane in levels]), told)

    def picture(self, levels: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
        """Levels, uint8 (height, width), as uint8 (height, width, 3)."""
        return image.colour(levels[0], self.table)

    def record(self) -> dict[str, Any]:
        """Of decibels, without what only a picture has; of a picture, as in layout 1."""
        if self.values == "picture":
            own = {**asdict(self), **self.layout_1, "colour_table": self.table.tobytes().hex()}
            del own["values"]
            return own
        read = [field.name for field in fields(self) if not facts(field).readers]
        return {name: getattr(self, name) for name in read}

    def _levels(self, power: NDArray[np.float32]) -> NDArray[np.uint8]:
        """8-bit levels, (scales, columns)."""
        db = image.decibels(power)
        top = self.top_db if self.reference == "fixed" else max(float(db.max()), FAINTEST_DB)
        return image.levels(db, top, self.range_db)


@dataclass(frozen=True)
class Windowed(TimeFrequency):
    """One of a window's spectrum.

    Each column is one frame, centred on the middle of the column.  The window is Hann's, scaled to a sum of 1: a sinusoid of
    amplitude A gives 1.5 A^2 / 4 in all bins together, where a wavelet gives A^2 / 4 at its centre frequency.

    Attributes:
        window: Length of the window in seconds, at least that of a column.
    """

    window: float = setting(0.064, low=0.001, high=1.0)

    def check(self, audio: Audio) -> None:
        """Refuse also a window that leaves samples out."""
        super().check(audio)
        if self.window * self.columns < audio.duration:
            raise RecipeError(
                f"window={self.window} s is shorter than a column of {audio.duration / self.columns:g} s, and would leave "
                "samples out: give a longer window or more columns"
            )

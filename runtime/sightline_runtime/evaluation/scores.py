"""What every evaluation shares: tallies with intervals, and pictures from a runtime."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from sightline_runtime.protocol import (
    DecodeRequest,
    FeatureRequest,
    FeatureResult,
    Features,
    ImageSlot,
    Message,
    Pixels,
    Runtime,
    TextRequest,
    TextResult,
)

Json = dict[str, object]
Step = Callable[[str, int, int], None]
"""Called with (part, done, total)."""


@dataclass
class Tally:
    """Right answers of asked ones."""

    right: int = 0
    asked: int = 0

    def add(self, good: bool) -> None:
        """Count one."""
        self.right += good
        self.asked += 1

    def to_json(self) -> Json:
        """Score, count and the 95 % Wilson interval."""
        if not self.asked:
            return {"score": None, "n": 0}
        share, n, z = self.right / self.asked, self.asked, 1.96
        middle = (share + z * z / (2 * n)) / (1 + z * z / n)
        reach = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
        interval = [round(max(middle - reach, 0.0), 4), round(min(middle + reach, 1.0), 4)]
        return {"score": round(share, 4), "n": n, "interval": interval}


@dataclass
class Scores:
    """Tallies by name, and the questions' confidences for calibration."""

    by_kind: dict[str, Tally] = field(default_factory=dict)
    confidences: list[tuple[float, bool]] = field(default_factory=list)

    def add(self, kind: str, good: bool) -> None:
        """Count one under a kind."""
        self.by_kind.setdefault(kind, Tally()).add(good)

    @property
    def asked(self) -> int:
        """How many were counted in all."""
        return sum(tally.asked for tally in self.by_kind.values())

    def mean(self) -> float:
        """The mean of the kinds' scores."""
        shares = [tally.right / tally.asked for tally in self.by_kind.values() if tally.asked]
        return sum(shares) / len(shares) if shares else math.nan

    def to_json(self) -> Json:
        """Mean, every kind, and the calibration error where confidences were kept."""
        kinds = {kind: tally.to_json() for kind, tally in self.by_kind.items()}
        told: Json = {"mean": round(self.mean(), 4), "kinds": kinds}
        return told | ({"calibration_error": round(self.calibration_error(), 4)} if self.confidences else {})

    def calibration_error(self, bins: int = 10) -> float:
        """Expected calibration error over equally wide bins of confidence."""
        total = 0.0
        for index in range(bins):
            inside = [(c, good) for c, good in self.confidences if min(int(c * bins), bins - 1) == index]
            total += abs(sum(c for c, _ in inside) - sum(good for _, good in inside))
        return total / max(len(self.confidences), 1)


def draw(
    runtime: Runtime, prompt: str, seed: int, source: Pixels | None = None, plan: str | None = None
) -> Pixels:
    """Generate a picture, or edit one; from a given plan if there is one."""
    return decode(runtime, features(runtime, prompt, seed, source, plan).features[0], seed)


def features(
    runtime: Runtime,
    prompt: str,
    seed: int,
    source: Pixels | None = None,
    plan: str | None = None,
    *,
    steps: int | None = None,
) -> FeatureResult:
    """The features of a picture to generate, or of an edited one; default steps unless given."""
    content = (prompt,) if source is None else (ImageSlot(0), prompt)
    images = () if source is None else (source,)
    plans = () if plan is None else (plan,)
    return runtime.generate_features(
        FeatureRequest((Message("user", content),), (seed,), images, steps, plans=plans)
    ).result()


def ask(runtime: Runtime, picture: Pixels, question: str) -> TextResult:
    """The answer to a question about a picture."""
    message = Message("user", (ImageSlot(0), question))
    return runtime.generate_text(TextRequest((message,), (picture,), max_tokens=48)).result()


def decode(runtime: Runtime, features: Features, seed: int) -> Pixels:
    """Paint features."""
    return runtime.decode_features(DecodeRequest((features,), (seed,))).result().images[0]

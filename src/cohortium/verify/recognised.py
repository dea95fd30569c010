"""Text in pictures: what can be read in the outputs names nobody of whom their inputs tell.

Every picture of a kind that may carry text is read; of kinds that seldom do (`PLAIN`, as the device made them) some, by
chance. A reader confuses letters and misses some, so a match need not be exact, and finding nothing is no proof alone.
What was read stands in no message.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_color_lut

from cohortium.dicom import codecs, reading
from cohortium.dicom.reading import Text, shades
from cohortium.errors import Malformed
from cohortium.verify.pairs import Opened, Pair
from cohortium.verify.policy import Matching
from cohortium.verify.values import REMOVED, collect

__all__ = ["Recognised", "folded", "kinds_in"]

Array = np.ndarray[Any, Any]
Read = Callable[[Array], Sequence[Text]]

PLAIN = frozenset({"CT", "MR", "PT", "RTDOSE", "SEG"})
MADE_BY_DEVICE = ["ORIGINAL", "PRIMARY"]
FEW = 3  # frames that are each read; of more, these, and the brightest and darkest of each pixel over all
CONFUSED = str.maketrans("oqilsbzg", "00115826")
SHORT, LONG = 3, 7  # characters of a word that is looked for alone, and from which one may be misread
SURE = 0.5  # of a text that counts as readable


class Recognised:
    """Reads the pictures of outputs; `drawn` are the names of those of plain kinds to read."""

    title = "What can be read in pictures names nobody"

    def __init__(self, matching: Matching, drawn: Collection[str], read: Read | None = None) -> None:
        self._matching, self._drawn = matching, drawn
        self._readable = read is not None or reading.available()
        self._read = read
        self._pictures = self._plain = self._plain_read = self._silent = self._undecoded = 0

    def see(self, pair: Opened) -> Iterator[str]:
        plain = _plain(pair.after)
        if "PixelData" not in pair.after or not self._readable:
            return
        self._plain += plain
        if plain and pair.pair.name not in self._drawn:
            return
        try:
            texts = [text for view in _views(pair.after) for text in self._reader()(view)]
        except Malformed:
            self._undecoded += 1
            return
        self._pictures += 1
        self._plain_read += plain
        own = self._own(pair.pair)
        found = {kind for text in texts for kind in kinds_in(text.text, own)}
        self._silent += not found and any(text.score >= SURE and len(folded(text.text)) > 1 for text in texts)
        yield from (f"a {kind} of its input can be read in the picture" for kind in sorted(found))

    def _own(self, pair: Pair) -> Mapping[str, str]:
        """The kinds of all values of the input that identify, or that the protocol keeps nowhere."""
        sought, told = collect([pair.source], (), self._matching.policy), self._matching.told(pair.name)
        removed = {text for text in sought.removed if not told or text not in told.kept}
        return {**dict.fromkeys(removed, REMOVED), **sought.kinds}

    def _reader(self) -> Read:
        if self._read is None:
            self._read = reading.Reader()
        return self._read

    def looked_at(self) -> str:
        if not self._pictures:
            return "no output has a picture" if self._readable and not self._plain + self._undecoded else ""
        plain = f"{self._plain_read} of {self._plain} of {', '.join(sorted(PLAIN))}, drawn by chance"
        return f"{self._pictures} pictures were read: {plain}, and all others"

    def note(self) -> str:
        if not self._readable:
            return "Not read: the extra `ocr` is not installed."
        said = [f"{self._silent} pictures hold text that names nobody; look at them."] if self._silent else []
        said += [f"{self._undecoded} pictures cannot be decoded, and were not read."] if self._undecoded else []
        return " ".join(said)


def kinds_in(text: str, own: Mapping[str, str]) -> Iterator[str]:
    """The kinds of the values that a recognised text holds, as far as a reader's mistakes allow."""
    whole, alone = folded(text), {folded(word) for word in text.split()}
    for value, kind in own.items():
        for form in _written(value) if kind == "date of birth" else (folded(value),):
            if kind == "UID" or len(form) < SHORT:
                continue
            if form in (alone if len(form) <= SHORT else whole) or (len(form) >= LONG and _nearly(form, whole)):
                yield kind
                break


def folded(text: str) -> str:
    """Letters and digits without case and accents, and what readers confuse made one."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    return "".join(each for each in plain if each.isalnum()).translate(CONFUSED)


def _nearly(form: str, text: str) -> bool:
    """Whether the form stands in the text with one character misread."""
    windows = (text[start : start + len(form)] for start in range(len(text) - len(form) + 1))
    return any(sum(a != b for a, b in zip(form, window, strict=True)) <= 1 for window in windows)


def _written(date: str) -> Iterator[str]:
    """A date in the orders in which people write it; separators do not count."""
    year, month, day = date[:4], date[4:6], date[6:8]
    orders = (year + month + day, day + month + year, month + day + year, day + month + year[2:])
    yield from map(folded, orders)


def _plain(dataset: Dataset) -> bool:
    made = list(dataset.get("ImageType") or ())[:2] == MADE_BY_DEVICE
    modality = dataset.get("Modality")
    return modality in PLAIN and (made or modality in ("SEG", "RTDOSE"))


def _views(dataset: Dataset) -> Iterator[Array]:
    """What to read, in shades that a person sees."""
    count = codecs.frames(dataset)
    wanted = set(range(count)) if count <= FEW else {0, count // 2, count - 1}
    extremes: tuple[Array, Array] | None = None
    for index in range(count):
        frame, photometric = codecs.decode(dataset, index)
        if photometric == "PALETTE COLOR":
            frame = _coloured(dataset, frame)
        if index in wanted:
            yield from shades(frame)
        if count > FEW:
            least, most = extremes or (frame, frame)
            extremes = np.minimum(least, frame), np.maximum(most, frame)
    for extreme in extremes or ():
        yield from shades(extreme)


def _coloured(dataset: Dataset, indexes: Array) -> Array:
    try:
        colours = apply_color_lut(indexes, dataset)
    except codecs.BAD_INPUT as error:
        raise Malformed(f"its palette cannot be applied ({type(error).__name__})") from None
    return colours if colours.dtype == np.uint8 else (colours >> 8).astype(np.uint8)

"""Which cells of a file stand for a missing value."""

from __future__ import annotations

from dataclasses import dataclass, field

from tenfold.errors import BadInput

USUAL: tuple[str, ...] = (
    *("", "?", "na", "n/a", "n.a.", "n/k", "nan", "-nan", "<na>", "nat", "null", "(null)", "none", "nil", "\\n"),
    *("-", "--", "---", ".", "#n/a", "#na", "#null!", "#div/0!", "#num!", "#value!", "#ref!", "#name?"),
    *("1.#ind", "1.#qnan", "missing"),
)  # compared without regard to letter case, after the blanks around the cell are taken off


@dataclass(frozen=True)
class MissingWords:
    """The words that stand for a missing value; the empty cell always does.

    A cell is compared as a whole, without regard to letter case and to blanks around it. BadInput: a word of more than
    100 characters.
    """

    words: frozenset[str] = frozenset(USUAL)
    longest: int = field(init=False, compare=False)  # characters of the longest word

    def __post_init__(self) -> None:
        if "" not in self.words:
            object.__setattr__(self, "words", self.words | {""})
        object.__setattr__(self, "longest", max(map(len, self.words)))
        if self.longest > 100:
            raise BadInput("a missing marker of more than 100 characters", expected="words such as NA or unknown")

    def __contains__(self, cell: str) -> bool:
        return len(cell) <= self.longest and cell.lower() in self.words


USUAL_MISSING = MissingWords()


def missing_words(text: str | None) -> MissingWords:
    """The words in the text of an option, separated by commas: in place of the usual ones, or in addition to them where
    the text starts with a plus sign; None: the usual ones; an empty text: only the empty cell."""
    if text is None:
        return USUAL_MISSING
    more = text.startswith("+")
    words = {word.strip().lower() for word in text.removeprefix("+").split(",")}
    return MissingWords(frozenset(words | (set(USUAL) if more else set())))

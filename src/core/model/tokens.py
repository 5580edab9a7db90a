"""How many tokens a text will cost a language model, estimated from above without a vocabulary.

The text is cut into pieces much as tokenizers do, and each piece is priced by its kind. The
prices were fitted so that no ordinary text costs more in o200k_base or cl100k_base; how far that
was measured, in prose, code and data and in 130 languages, is told in `bench/tokens/README.md`.
"""

import re
from functools import lru_cache
from itertools import groupby
from typing import Final

from core.model.vocabulary import PAIRS, WORDS

HUNDREDTHS: Final = 100
"""Prices are whole hundredths of a token, so that sums are exact and the same everywhere."""

_PIECES: Final = re.compile(
    r"""[ ]?(?:[A-Z]?[a-z]{1,40}|[A-Z]{1,40}(?![a-z]))  # a word, or a part of an identifier
      | [0-9]{1,3}
      | [ ]{1,64} | \t{1,64} | [\r\n]{1,64}
      | [!-/:-@\[-`{-~]{1,16}
      | .""",
    re.VERBOSE | re.DOTALL,
)
# Up to which code point one character of a script costs how much, in the worse vocabulary.
_SCRIPTS: Final = (
    (0x00BF, 90),
    (0x024F, 150),  # Latin with diacritics
    (0x036F, 200),
    (0x03FF, 130),  # Greek
    (0x045F, 92),  # Cyrillic
    (0x058F, 214),
    (0x06FF, 156),  # Hebrew, Arabic
    (0x08FF, 223),
    (0x09FF, 170),  # Devanagari, Bengali
    (0x0B7F, 299),
    (0x0DFF, 224),  # Tamil to Sinhala
    (0x0E7F, 121),  # Thai
    (0x167F, 223),
    (0x17FF, 300),
    (0x1DFF, 223),
    (0x1EFF, 160),  # Vietnamese
    (0x1FFF, 223),
    (0x206F, 200),  # dashes, quotes, joiners
    (0x24FF, 180),
    (0x257F, 100),  # box drawing
    (0x2FFF, 300),  # symbols, dingbats
    (0x303F, 111),
    (0x309F, 90),  # hiragana
    (0x30FF, 116),  # katakana
    (0x4DFF, 300),
    (0x9FFF, 203),  # Han
    (0xABFF, 300),
    (0xD7AF, 143),  # Hangul
    (0xFDFF, 300),
    (0xFE0F, 100),
    (0xFFEF, 150),  # full width
    (0x1EFFF, 400),
    (0x1FAFF, 330),  # emoji
    (0x10FFFF, 400),
)


def estimate(text: str) -> int:
    """Tokens, rounded up: no fewer than a tokenizer makes of ordinary text and code."""
    return -(-price(text) // HUNDREDTHS)


def price(text: str) -> int:
    """The estimate in hundredths. No piece crosses the end of a line, so lines can be priced one by one."""
    return sum(map(_priced, _PIECES.findall(text)))


def reach(text: str, budget: int) -> int:
    """How many characters from the start fit a budget in hundredths; no piece is read beyond it."""
    for piece in _PIECES.finditer(text):
        budget -= _priced(piece[0])
        if budget < 0:
            return piece.start()
    return len(text)


@lru_cache(maxsize=16_384)
def _priced(piece: str) -> int:
    word = piece.removeprefix(" ")
    first = word[:1]
    if not piece.isascii():
        return next(price for last, price in _SCRIPTS if ord(piece) <= last)
    if first.isalpha():
        return _word(word, after_space=word != piece)
    if first.isdigit():
        return 129
    if piece.isspace():
        return _space(piece)
    return _punctuation(piece) if piece.isprintable() else 100


def _word(word: str, *, after_space: bool) -> int:
    lower = word.lower()
    all_capitals = len(word) > 1 and word.isupper()
    if lower in WORDS:
        return 80 + 25 * len(word) if all_capitals else 115 if after_space and word == lower else 145
    rare_pairs = sum(lower[i : i + 2] not in PAIRS for i in range(len(lower) - 1))
    if all_capitals:
        return 6 + 55 * (len(word) - 1) + 57 * rare_pairs
    start = (123 if after_space else 86) + (45 if word != lower else 0)
    return start + 32 * max(0, len(word) - 2) + 5 * max(0, len(word) - 11) + 79 * rare_pairs


def _space(run: str) -> int:
    if run[0] == " ":
        return 73 if len(run) == 1 else 155 + 15 * (len(run) // 16)
    return (100 if run[0] == "\t" else 60) + 10 * (len(run) - 1)


def _punctuation(run: str) -> int:
    price = -13
    for _, same in groupby(run):
        length = len(list(same))
        price += 83 + 12 * (length - 1)
    return price

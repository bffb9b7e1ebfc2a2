"""Short names for the heads of a matrix, as R's ``abbreviate`` makes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from partialpool.errors import shortened


def abbreviate(names: Sequence[str], minlength: int) -> list[str]:
    """Shorten names to `minlength` characters, or as many as keep them distinct.

    Parameters
    ----------
    names : sequence of str
    minlength : int
        Length aimed at. Names no longer than that stay as they are.

    Returns
    -------
    list of str
        Distinct where `names` are distinct.
    """
    # What is taken out letter by letter is not of any length.
    names = [shortened(name.strip(" ")) for name in names]
    full = list(dict.fromkeys(names))
    short = {name: name for name in full}
    pending = full
    while pending:
        short.update((name, _shorten(name, minlength)) for name in pending)
        seen: set[str] = set()
        clashing = {s for s in short.values() if s in seen or seen.add(s)}
        pending = [name for name in full if short[name] in clashing]
        minlength += 1
    return [short[name] for name in names]


def _shorten(name: str, minlength: int) -> str:
    """Drop, from the end: lower-case vowels, lower-case letters, then anything.

    Within each kind those ending a word go first; the first letter of a word goes last. The
    steps are stripchars() in R's src/main/character.c.
    """
    text = list(name)
    if len(text) < minlength:
        return name

    def starts_word(i: int) -> bool:
        return text[i - 1].isspace()

    def ends_word(i: int) -> bool:
        return not starts_word(i) and (i + 1 >= len(text) or text[i + 1].isspace())

    def is_vowel(i: int) -> bool:
        return text[i] in "aeiou"

    def is_lower(i: int) -> bool:
        return text[i].islower()

    kinds: list[Callable[[int], bool]] = [
        lambda i: is_vowel(i) and ends_word(i),
        lambda i: is_vowel(i) and not starts_word(i),
        lambda i: is_lower(i) and ends_word(i),
        lambda i: is_lower(i) and not starts_word(i),
        lambda i: not starts_word(i) and not text[i].isspace(),
    ]

    def long_enough() -> bool:
        return sum(not c.isspace() for c in text) <= minlength

    for goes in kinds:
        for i in range(len(text) - 1, 0, -1):
            if long_enough():
                break
            if goes(i):
                del text[i]
    if len(text) > minlength:
        return "".join(c for c in text if not c.isspace())
    return "".join(text)

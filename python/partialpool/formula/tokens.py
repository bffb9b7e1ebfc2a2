"""Text → tokens. What has no place in a formula is refused here, by name."""

import re
from typing import Final, NamedTuple

from partialpool.errors import FormulaError

MAX_LENGTH: Final = 10_000
_MAX_DIGITS: Final = 30

_TOKEN: Final = re.compile(
    r"""(?P<space>\s+)
      | (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?L?(?![\w.]))
      | (?P<name>(?:[^\W\d]|\.(?!\d))[\w.]*)
      | (?P<quoted>`[^`]*`)
      | (?P<text>"[^"]*"|'[^']*')
      | (?P<operator>%in%|\*\*|\|\||[-+*/^:~|(),=\[\]])""",
    re.VERBOSE,
)

_REFUSED: Final = {
    "{": "braces `{ }` have no meaning in a formula; use parentheses",
    "}": "braces `{ }` have no meaning in a formula; use parentheses",
    "@": "`@` has no meaning in a formula; use `*` or `:` for interactions",
    ";": "`;` has no meaning in a formula; write one formula per call",
    "#": "`#` starts a comment, which a formula cannot have; remove it",
    "\\": "a backslash has no meaning in a formula; remove it",
    "<": "comparisons with `<` are not offered; add the result as a column of the data",
    ">": "comparisons with `>` are not offered; add the result as a column of the data",
    "!": "`!` is not offered; add the result as a column of the data",
    "&": "`&` is not offered; add the result as a column of the data",
    "$": "`$` is not offered; name the column alone",
    "`": "a backtick ` is not closed; put one on both sides of the name",
    '"': 'a quote " is not closed; put one on both sides of the text',
    "'": "a quote ' is not closed; put one on both sides of the text",
    "%": "of R's %operators% only `%in%` is offered; write interactions with `:`",
}


class Token(NamedTuple):
    """One piece of a formula: its kind, its text (a quoted name is raw) and where it stands."""

    kind: str
    text: str
    start: int
    end: int


def tokenize(text: str, *, ours: bool = False) -> list[Token]:
    """Cut a formula into tokens, the last of which is of kind "end".

    Parameters
    ----------
    text
    ours
        Whether the text is one that we wrote out, which may be longer and have any name.

    Raises
    ------
    FormulaError
        For characters, names and lengths that no formula has.
    """
    if len(text) > MAX_LENGTH and not ours:
        raise FormulaError(
            f"the formula has {len(text):,} characters, more than the {MAX_LENGTH:,} that are read;"
            " shorten it"
        )
    tokens: list[Token] = []
    position = 0
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None:
            raise FormulaError(_why_refused(text, position))
        kind, piece = str(found.lastgroup), found.group()
        if kind == "name":
            if piece in {"TRUE", "FALSE", "True", "False"}:
                kind = "flag"
            elif not ours:
                _check_name(piece)
        elif kind == "quoted":
            kind, piece = "name", _quoted_name(piece[1:-1])
        elif kind == "text":
            piece = piece[1:-1]
            _check_characters(piece, f"the text {piece!r}")
        elif kind == "number" and len(piece) > _MAX_DIGITS:
            raise FormulaError(f"the number {piece[:20]}... is too long; round it")
        if kind != "space":
            tokens.append(Token(kind, piece, position, found.end()))
        position = found.end()
    tokens.append(Token("end", "", position, position))
    return tokens


def normal_text(text: str, tokens: list[Token]) -> str:
    """The formula as it was written, with each run of white space made one space."""
    pieces: list[str] = []
    previous_end = tokens[0].start
    for token in tokens[:-1]:
        if token.start > previous_end:
            pieces.append(" ")
        pieces.append(text[token.start : token.end])
        previous_end = token.end
    return "".join(pieces)


def _check_name(name: str) -> None:
    if name == "lambda":
        raise FormulaError(
            "`lambda` is a word of Python's own; if it is a column, write it in backticks"
        )
    if "__" in name:
        raise FormulaError(
            f"the name {name} has a double underscore, which is not read as a name;"
            " if it is a column, write it in backticks"
        )
    if set(name) == {"."} and len(name) > 1:
        raise FormulaError(f"`{name}` has no meaning in a formula; name the columns")


def _quoted_name(name: str) -> str:
    if not name.strip():
        raise FormulaError("the name in backticks is empty; write the column's name in them")
    if name == "." or name.startswith("__"):
        raise FormulaError(f"a column cannot be called {name!r} in a formula; rename it")
    _check_characters(name, f"the name {name!r}")
    return name


def _check_characters(piece: str, what: str) -> None:
    if "\\" in piece or not piece.isprintable():
        raise FormulaError(
            f"{what} has a backslash or an unprintable character; rename it in the data"
        )


def _why_refused(text: str, position: int) -> str:
    character = text[position]
    if character in _REFUSED:
        return _REFUSED[character]
    if character.isdigit() or character == ".":
        piece = text[position : position + 20].split()[0]
        return f"`{piece}` is neither a number nor a name; write such a column in backticks"
    return f"the character {character!r} has no meaning in a formula; remove it"

"""Where sentences end, by rule, in most languages that are written with stops."""

from __future__ import annotations

import re

_CLOSERS = "\"'”’»›)\\]}」』）］｝】〉》〗"

# One pass over the text. Every alternative takes its whole run possessively, so hostile text costs linear time.
_CANDIDATE = re.compile(
    rf"""
      (?P<stop> [.!?…]++ (?: \[[0-9,\-–\ ]{{1,20}}\] )?+ [{_CLOSERS}*_]*+ )
    | (?P<full> [。！？｡।॥؟۔։።។။]++ [{_CLOSERS}]*+ )
    | (?P<line> \n\s*+ )
    """,
    re.VERBOSE,
)
_SPACE = re.compile(r"\s*+")
_BULLET = re.compile(r"(?:[-*+•◦▪‣·–—●○■□➢✓]|\(?[0-9]{1,3}[.)]|\(?[a-zA-Z][.)])[ \t]")
_WORD = re.compile(r"[^\W\d_]+")
_OPENERS = "\"'“‘«‹([{„¿¡「『（【*_"
_LOOK_BACK = 40

# These go on: what follows belongs to the same sentence, capital letter or not.
_OPEN_ABBREVIATIONS = frozenset(
    """
    e.g i.e eg ie cf vs v viz al approx ca c resp incl excl esp
    fig figs eq eqs eqn sec sect ch chap vol vols ed eds pp p par art ref refs tab app ver rev ex
    mr mrs ms dr prof st mt sr messrs rev hon gen col capt lt sgt gov sen rep pres
    z.b d.h u.a i.d.r v.a o.ä bzw bspw ggf evtl inkl exkl zzgl vgl sog abb nr abs hrsg bd tel str geb u z d
    p.ex p.ej p.es mme mlle mm av env pag pág núm num sra srta ud uds dña
    т.е т.д т.п т.к г ул им рис стр напр см
    """.split()  # noqa: SIM905  (a list of words reads better as words)
)
# These may end a sentence; a word that usually starts one must follow.
_CLOSED_ABBREVIATIONS = frozenset(
    """
    etc inc ltd co corp llc plc bros jr dept univ assn est min max no nos usw ed jan feb mar apr jun jul aug sep sept
    oct nov dec mon tue wed thu fri sat sun a.m p.m am pm u.s u.k u.n e.u u.s.a d.c ph.d m.sc b.sc b.c a.d n.v s.a
    """.split()  # noqa: SIM905
)
_STARTERS = frozenset(
    """
    the this that these those there then they their its it he she we you our your his her a an in on at as if when while
    where what who why how for from by with to but and or so yet however moreover furthermore therefore thus hence also
    although because since after before during each every all some many most both no not one two first second finally
    see use note is are was were do does did can could should may will would i my let here such other another more
    der die das ein eine es er sie wir ich ist sind wenn aber und auch im bei für mit nach zum zur
    le la les un une des il elle nous vous ils ce cette ces mais dans pour avec el los las una en se lo su esto este
    il lo gli i un una questo questa per con nel nella o a os as um uma não no na em
    """.split()  # noqa: SIM905
)
_MONTHS = frozenset(
    """
    januar jänner februar märz april mai juni juli august september oktober november dezember
    january february march may june july october december jahrhundert jh kapitel
    """.split()  # noqa: SIM905
)


def split_sentences(text: str) -> list[tuple[int, int]]:
    """Spans (start, end) of the sentences, in order, without the white space around them.

    Every character that isn't white space lies in exactly one span. A blank line ends a sentence, and so does a line
    break, unless the line looks wrapped. Time is linear in the length.
    """
    spans: list[tuple[int, int]] = []
    start = _skip(text, 0)
    line_start = start
    for candidate in _CANDIDATE.finditer(text):
        if candidate.end() <= start:
            continue
        following = _skip(text, candidate.end())
        if candidate.lastgroup == "line":
            ends = _line_ends(text, line_start, candidate)
            line_start = following
            end = candidate.start()
        else:
            end = candidate.end()
            if candidate.lastgroup == "full":
                ends = not _quoted_on(text, candidate, following)
            else:
                ends = _stop_ends(text, start, candidate, following)
        if ends:
            _append(spans, text, start, end)
            start = following
    _append(spans, text, start, len(text))
    return spans


def _append(spans: list[tuple[int, int]], text: str, start: int, end: int) -> None:
    while end > start and text[end - 1].isspace():
        end -= 1
    if end > start:
        spans.append((start, end))


def _skip(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    return match.end() if match else position


def _line_ends(text: str, line_start: int, line: re.Match[str]) -> bool:
    if line.group().count("\n") > 1 or line.end() >= len(text):
        return True
    before = text[max(line_start, line.start() - 400) : line.start()].rstrip()
    after = text[line.end() : line.end() + 200].split("\n", 1)[0]
    if len(before) < 45 or before[-1] in ".!?:;。！？" or _BULLET.match(after) or " | " in before or " | " in after:
        return True
    return "\t" in line.group() or line.group().endswith("    ")


def _quoted_on(text: str, stop: re.Match[str], following: int) -> bool:
    """「…。」と言った: the quotation ends, its sentence doesn't."""
    return (
        stop.group()[-1] in "」』）)"
        and following == stop.end()
        and text[following : following + 1] in tuple("とがをにでのもはや、")
    )


def _stop_ends(text: str, start: int, stop: re.Match[str], following: int) -> bool:
    if following >= len(text):
        return True
    if following == stop.end():
        return _is_cjk(text[following]) and stop.group()[0] in "!?…"
    first = text[following]
    if first in _OPENERS and following + 1 < len(text):
        first = text[following + 1]
    if first.islower():
        return False
    mark = stop.group()
    if mark[0] != "." or mark.startswith(".."):
        return True
    word = _word_before(text, start, stop.start())
    return _dot_ends(text, word, word_opens=stop.start() - len(word) <= start, following=following)


def _word_before(text: str, start: int, dot: int) -> str:
    piece = text[max(start, dot - _LOOK_BACK) : dot]
    return piece.rsplit(None, 1)[-1] if piece and not piece[-1].isspace() else ""


def _dot_ends(text: str, word: str, word_opens: bool, following: int) -> bool:
    bare = word.lstrip(_OPENERS + "-–—/").lower()
    match = _WORD.match(text, following)
    after = match.group().lower() if match else ""
    if not bare:
        return True
    if bare.isdigit():
        return not ((word_opens and len(bare) <= 3) or (len(bare) <= 2 and after in _MONTHS))
    if bare in _CLOSED_ABBREVIATIONS:
        if bare in ("no", "nos") and text[following].isdigit():
            return False
        return after in _STARTERS or (bare in ("no", "min", "max", "am", "est", "sun", "sat", "mar") and bool(after))
    if bare in _OPEN_ABBREVIATIONS:
        return False
    if len(bare) == 1 and bare.isalpha() and not _is_cjk(bare):
        return not word_opens and (after in _STARTERS and word.lower() not in ("i", "o"))
    if re.fullmatch(r"(?:[^\W\d_]\.)+[^\W\d_]", bare):
        return after in _STARTERS
    return not (word_opens and re.fullmatch(r"[ivxlc]{1,6}|[0-9]{1,3}(?:\.[0-9]{1,3})*", bare))


def _is_cjk(character: str) -> bool:
    return "぀" <= character <= "鿿" or "가" <= character <= "힣" or "豈" <= character <= "﫿"

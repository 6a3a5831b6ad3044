"""What was measured, for a terminal, for programs and for a browser."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from outcrop.evaluation.asking import Base
from outcrop.evaluation.configurations import Configuration
from outcrop.evaluation.scores import MEASURES, Outcome, Place, is_right

_LOWER_IS_BETTER = ("wrongly_refused", "errors", "retrieve_p50", "retrieve_p95", "answer_p50", "answer_p95")


@dataclass(frozen=True, slots=True)
class Run:
    configuration: Configuration
    base: Base
    outcomes: Sequence[Outcome]
    summary: Mapping[str, float]
    complaints: Sequence[str]


def shown(measure: str, value: float | None) -> str:
    if value is None:
        return "–"
    if "_p" in measure:
        return f"{1000 * value:.0f} ms"
    return f"{value:.0f}" if measure == "errors" else f"{100 * value:.1f} %"


def table(runs: Sequence[Run]) -> str:
    """Measures downwards, configurations beside each other."""
    rows = [["", *(run.configuration.name for run in runs)]]
    for measure in _measured(runs):
        rows.append([measure, *(shown(measure, run.summary.get(measure)) for run in runs)])
    rows.append(["ingestion", *(f"{run.base.seconds:.1f} s" for run in runs)])
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell.ljust(width) if not at else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    return "\n".join(line.rstrip() for line in lines)


def as_json(runs: Sequence[Run]) -> dict[str, Any]:
    return {
        "configurations": [
            {
                "configuration": asdict(run.configuration),
                "summary": dict(run.summary),
                "unmet": list(run.complaints),
                "ingestion": {
                    "seconds": run.base.seconds,
                    "statistics": dict(run.base.statistics),
                    "warnings": list(run.base.warnings),
                },
                "questions": [_outcome(outcome) for outcome in run.outcomes],
            }
            for run in runs
        ]
    }


def as_html(runs: Sequence[Run], title: str) -> str:
    """One file without scripts or anything to fetch."""
    head = "".join(f"<th>{_e(run.configuration.name)}</th>" for run in runs)
    body = "".join(_measure_row(measure, runs) for measure in _measured(runs))
    body += "<tr><th>ingestion<small>seconds until every document could be found</small></th>"
    body += "".join(f"<td>{run.base.seconds:.1f} s</td>" for run in runs) + "</tr>"
    notes = "".join(
        f'<p class="bad">{_e(run.configuration.name)}: {_e(note)}</p>'
        for run in runs
        for note in (*run.complaints, *run.base.warnings)
    )
    questions = "".join(
        _question(number, [(run, run.outcomes[number]) for run in runs]) for number in range(len(runs[0].outcomes))
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{_e(title)}</title><style>{_STYLE}</style><h1>{_e(title)}</h1>{notes}"
        f'<div class="wide"><table><tr><th></th>{head}</tr>{body}</table></div>'
        f"<h2>{len(runs[0].outcomes)} questions</h2><p>Those that went wrong are marked; open one to see what was "
        f"found and said.</p>{questions}</html>\n"
    )


def _measured(runs: Sequence[Run]) -> list[str]:
    return [measure for measure in MEASURES if any(measure in run.summary for run in runs)]


def _measure_row(measure: str, runs: Sequence[Run]) -> str:
    values = [run.summary[measure] for run in runs if measure in run.summary]
    best = (min if measure in _LOWER_IS_BETTER else max)(values)
    cells = ""
    for run in runs:
        value = run.summary.get(measure)
        mark = ' class="best"' if len(runs) > 1 and value == best and min(values) < max(values) else ""
        cells += f"<td{mark}>{shown(measure, value)}</td>"
    return f"<tr><th>{_e(measure)}<small>{_e(MEASURES[measure])}</small></th>{cells}</tr>"


def _question(number: int, outcomes: Sequence[tuple[Run, Outcome]]) -> str:
    question = outcomes[0][1].question
    flaws = sorted({flaw for _, outcome in outcomes for flaw in flaws_of(outcome)})
    expected = "not answerable from the documents"
    if not question.unanswerable:
        pages = f", page {' or '.join(map(str, question.pages))}" if question.pages else ""
        where = f"{' or '.join(question.documents)}{pages}"
        expected = " — ".join(part for part in (question.answer, where) if part) or "nothing in particular"
    parts = "".join(_outcome_html(run, outcome) for run, outcome in outcomes)
    marks = "".join(f'<span class="flaw">{_e(flaw)}</span>' for flaw in flaws)
    return (
        f"<details><summary><b>{number + 1}</b> {_e(question.text)} {marks}</summary>"
        f"<p><i>Expected:</i> {_e(expected)}</p>{parts}</details>"
    )


def flaws_of(outcome: Outcome) -> list[str]:
    """What went wrong with a question, in a few words each."""
    marks = outcome.marks
    flaws = ["error"] if outcome.error else []
    if marks.get("hit") == 0:
        flaws.append("not found")
    if marks.get("refused") == 0:
        flaws.append("answered though unanswerable")
    if marks.get("wrongly_refused") == 1:
        flaws.append("refused")
    elif marks.get("overlap", 1) < 0.5:
        flaws.append("other answer")
    if marks.get("citations") == 0:
        flaws.append("wrong citations")
    return flaws


def _outcome_html(run: Run, outcome: Outcome) -> str:
    said = "" if outcome.answer is None else f"<blockquote>{_e(outcome.answer)}</blockquote>"
    cited = ", ".join(dict.fromkeys(_where(one) for one in outcome.cited))
    results = "".join(
        f'<li class="{"right" if is_right(outcome.question, one) else ""}"><b>{_e(_where(one))}</b>'
        f"{'' if one.score is None else f' <small>{one.score:.3f}</small>'}<br>{_e(_short(one.text))}</li>"
        for one in outcome.results
    )
    return (
        f"<section><h3>{_e(run.configuration.name)}</h3>"
        + (f'<p class="bad">{_e(outcome.error)}</p>' if outcome.error else "")
        + said
        + (f"<p>Cites {_e(cited)}</p>" if cited else "")
        + f"<ol>{results}</ol></section>"
    )


def _outcome(outcome: Outcome) -> dict[str, Any]:
    made = asdict(outcome)
    made["refused"] = outcome.refused
    made["flaws"] = flaws_of(outcome)
    return made


def _where(place: Place) -> str:
    return place.document if place.page is None else f"{place.document} p. {place.page}"


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 400 else f"{text[:400]}…"


def _e(text: str) -> str:
    return html.escape(text)


_STYLE = """
:root{color-scheme:light dark;--line:#8884;--good:#1a7f37;--bad:#b42318}
body{font:16px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem}h3{font-size:1rem;margin:.8rem 0 .2rem}
table{border-collapse:collapse}td,th{border-bottom:1px solid var(--line);padding:.35rem .9rem;text-align:right}
th:first-child{text-align:left;font-weight:600}th small{display:block;font-weight:400;opacity:.7}
.wide{overflow-x:auto}.best{color:var(--good);font-weight:700}.bad{color:var(--bad)}
details{border-bottom:1px solid var(--line);padding:.4rem 0}summary{cursor:pointer}
.flaw{color:var(--bad);border:1px solid;border-radius:1rem;padding:0 .6rem;font-size:.8rem;margin-left:.4rem;
white-space:nowrap}
blockquote{white-space:pre-wrap;border-left:3px solid var(--line);margin:.5rem 0;padding:.2rem 1rem;
overflow-wrap:anywhere}
li{margin:.3rem 0;overflow-wrap:anywhere}.right b{color:var(--good)}.right b::after{content:" ✓"}
"""

"""Queries over a handful of records."""

from __future__ import annotations

import json

import pytest

from outcrop.engines.insights import InvalidQuery, Record, compile_query

LINES = [
    '{"level": "ERROR", "ms": 12.5, "user": {"id": "u1"}, "tags": ["a", "b"], "ok": false}',
    '{"level": "INFO", "ms": 3, "user": {"id": "u2"}, "ok": true}',
    "user=ann, method:GET, latency := 20",
    "user=bob, method:PUT, latency := 7",
    "REPORT RequestId: 11111111-2222-3333-4444-555555555555\tDuration: 12.34 ms\tBilled Duration: 13 ms\t"
    "Memory Size: 128 MB\tMax Memory Used: 64 MB\tInit Duration: 90.00 ms\t",
]


def records(lines=LINES):
    at = 1_700_000_000_000
    found = [
        Record({"@timestamp": at + 60_000 * n, "@message": line, "@logStream": "s"}) for n, line in enumerate(lines)
    ]
    return reversed(found)


def rows(query, lines=LINES):
    return [dict(row) for row in compile_query(query).run(records(lines)).rows]


def values(query, name, lines=LINES):
    return [row.get(name) for row in rows(query, lines)]


def test_without_fields_time_and_text_are_shown():
    found = compile_query("filter @message like 'bob'").run(records())
    assert found.rows == [[("@timestamp", "2023-11-14 22:16:20.000"), ("@message", LINES[3])]]
    assert (found.scanned, found.matched) == (5, 1)


@pytest.mark.parametrize(
    ("condition", "count"),
    [
        ("level = 'ERROR'", 1),
        ("level != 'ERROR'", 4),
        ("ms > 3", 1),
        ("ms >= 3 and ms <= 12.5", 2),
        ("user.id in ['u1', 'u2']", 2),
        ("user.id not in ['u1']", 4),
        ("not ispresent(level)", 3),
        ("tags.1 = 'b'", 1),
        ("ok = 1", 1),
        ("@message like /(?i)ERROR|bob/", 2),
        ("@message =~ /^user=/", 2),
        ("@message not like /user/", 1),
        ('@message like "method:" or level = "INFO"', 3),
        ("(level = 'INFO' or level = 'ERROR') and ms < 10", 1),
        ("@duration > 10", 1),
        ("@maxMemoryUsed / @memorySize = 0.5", 1),
        ("@type = 'REPORT'", 1),
        ("strlen(level) = 5", 1),
        ("`user.id` = 'u2' # a comment", 1),
    ],
)
def test_filter(condition, count):
    assert len(rows(f"filter {condition}")) == count


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("1 + 2 * 3 ^ 2", "19"),
        ("(1 + 2) * 3", "9"),
        ("7 / 2", "3.5"),
        ("7 % 4 - 1", "2"),
        ("-3 + 1", "-2"),
        ("1 / 0", None),
        ("abs(-2)", "2"),
        ("ceil(1.2)", "2"),
        ("floor(1.8)", "1"),
        ("sqrt(16)", "4"),
        ("log(0)", None),
        ("greatest(1, 3, 2)", "3"),
        ("least(4, '2')", "2"),
        ("coalesce(nothing, 'x')", "x"),
        ("isempty('')", "1"),
        ("isblank(' ')", "1"),
        ("concat('a', 1, nothing)", "a1"),
        ("trim('  a ')", "a"),
        ("ltrim('xxa', 'x')", "a"),
        ("toupper('é')", "É"),
        ("tolower('AB')", "ab"),
        ("substr('abcdef', 2)", "cdef"),
        ("substr('abcdef', 1, 2)", "bc"),
        ("replace('a-b', '-', '+')", "a+b"),
        ("strcontains('abc', 'b')", "1"),
        ("isValidIp('::1')", "1"),
        ("isIpv4InSubnet('10.0.0.7', '10.0.0.0/24')", "1"),
        ("isIpInSubnet('10.0.1.7', '10.0.0.0/24')", "0"),
        ("'it\\'s'", "it's"),
        ('"tab\\t"', "tab\t"),
    ],
)
def test_expressions(expression, value):
    assert rows(f"fields {expression} as x", ["one"]) == ([{"x": value}] if value is not None else [{}])


def test_parse_by_stars():
    query = (
        'parse @message "user=*, method:*, latency := *" as who, how, long | filter ispresent(who) | fields who, long'
    )
    assert rows(query) == [{"who": "bob", "long": "7"}, {"who": "ann", "long": "20"}]


def test_parse_by_regular_expression():
    query = r"parse @message /user=(?<who>\w+).*:= (?<long>\d+)/ | stats sum(long) as total by who | sort who"
    assert rows(query)[-2:] == [{"who": "ann", "total": "20"}, {"who": "bob", "total": "7"}]


def test_stats():
    query = (
        "stats count(*), count(level), count_distinct(level) as kinds, sum(ms), avg(ms), min(ms), max(ms), pct(ms, 50)"
    )
    assert rows(query) == [
        {
            "count(*)": "5",
            "count(level)": "2",
            "kinds": "2",
            "sum(ms)": "15.5",
            "avg(ms)": "7.75",
            "min(ms)": "3",
            "max(ms)": "12.5",
            "pct(ms, 50)": "7.75",
        }
    ]
    assert rows("stats count(*) as n, sum(x) as s", []) == [{"n": "0"}]


def test_stats_by_bin():
    found = rows("stats count(*) by bin(2m)")
    assert found == [
        {"bin(2m)": "2023-11-14 22:16:00.000", "count(*)": "2"},
        {"bin(2m)": "2023-11-14 22:14:00.000", "count(*)": "2"},
        {"bin(2m)": "2023-11-14 22:12:00.000", "count(*)": "1"},
    ]
    assert rows("stats count(*) by bin(1mo) as month") == [{"month": "2023-11-01 00:00:00.000", "count(*)": "5"}]
    assert values("stats earliest(@timestamp) as first", "first") == ["2023-11-14 22:13:20.000"]
    assert values("stats latest(@message) as last", "last") == [LINES[4]]


def test_stats_of_stats():
    assert rows("stats count(*) as n by level | filter ispresent(level) | stats sum(n) as all") == [{"all": "2"}]


def test_sort_and_limit():
    lines = [json.dumps({"v": value}) for value in ("a10", "a2", 5, 12, 0.5)]
    assert values("fields v | sort v", "v", lines) == ["a2", "a10", "0.5", "5", "12"]
    assert values("fields v | sort v desc | limit 2", "v", lines) == ["12", "5"]
    assert values("sort @timestamp asc | fields @message | limit 1", "@message") == [LINES[0]]
    assert values("stats count(*) by level | sort count(*) desc, level", "count(*)") == ["3", "1", "1"]


def test_dedup_keeps_the_newest():
    assert values("fields @timestamp | dedup @logStream", "@timestamp") == ["2023-11-14 22:17:20.000"]


def test_display_replaces_fields():
    assert rows("fields level, ms | filter level = 'INFO' | display ms") == [{"ms": "3"}]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("", "unexpected end"),
        ("fields", "unexpected end"),
        ("fooo @message", "unexpected symbol found fooo at line 1 and position 1"),
        ("fields @message\n| filtr x", "unexpected symbol found filtr at line 2 and position 3"),
        ("filter x =", "unexpected end"),
        ("filter (x", "unexpected end"),
        ("filter x like", "unexpected end"),
        ("filter x like /(/", "invalid regular expression"),
        ("filter x like /(?=a)/", "invalid regular expression"),
        ("filter x = 'open", "unclosed string"),
        ("filter nope(x)", "unknown function nope"),
        ("filter abs(x, y)", "abs takes 1 arguments, not 2"),
        ("stats avg(x", "unexpected end"),
        ("stats nope(x)", "unexpected symbol"),
        ("stats pct(x, 101)", "a percentile is"),
        ("stats count(*) by bin(5)", "unexpected symbol"),
        ("limit 0", "unexpected"),
        ("parse @message 'a*b*' as one", "2 stars, but 1 names"),
        ("parse @message /a(b)/", "names no group"),
        ("pattern @message", "pattern is not available"),
        ("filter " + "(" * 200 + "x" + ")" * 200, "nested too deeply"),
        ("fields a " * 2000, "characters at most"),
        ("fields 1" + " + 1" * 1000, "operators at most"),
        ("fields " + "-" * 5000 + "1", "operators at most"),
        ("fields 1" + "^1" * 3000, "operators at most"),
        ("fields @message |", "unexpected end"),
        ("fields @message || fields x", "unexpected symbol"),
    ],
)
def test_invalid(query, message):
    with pytest.raises(InvalidQuery, match=message) as caught:
        compile_query(query)
    assert 0 <= caught.value.at <= len(query)


@pytest.mark.timeout(30)
def test_hostile_records_and_expressions():
    hostile = [
        "{" * 50_000 + "}",
        json.dumps({"a": "x" * 100_000}),
        '{"a":' * 900 + "1" + "}" * 900,
        "a" * 200_000,
        "\0",
    ]
    assert len(rows(r"filter @message like /(a*)*b|x/ or a.a.a = 1", hostile)) == 1
    assert rows("fields 10 ^ 10 ^ 10 ^ 10 as x", ["one"]) == [{}]
    assert len(rows('parse @message "*a*a*a*" as b, c, d, e', hostile)) == 5

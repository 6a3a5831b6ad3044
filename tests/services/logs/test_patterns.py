import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outcrop.services.logs.patterns import InvalidPattern, compile_pattern

APACHE = '127.0.0.1 Prod frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534'
EVENT = json.dumps(
    {
        "level": "ERROR",
        "ms": 12.5,
        "code": 404,
        "ip": "111.111.111.111",
        "retry": True,
        "gone": None,
        "text": "3",
        "list": ["first", "second"],
        "users": [{"id": 2, "name": "a"}, {"id": 3, "name": "b"}],
        "cluster.name": "c",
        "detail-type": "x",
    }
)


def matches(pattern, message):
    return compile_pattern(pattern).match(message) is not None


@pytest.mark.parametrize(
    ("pattern", "message", "expected"),
    [
        ("", "anything", True),
        ('" "', "anything", True),
        ("ERROR", "[ERROR 400] BAD REQUEST", True),
        ("ERROR", "error", False),
        ("ERROR ARGUMENTS", "[ERROR 419] MISSING ARGUMENTS", True),
        ("ERROR ARGUMENTS", "[ERROR 400] BAD REQUEST", False),
        ("?ERROR ?ARGUMENTS", "NO ARGUMENTS", True),
        ("?ERROR ?ARGUMENTS", "INFO", False),
        ("?ERROR ?ARGUMENTS REQUEST", "[INFO] REQUEST FAILED", True),
        ("ERROR -ARGUMENTS", "[ERROR 419] MISSING ARGUMENTS", False),
        ("-ERROR", "INFO", True),
        ('"INTERNAL SERVER ERROR"', "[ERROR 500] INTERNAL SERVER ERROR", True),
        ('"INTERNAL SERVER ERROR"', "INTERNAL ERROR", False),
        ('ERROR -"BAD REQUEST"', "ERROR BAD REQUEST", False),
        (r'"say \"hi\""', 'they say "hi"', True),
        ("%5\\d\\d%", "code 503", True),
        ("%5\\d\\d%", "code 404", False),
    ],
)
def test_terms(pattern, message, expected):
    assert matches(pattern, message) is expected


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ('{ $.level = "ERROR" }', True),
        ("{ $.level = ERROR }", True),
        ('{$.level="ERROR"&&$.ms>3}', True),
        ('{ $.level = "ERROR" && $.ms > 30 }', False),
        ('{ $.level != "ERROR" }', False),
        ("{ $.code = 404 }", True),
        ("{ $.code = 4.04e2 }", True),
        ("{ $.code = 4* }", True),
        ("{ $.code >= 404 && $.code <= 404 }", True),
        ("{ $.code < 404 }", False),
        ("{ $.text = 3 }", True),
        ("{ $.ip != 123.123.* }", True),
        ("{ $.ip = 111.* }", True),
        ('{ $.level = "E*R" }', True),
        ('{ $.level = "E*X*R" }', False),
        ("{ $.retry IS TRUE }", True),
        ("{ $.retry IS FALSE }", False),
        ("{ $.retry = true }", False),
        ("{ $.gone IS NULL }", True),
        ("{ $.gone NOT EXISTS }", False),
        ("{ $.other NOT EXISTS }", True),
        ('{ $.other != "x" }', False),
        ('{ $.list = "first" }', False),
        ('{ $.list[1] = "second" }', True),
        ('{ $.list[9] = "second" }', False),
        ('{ $.list[*] = "second" }', True),
        ("{ $.users[*].id = 3 }", True),
        ("{ $.users[0].id = 3 }", False),
        ('{ $.* = "ERROR" }', True),
        ("{ $.['cluster.name'] = \"c\" }", True),
        ('{ $["cluster.name"] = "c" }', True),
        ('{ $.detail-type = "x" }', True),
        ("{ $.level = %^ERR% }", True),
        ("{ $.code = 1 || $.ms = 1 && $.level = ERROR || $.retry IS TRUE }", True),
        ("{ ($.level = ERROR || $.code = 1) && $.ms = 1 }", False),
    ],
)
def test_json(pattern, expected):
    assert matches(pattern, EVENT) is expected
    assert not matches(pattern, "level=ERROR")


@pytest.mark.parametrize(
    ("pattern", "message", "expected"),
    [
        ("[ip, user, username, timestamp, request, status_code, bytes]", APACHE, True),
        ("[ip, user, username, timestamp, request, status_code = 4*, bytes > 1000]", APACHE, True),
        ("[ip, user, username, timestamp, request, status_code = 404 || status_code = 410, bytes]", APACHE, True),
        ("[ip, user, username, timestamp, request = *.html*, status_code, bytes]", APACHE, True),
        ("[..., status = 404, bytes]", APACHE, True),
        ("[..., status = 500, bytes]", APACHE, False),
        ("[ip = %127\\.0\\.0\\.[1-9]%, ..., bytes]", APACHE, True),
        ("[a, b, c, d, e, f, g, h]", APACHE, False),
        ("[w1=ERROR, w2]", "ERROR 09/25/2014 12:00:02 Failed", True),
        ("[w1=ERROR, w2]", "ERROR", False),
        ("[w1!=ERROR && w1!=WARN, w2]", "INFO fine", True),
        ("[w1!=ERROR && w1!=WARN, w2]", "WARN bad", False),
        ("[r=REPORT, ...]", "REPORT RequestId: 1", True),
        ("[]", "any thing", True),
    ],
)
def test_fields(pattern, message, expected):
    assert matches(pattern, message) is expected


def test_match_values():
    found = compile_pattern("[ip, ..., request, status, bytes]").match(APACHE)
    assert found.values == {
        "$ip": "127.0.0.1",
        "$request": "GET /index.html HTTP/1.0",
        "$status": "404",
        "$bytes": "1534",
    }
    found = compile_pattern("{ $.level = ERROR }").match(EVENT)
    assert found.values == {"$.level": "ERROR"}
    assert found.find("$.ms") == "12.5"
    assert found.find("$.users[1].name") == "b"
    assert found.find("$.nothing") is None
    assert found.find("not a selector") is None


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("error:", "Invalid character(s) in term ':'"),
        ("(x)", "Invalid character(s) in term '('"),
        ('"open', "unclosed quotation mark"),
        ("%open", "unclosed '%'"),
        ("{ $.a = 1", "unclosed '{'"),
        ("{ $.a }", "Invalid character(s) in term '}'"),
        ("{ $.a == 1 }", "Invalid character(s)"),
        ("{ a = 1 }", "Invalid character(s) in term 'a'"),
        ("{ $.a EXISTS }", "Invalid character(s) in term 'E'"),
        ("{ ($.a = 1 }", "unclosed '('"),
        ('{ $.a > "x" }', "compares with a number"),
        ("{ $.a[*].* = 1 }", "one wildcard"),
        ("{ $.a = %x% || $.a = %y% || $.a = %z% }", "at most 2 regular expressions"),
        ("[a, b", "unclosed '['"),
        ("[..., a, ...]", "at most one '...'"),
        ("[a=1 && , b]", "Invalid character(s) in term '&&'"),
        ("{" + "(" * 3000 + "}", ""),
    ],
)
def test_invalid(pattern, said):
    with pytest.raises(InvalidPattern) as caught:
        compile_pattern(pattern)
    assert said in str(caught.value)


def test_hostile_messages_match_nothing():
    assert not matches("{ $.a = 1 }", "[" * 100_000)
    assert not matches("{ $.a = 1 }", '{"a": ' + "9" * 10_000 + "}")
    assert not matches("[a, b, c=1]", "[ " * 50_000)


PIECES = st.sampled_from(
    [*"{}[]()$.,=<>%*?-5aé\"'\\", "&&", "||", "!=", "...", "", "IS", "NULL", "NOT", "EXISTS"],
)


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=14).map(" ".join) | st.lists(PIECES, max_size=14).map("".join), st.text(max_size=40))
def test_any_text_is_a_pattern_or_refused(pattern, message):
    try:
        compiled = compile_pattern(pattern)
    except InvalidPattern as error:
        assert str(error)
    else:
        compiled.match(message)
        compiled.match(EVENT)
        compiled.match(APACHE)

import pytest

from outcrop.services.bedrock.converse.pointers import read_pointer, select
from outcrop.services.contract import ValidationException


def test_select_keeps_the_nesting():
    answer = {"a": {"b/c": 1, "d": 2}, "list": [{"x": 1}, {"x": 2}]}
    paths = [read_pointer(path) for path in ("/a/b~1c", "/list/1/x", "/missing", "/a/d/deeper")]
    assert select(answer, paths) == {"a": {"b/c": 1}, "list": {"1": {"x": 2}}}


def test_select_of_lists():
    answer = {"list": [{"x": 1}]}
    assert select(answer, [read_pointer("/list"), read_pointer("/list/0/x")]) == answer
    assert select(answer, [read_pointer("/list/²"), read_pointer("/list/7"), read_pointer("/list/-")]) == {}


def test_select_takes_a_whole_and_its_part():
    answer = {"a": {"b": 1, "c": 2}}
    assert select(answer, [read_pointer("/a"), read_pointer("/a/b")]) == {"a": {"b": 1, "c": 2}}
    assert select(answer, [read_pointer("/a/b"), read_pointer("/a")]) == {"a": {"b": 1, "c": 2}}
    assert answer == {"a": {"b": 1, "c": 2}}


@pytest.mark.parametrize("pointer", ["", "/", "a", "stop_sequence", "#/a"])
def test_read_pointer_refuses_what_is_none(pointer):
    with pytest.raises(ValidationException):
        read_pointer(pointer)

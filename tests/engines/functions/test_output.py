from outcrop.engines.functions.output import MAX_LINE, LineSplitter


def frame(text: str, stamp_us: int = 5_000_000, kind: bytes = b"\xa5\x5a\x00\x03") -> bytes:
    data = text.encode()
    return kind + len(data).to_bytes(4, "big") + stamp_us.to_bytes(8, "big") + data


def texts(splitter: LineSplitter, *pieces: bytes) -> list[str]:
    return [text for piece in pieces for _, text in splitter.feed(piece)]


def test_lines_are_whole_whatever_the_pieces():
    data = "erste\nzweite ü\n\ndritte".encode()
    for cut in range(len(data)):
        splitter = LineSplitter()
        assert texts(splitter, data[:cut], data[cut:]) == ["erste\n", "zweite ü\n", "\n"]
        assert [text for _, text in splitter.flush()] == ["dritte"]
        assert splitter.flush() == []


def test_a_frame_is_one_entry_with_its_own_time_whatever_the_pieces():
    data = b"before\nhalf" + frame("a\nb\n") + frame("c") + b"after\n"
    for cut in range(len(data)):
        splitter = LineSplitter()
        lines = splitter.feed(data[:cut]) + splitter.feed(data[cut:]) + splitter.flush()
        assert "".join(text for _, text in lines) == "before\nhalfa\nb\ncafter\n"
        assert (5000, "a\nb\n") in lines
        assert (5000, "c") in lines


def test_a_long_line_is_cut_and_nothing_is_lost():
    splitter = LineSplitter()
    line = "x" * (3 * MAX_LINE + 7) + "\n"
    got = texts(splitter, *(line.encode()[i : i + 100_000] for i in range(0, len(line), 100_000)))
    assert "".join(got) == line
    assert max(map(len, got)) <= MAX_LINE


def test_a_long_line_in_one_piece_is_cut_and_nothing_is_lost():
    splitter = LineSplitter()
    text = "ü" * (2 * MAX_LINE) + "\nend\n"
    got = texts(splitter, text.encode())
    assert len("".join(got)) >= len(text)
    assert got[-1] == "end\n"
    assert max(len(each.encode()) for each in got) <= MAX_LINE + 8


def test_bytes_that_look_like_a_huge_frame_are_text():
    splitter = LineSplitter()
    got = texts(splitter, b"a\xa5\x5a\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\nb\n")
    assert got[-1] == "b\n"


def test_text_that_is_not_utf8_is_shown_with_replacements():
    assert texts(LineSplitter(), b"\xff\xfeabc\n") == ["\ufffd\ufffdabc\n"]

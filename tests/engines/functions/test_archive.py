import io
import stat
import zipfile

import pytest

from outcrop.engines.functions.archive import ArchiveTooLarge, BadArchive, unpack

LINK = (stat.S_IFLNK | 0o777) << 16


def archive(tmp_path, *entries, name="a.zip"):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as opened:
        for entry in entries:
            path, data = entry[0], entry[1]
            info = zipfile.ZipInfo(path)
            info.external_attr = entry[2] if len(entry) > 2 else 0o644 << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            opened.writestr(info, data)
    path = tmp_path / name
    path.write_bytes(buffer.getvalue())
    return path


def test_unpack_keeps_files_folders_permissions_and_links(tmp_path):
    path = archive(
        tmp_path,
        ("app.py", "x = 1"),
        ("bin/run", "#!/bin/sh", 0o755 << 16),
        ("empty/", ""),
        ("bin/link", "run", LINK),
        ("up", "bin/../app.py", LINK),
    )
    folder = tmp_path / "out"
    unpack(path, folder, 1000)
    assert (folder / "app.py").read_text() == "x = 1"
    assert (folder / "bin/run").stat().st_mode & 0o777 == 0o755
    assert (folder / "empty").is_dir()
    assert (folder / "bin/link").read_text() == "#!/bin/sh"
    assert (folder / "up").read_text() == "x = 1"
    assert [each.name for each in tmp_path.iterdir() if each.name.startswith("out")] == ["out"]


@pytest.mark.parametrize(
    "entries",
    [
        [("../evil", "x")],
        [("a/../../evil", "x")],
        [("/evil", "x")],
        [("..\\evil", "x")],
        [("link", "/etc/passwd", LINK)],
        [("link", "../outside", LINK)],
        [("a/link", "../../outside", LINK)],
        [("d", ".", LINK), ("e", "d/..", LINK), ("f", "e/..", LINK)],
        [("loop", "loop", LINK)],
        [("a", "file"), ("a/b", "file in a file")],
    ],
)
def test_unpack_refuses_what_leaves_the_folder(tmp_path, entries):
    folder = tmp_path / "deep" / "out"
    with pytest.raises(BadArchive):
        unpack(archive(tmp_path, *entries), folder, 1000)
    assert not folder.exists()
    assert not list(tmp_path.rglob("evil"))


def test_unpack_refuses_a_bomb(tmp_path):
    path = archive(tmp_path, ("zeros", bytes(10_000_000)))
    assert path.stat().st_size < 20_000
    with pytest.raises(ArchiveTooLarge):
        unpack(path, tmp_path / "out", 1_000_000)


def test_unpack_refuses_a_bomb_that_lies_about_its_size(tmp_path):
    path = archive(tmp_path, ("zeros", bytes(3_000_000)))
    data = path.read_bytes().replace((3_000_000).to_bytes(4, "little"), (30).to_bytes(4, "little"))
    path.write_bytes(data)
    with pytest.raises(BadArchive):
        unpack(path, tmp_path / "out", 1_000_000)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("damage", [b"", b"not a zip", b"PK\x03\x04" + bytes(100)])
def test_unpack_refuses_what_is_no_archive(tmp_path, damage):
    path = tmp_path / "bad.zip"
    path.write_bytes(damage)
    with pytest.raises(BadArchive):
        unpack(path, tmp_path / "out", 1000)


def test_unpack_refuses_every_truncation(tmp_path):
    data = archive(tmp_path, ("app.py", "x = 1" * 100), ("b.py", "y" * 1000)).read_bytes()
    path = tmp_path / "cut.zip"
    for cut in range(0, len(data), 7):
        path.write_bytes(data[:cut])
        with pytest.raises(BadArchive):
            unpack(path, tmp_path / f"out{cut}", 10_000)


def test_unpack_leaves_a_folder_that_is_there(tmp_path):
    path = archive(tmp_path, ("app.py", "x"))
    unpack(path, tmp_path / "out", 1000)
    (tmp_path / "out" / "app.py").write_text("kept")
    unpack(path, tmp_path / "out", 1000)
    assert (tmp_path / "out" / "app.py").read_text() == "kept"

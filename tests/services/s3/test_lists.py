import pytest

from outcrop.services.s3 import errors
from outcrop.services.s3.store import ObjectStore

KEYS = ["a", "b/1", "b/2", "b/c/3", "d", "e+f g", "é", "\U0001f600", "￿"]


@pytest.fixture
async def shelf(client, bucket):
    for key in KEYS:
        await client.put_object(Bucket=bucket, Key=key, Body=b"x")
    return bucket


def _keys(page):
    return [one["Key"] for one in page.get("Contents", [])]


def _prefixes(page):
    return [one["Prefix"] for one in page.get("CommonPrefixes", [])]


async def test_list_objects_v2_orders_by_bytes(client, shelf):
    page = await client.list_objects_v2(Bucket=shelf)
    assert _keys(page) == sorted(KEYS, key=str.encode)
    assert (page["KeyCount"], page["MaxKeys"], page["IsTruncated"]) == (len(KEYS), 1000, False)
    assert "Owner" not in page["Contents"][0]
    assert "Owner" in (await client.list_objects_v2(Bucket=shelf, FetchOwner=True))["Contents"][0]


@pytest.mark.parametrize(
    ("given", "keys", "prefixes"),
    [
        ({"Prefix": "b/"}, ["b/1", "b/2", "b/c/3"], []),
        ({"Prefix": "b/", "Delimiter": "/"}, ["b/1", "b/2"], ["b/c/"]),
        ({"Prefix": "b"}, ["b/1", "b/2", "b/c/3"], []),
        ({"Prefix": "b", "Delimiter": "/"}, [], ["b/"]),
        ({"Prefix": "nothing"}, [], []),
        ({"Prefix": "￿"}, ["￿"], []),
        ({"Prefix": "\U0001f600"}, ["\U0001f600"], []),
        ({"Delimiter": "/", "StartAfter": "b/1", "Prefix": "b"}, [], ["b/"]),
        ({"Delimiter": "/", "StartAfter": "b/", "Prefix": "b"}, [], []),
        ({"StartAfter": "b/2", "Prefix": "b"}, ["b/c/3"], []),
        ({"StartAfter": "A", "Prefix": "d"}, ["d"], []),
        ({"MaxKeys": 0}, [], []),
        ({"Delimiter": "c", "Prefix": "b"}, ["b/1", "b/2"], ["b/c"]),
    ],
)
async def test_list_objects_v2(client, shelf, given, keys, prefixes):
    page = await client.list_objects_v2(Bucket=shelf, **given)
    assert (_keys(page), _prefixes(page)) == (keys, prefixes)
    assert not page["IsTruncated"]


@pytest.mark.parametrize("size", [1, 2, 3, 4])
@pytest.mark.parametrize("delimiter", ["", "/", "b/"])
async def test_list_objects_in_pages(client, shelf, size, delimiter):
    whole = await client.list_objects_v2(Bucket=shelf, Delimiter=delimiter)
    for operation, out, into in (
        (client.list_objects_v2, "NextContinuationToken", "ContinuationToken"),
        (client.list_objects, "NextMarker", "Marker"),
    ):
        keys, prefixes, where = [], [], {}
        while True:
            page = await operation(Bucket=shelf, Delimiter=delimiter, MaxKeys=size, **where)
            assert len(_keys(page)) + len(_prefixes(page)) <= size
            keys += _keys(page)
            prefixes += _prefixes(page)
            if not page["IsTruncated"]:
                break
            where = {into: page[out] if out in page else _keys(page)[-1]}
        assert (keys, prefixes) == (_keys(whole), _prefixes(whole))


async def test_list_objects_url_encoded(client, shelf):
    page = await client.list_objects(Bucket=shelf, EncodingType="url", Prefix="e+", Delimiter=" ", Marker="e+")
    assert page["CommonPrefixes"] == [{"Prefix": "e%2Bf%20"}]
    assert (page["Prefix"], page["Delimiter"], page["Marker"]) == ("e%2B", "%20", "e%2B")
    assert _keys(await client.list_objects_v2(Bucket=shelf, EncodingType="url", Prefix="b/c")) == ["b/c/3"]


async def test_list_objects_next_marker_only_with_a_delimiter(client, shelf):
    page = await client.list_objects(Bucket=shelf, MaxKeys=1)
    assert page["IsTruncated"]
    assert "NextMarker" not in page


@pytest.mark.parametrize(
    "given",
    [
        {"MaxKeys": -1},
        {"EncodingType": "base64"},
        {"ContinuationToken": "nonsense"},
        {"ContinuationToken": "bm9uc2Vuc2U="},
    ],
)
async def test_list_objects_v2_refuses(client, shelf, given):
    with pytest.raises(errors.InvalidArgument):
        await client.list_objects_v2(Bucket=shelf, **given)


async def test_list_objects_v2_skips_what_it_rolls_up(client, bucket, home, monkeypatch):
    with home.database("s3") as db:
        number = db.execute("SELECT id FROM bucket").fetchone()[0]
        db.executemany(
            "INSERT INTO object SELECT ?, ?, ?, 'null', 1, 0, 'e', 0, 0, 'STANDARD', '{}', '{}', '{}', 'null', '{}', "
            "'FULL_OBJECT', 0, '', '{}', '000000000000'",
            [(n + 1, number, f"{n % 20:02}/{n:06}") for n in range(60_000)],
        )
        db.commit()
    read = []
    whole = ObjectStore.page

    def counted(*arguments):
        rows = whole(*arguments)
        read.extend(rows)
        return rows

    monkeypatch.setattr(ObjectStore, "page", counted)
    page = await client.list_objects_v2(Bucket=bucket, Delimiter="/")
    assert len(_prefixes(page)) == 20
    assert len(read) < 2_000


async def test_list_multipart_uploads(client, bucket):
    made = {}
    for key in ("a", "b/1", "b/1", "b/2", "c"):
        made.setdefault(key, []).append((await client.create_multipart_upload(Bucket=bucket, Key=key))["UploadId"])
    listed = (await client.list_multipart_uploads(Bucket=bucket))["Uploads"]
    assert [(one["Key"], one["UploadId"]) for one in listed] == [(key, one) for key in made for one in made[key]]
    rolled = await client.list_multipart_uploads(Bucket=bucket, Delimiter="/")
    assert [one["Key"] for one in rolled["Uploads"]] == ["a", "c"]
    assert rolled["CommonPrefixes"] == [{"Prefix": "b/"}]


@pytest.mark.parametrize("size", [1, 2, 3])
async def test_list_multipart_uploads_in_pages_while_aborting(client, bucket, size):
    for key in ("a", "b", "b", "b", "c"):
        await client.create_multipart_upload(Bucket=bucket, Key=key)
    seen, where = [], {}
    while True:
        page = await client.list_multipart_uploads(Bucket=bucket, MaxUploads=size, **where)
        for one in page["Uploads"]:
            seen.append(one["Key"])
            await client.abort_multipart_upload(Bucket=bucket, Key=one["Key"], UploadId=one["UploadId"])
        if not page["IsTruncated"]:
            break
        where = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}
    assert seen == ["a", "b", "b", "b", "c"]


async def test_an_empty_continuation_token(client, bucket):
    with pytest.raises(errors.InvalidArgument, match="continuation token"):
        await client.list_objects_v2(Bucket=bucket, ContinuationToken="")

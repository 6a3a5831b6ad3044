import pytest

from outcrop.services.s3 import errors


@pytest.fixture
async def versioned(client, bucket):
    await client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    return bucket


async def test_put_object_adds_a_version(client, versioned):
    first = (await client.put_object(Bucket=versioned, Key="a", Body=b"1"))["VersionId"]
    second = (await client.put_object(Bucket=versioned, Key="a", Body=b"2"))["VersionId"]
    assert len({first, second}) == 2
    assert await client.text(Bucket=versioned, Key="a") == b"2"
    assert await client.text(Bucket=versioned, Key="a", VersionId=first) == b"1"
    assert (await client.head_object(Bucket=versioned, Key="a"))["VersionId"] == second


async def test_delete_object_puts_a_marker_on_top(client, versioned):
    first = (await client.put_object(Bucket=versioned, Key="a", Body=b"1"))["VersionId"]
    marker = await client.delete_object(Bucket=versioned, Key="a")
    assert marker["DeleteMarker"]
    with pytest.raises(errors.NoSuchKey) as caught:
        await client.get_object(Bucket=versioned, Key="a")
    assert ("x-amz-delete-marker", "true") in caught.value.headers
    with pytest.raises(errors.MethodNotAllowed):
        await client.head_object(Bucket=versioned, Key="a", VersionId=marker["VersionId"])
    assert await client.text(Bucket=versioned, Key="a", VersionId=first) == b"1"
    assert "Contents" not in await client.list_objects_v2(Bucket=versioned)
    undone = await client.delete_object(Bucket=versioned, Key="a", VersionId=marker["VersionId"])
    assert undone == {"VersionId": marker["VersionId"], "DeleteMarker": True}
    assert await client.text(Bucket=versioned, Key="a") == b"1"
    assert len((await client.list_objects_v2(Bucket=versioned))["Contents"]) == 1


async def test_delete_object_of_a_version(client, versioned):
    first = (await client.put_object(Bucket=versioned, Key="a", Body=b"1"))["VersionId"]
    second = (await client.put_object(Bucket=versioned, Key="a", Body=b"2"))["VersionId"]
    assert await client.delete_object(Bucket=versioned, Key="a", VersionId=second) == {"VersionId": second}
    assert await client.text(Bucket=versioned, Key="a") == b"1"
    await client.delete_object(Bucket=versioned, Key="a", VersionId=first)
    with pytest.raises(errors.NoSuchVersion):
        await client.get_object(Bucket=versioned, Key="a", VersionId=first)
    await client.delete_bucket(Bucket=versioned)


async def test_versions_before_and_after_versioning(client, bucket):
    await client.put_object(Bucket=bucket, Key="a", Body=b"old")
    await client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    new = (await client.put_object(Bucket=bucket, Key="a", Body=b"new"))["VersionId"]
    assert await client.text(Bucket=bucket, Key="a", VersionId="null") == b"old"
    await client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    assert (await client.put_object(Bucket=bucket, Key="a", Body=b"null"))["VersionId"] == "null"
    assert await client.text(Bucket=bucket, Key="a", VersionId=new) == b"new"
    assert await client.delete_object(Bucket=bucket, Key="a") == {"DeleteMarker": True, "VersionId": "null"}
    listed = await client.list_object_versions(Bucket=bucket)
    assert [one["VersionId"] for one in listed["Versions"]] == [new]
    assert [one["VersionId"] for one in listed["DeleteMarkers"]] == ["null"]


async def test_put_bucket_versioning_refuses(client, bucket):
    with pytest.raises(errors.IllegalVersioningConfigurationException):
        await client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={})


async def test_list_object_versions_newest_first(client, versioned):
    made = [(await client.put_object(Bucket=versioned, Key="b", Body=b"%d" % n))["VersionId"] for n in range(3)]
    await client.put_object(Bucket=versioned, Key="a", Body=b"")
    listed = (await client.list_object_versions(Bucket=versioned))["Versions"]
    assert [one["Key"] for one in listed] == ["a", "b", "b", "b"]
    assert [one["VersionId"] for one in listed[1:]] == made[::-1]
    assert [one["IsLatest"] for one in listed] == [True, True, False, False]


@pytest.mark.parametrize("size", [1, 2, 3, 5])
async def test_list_object_versions_in_pages_while_deleting(client, versioned, size):
    for number in range(4):
        for key in ("a", "b/1", "b/2", "c"):
            await client.put_object(Bucket=versioned, Key=key, Body=b"%d" % number)
    await client.delete_object(Bucket=versioned, Key="c")
    seen, markers = [], {}
    while True:
        page = await client.list_object_versions(Bucket=versioned, MaxKeys=size, **markers)
        for one in page.get("Versions", []) + page.get("DeleteMarkers", []):
            seen.append((one["Key"], one["VersionId"]))
            await client.delete_object(Bucket=versioned, Key=one["Key"], VersionId=one["VersionId"])
        if not page["IsTruncated"]:
            break
        markers = {"KeyMarker": page["NextKeyMarker"], "VersionIdMarker": page["NextVersionIdMarker"]}
    assert len(seen) == len(set(seen)) == 17
    await client.delete_bucket(Bucket=versioned)


async def test_list_object_versions_rolls_up(client, versioned):
    for key in ("a", "b/1", "b/2", "c"):
        await client.put_object(Bucket=versioned, Key=key, Body=b"")
    first = await client.list_object_versions(Bucket=versioned, Delimiter="/", MaxKeys=2)
    assert [one["Key"] for one in first["Versions"]] == ["a"]
    assert first["CommonPrefixes"] == [{"Prefix": "b/"}]
    assert first["NextKeyMarker"] == "b/"
    assert "NextVersionIdMarker" not in first
    rest = await client.list_object_versions(Bucket=versioned, Delimiter="/", KeyMarker="b/")
    assert [one["Key"] for one in rest["Versions"]] == ["c"]


async def test_list_object_versions_refuses_a_lone_version_marker(client, versioned):
    with pytest.raises(errors.InvalidArgument):
        await client.list_object_versions(Bucket=versioned, VersionIdMarker="null")


async def test_delete_objects_of_versions(client, versioned):
    version = (await client.put_object(Bucket=versioned, Key="a", Body=b"1"))["VersionId"]
    marked = await client.delete_objects(Bucket=versioned, Delete={"Objects": [{"Key": "a"}]})
    (one,) = marked["Deleted"]
    assert one["DeleteMarker"]
    wanted = [{"Key": "a", "VersionId": version}, {"Key": "a", "VersionId": one["DeleteMarkerVersionId"]}]
    gone = await client.delete_objects(Bucket=versioned, Delete={"Objects": wanted})
    assert [item["VersionId"] for item in gone["Deleted"]] == [version, one["DeleteMarkerVersionId"]]
    await client.delete_bucket(Bucket=versioned)

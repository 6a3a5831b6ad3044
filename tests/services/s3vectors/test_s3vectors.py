"""S3 Vectors by boto3 against a running stack."""

from __future__ import annotations

import math
import uuid

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from outcrop.testing import StackProcess


@pytest.fixture(scope="module")
def client(outcrop_stack: StackProcess):
    return outcrop_stack.client("s3vectors")


@pytest.fixture
def bucket(client) -> str:
    name = f"vectors-{uuid.uuid4().hex[:12]}"
    client.create_vector_bucket(vectorBucketName=name)
    return name


@pytest.fixture
def films(client, bucket):
    """An index with films; answers its names for every call."""
    client.create_index(
        vectorBucketName=bucket,
        indexName="films",
        dataType="float32",
        dimension=2,
        distanceMetric="cosine",
        metadataConfiguration={
            "nonFilterableMetadataKeys": ["plot"],
            "textSearchConfigurations": [{"metadataKey": "plot", "language": "en"}, {"metadataKey": "title"}],
        },
    )
    where = {"vectorBucketName": bucket, "indexName": "films"}
    rows = [
        ("alien", (1, 0), {"year": 1979, "genres": ["horror", "space"], "title": "Alien", "plot": "A ship meets it."}),
        ("solaris", (1, 1), {"year": 1972, "genres": ["space"], "title": "Solaris", "plot": "A station above a sea."}),
        ("jaws", (0, 1), {"year": 1975, "genres": ["horror"], "title": "Jaws", "plot": "The sea, a boat, ships."}),
        ("unknown", (-1, 0), {"lost": True}),
    ]
    client.put_vectors(
        **where,
        vectors=[{"key": key, "data": {"float32": list(data)}, "metadata": meta} for key, data, meta in rows],
    )
    return where


def refusal(call, **arguments) -> tuple[str, str, int]:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    error, meta = caught.value.response["Error"], caught.value.response["ResponseMetadata"]
    return error["Code"], error["Message"], meta["HTTPStatusCode"]


def found(client, films, **more) -> list[str]:
    given = {"topK": 10, "queryVector": {"float32": [1.0, 0.0]}, **more}
    return [one["key"] for one in client.query_vectors(**films, **given)["vectors"]]


def test_the_life_of_a_bucket(client, bucket):
    shown = client.get_vector_bucket(vectorBucketName=bucket)["vectorBucket"]
    assert shown["vectorBucketArn"] == f"arn:aws:s3vectors:us-east-1:000000000000:bucket/{bucket}"
    assert shown["encryptionConfiguration"] == {"sseType": "AES256"}
    assert shown["defaultIndexMode"] == "ENHANCED"
    assert client.get_vector_bucket(vectorBucketArn=shown["vectorBucketArn"])["vectorBucket"] == shown
    listed = client.list_vector_buckets(prefix=bucket)["vectorBuckets"]
    assert [one["vectorBucketName"] for one in listed] == [bucket]
    assert refusal(client.create_vector_bucket, vectorBucketName=bucket)[::2] == ("ConflictException", 409)
    client.create_index(
        vectorBucketName=bucket, indexName="one", dataType="float32", dimension=1, distanceMetric="euclidean"
    )
    assert refusal(client.delete_vector_bucket, vectorBucketName=bucket) == (
        "ConflictException",
        "The specified vector bucket is not empty",
        409,
    )
    client.delete_index(vectorBucketName=bucket, indexName="one")
    client.delete_vector_bucket(vectorBucketName=bucket)
    assert refusal(client.get_vector_bucket, vectorBucketName=bucket) == (
        "NotFoundException",
        "The specified vector bucket could not be found",
        404,
    )


@pytest.mark.parametrize("name", ["Capital", "under_score", "-edge", "edge-", "dot.dot"])
def test_bucket_names_that_are_refused(client, name):
    assert refusal(client.create_vector_bucket, vectorBucketName=name)[:2] == (
        "ValidationException",
        "Invalid vector bucket name",
    )


def test_a_name_of_the_wrong_length_is_told_as_aws_tells_it(client, outcrop_stack):
    free = outcrop_stack.client("s3vectors", config=Config(parameter_validation=False))
    with pytest.raises(ClientError) as caught:
        free.create_vector_bucket(vectorBucketName="a")
    assert caught.value.response["Error"]["Message"] == (
        "1 validation error detected. Value with length 1 at '/vectorBucketName' failed to satisfy constraint: "
        "Member must have length between 3 and 63, inclusive"
    )
    assert caught.value.response["fieldList"][0]["path"] == "/vectorBucketName"


def test_buckets_and_indexes_are_listed_in_pages(client, bucket):
    names = [f"index-{number}" for number in range(5)]
    for name in reversed(names):
        client.create_index(
            vectorBucketName=bucket, indexName=name, dataType="float32", dimension=3, distanceMetric="cosine"
        )
    pages = client.get_paginator("list_indexes").paginate(vectorBucketName=bucket, PaginationConfig={"PageSize": 2})
    assert [one["indexName"] for page in pages for one in page["indexes"]] == names
    assert len(client.list_indexes(vectorBucketName=bucket, prefix="index-4")["indexes"]) == 1
    assert refusal(client.list_indexes, vectorBucketName=bucket, nextToken="x!")[0] == "ValidationException"
    assert refusal(client.list_vector_buckets, nextToken="e30=")[0] == "ValidationException"


def test_an_index_says_how_it_was_made(client, films):
    index = client.get_index(**films)["index"]
    assert (index["dimension"], index["distanceMetric"], index["indexMode"]) == (2, "cosine", "ENHANCED")
    assert index["metadataConfiguration"] == {
        "nonFilterableMetadataKeys": ["plot"],
        "textSearchConfigurations": [
            {"metadataKey": "plot", "language": "en", "status": "ACTIVE"},
            {"metadataKey": "title", "status": "ACTIVE"},
        ],
    }
    assert client.get_index(indexArn=index["indexArn"])["index"] == index
    both = refusal(client.get_index, indexArn=index["indexArn"], indexName="films")
    assert both[0] == "ValidationException"
    again = {"dataType": "float32", "dimension": 9, "distanceMetric": "cosine"}
    assert refusal(client.create_index, **films, **again)[0] == "ConflictException"
    assert refusal(client.get_index, **{**films, "indexName": "none"})[:2] == (
        "NotFoundException",
        "The specified index could not be found",
    )


def test_vectors_come_back_as_float32(client, films):
    client.put_vectors(**films, vectors=[{"key": "precise", "data": {"float32": [0.1, 1 / 3]}}])
    got = client.get_vectors(**films, keys=["precise", "none", "alien"], returnData=True, returnMetadata=True)
    precise, alien = got["vectors"]
    assert precise["data"]["float32"] == [0.10000000149011612, 0.3333333432674408]
    assert "metadata" not in precise
    assert alien["metadata"]["genres"] == ["horror", "space"]
    assert client.get_vectors(**films, keys=["alien"])["vectors"] == [{"key": "alien"}]


@pytest.mark.parametrize(
    ("vector", "metadata", "why"),
    [
        ([1.0], {}, "vector must have length 2, but has length 1"),
        ([0.0, 0.0], {}, "vector must not be all zeros when the distance metric is cosine"),
        ([1e39, 0.0], {}, "vector must contain only finite float32 values"),
        ([1.0, 0.0], {"a": "x" * 2100}, "Filterable metadata must have at most 2048 bytes"),
        ([1.0, 0.0], {"plot": "x" * 41000}, "Metadata must have at most 40960 bytes"),
        ([1.0, 0.0], {str(n): n for n in range(51)}, "Metadata object must have at most 50 keys"),
        ([1.0, 0.0], {"deep": {"er": 1}}, "Metadata value of key 'deep' must be a string, a number, a boolean, or"),
        ([1.0, 0.0], {"none": None}, "Metadata value of key 'none' must be a string, a number, a boolean, or"),
    ],
)
def test_records_that_are_refused_and_leave_nothing_behind(client, films, vector, metadata, why):
    good = {"key": "good", "data": {"float32": [1.0, 1.0]}}
    bad = {"key": "bad", "data": {"float32": vector}, "metadata": metadata}
    code, message, status = refusal(client.put_vectors, **films, vectors=[good, bad])
    assert (code, status) == ("ValidationException", 400)
    assert message.startswith(f"Invalid record for key 'bad': {why}")
    assert client.get_vectors(**films, keys=["good"])["vectors"] == []


def test_large_text_fits_where_it_is_not_filterable(client, films):
    client.put_vectors(
        **films, vectors=[{"key": "k", "data": {"float32": [1.0, 1.0]}, "metadata": {"plot": "x" * 40000}}]
    )


def test_queries_by_vector(client, films):
    answer = client.query_vectors(
        **films, topK=2, queryVector={"float32": [2.0, 0.0]}, returnDistance=True, returnMetadata=True
    )
    assert answer["distanceMetric"] == "cosine"
    assert [one["key"] for one in answer["vectors"]] == ["alien", "solaris"]
    assert answer["vectors"][1]["distance"] == pytest.approx(1 - math.sqrt(0.5), abs=1e-6)
    assert answer["vectors"][0]["metadata"]["plot"] == "A ship meets it."
    plain = client.query_vectors(**films, topK=1, queryVector={"float32": [2.0, 0.0]})
    assert plain["vectors"] == [{"key": "alien"}]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"year": 1979}, {"alien"}),
        ({"year": {"$eq": 1979}}, {"alien"}),
        ({"year": {"$ne": 1979}}, {"solaris", "jaws", "unknown"}),
        ({"year": {"$gt": 1975}}, {"alien"}),
        ({"year": {"$gte": 1975}}, {"alien", "jaws"}),
        ({"year": {"$lt": 1975}}, {"solaris"}),
        ({"year": {"$lte": 1975}}, {"solaris", "jaws"}),
        ({"year": {"$gte": 1972, "$lt": 1979}}, {"solaris", "jaws"}),
        ({"genres": "space"}, {"alien", "solaris"}),
        ({"genres": {"$in": ["horror", "musical"]}}, {"alien", "jaws"}),
        ({"genres": {"$nin": ["horror"]}}, {"solaris", "unknown"}),
        ({"lost": {"$exists": True}}, {"unknown"}),
        ({"lost": {"$exists": False}}, {"alien", "solaris", "jaws"}),
        ({"lost": True}, {"unknown"}),
        ({"year": "1979"}, set()),
        ({"genres": "space", "year": {"$lt": 1975}}, {"solaris"}),
        ({"$and": [{"genres": "horror"}, {"year": {"$lt": 1979}}]}, {"jaws"}),
        ({"$or": [{"year": 1972}, {"$and": [{"lost": True}]}]}, {"solaris", "unknown"}),
    ],
)
def test_filters(client, films, condition, expected):
    assert set(found(client, films, filter=condition)) == expected


@pytest.mark.parametrize(
    "condition",
    [
        {},
        [],
        "year",
        {"year": {}},
        {"year": {"$near": 1}},
        {"year": {"$gt": "1979"}},
        {"year": {"$gt": True}},
        {"year": {"$in": []}},
        {"year": {"$in": 1979}},
        {"year": {"$exists": "yes"}},
        {"year": {"$eq": None}},
        {"year": [1979]},
        {"$and": []},
        {"$not": {"year": 1979}},
        {"$or": {"year": 1979}},
        {"$or": [1]},
        {"plot": "A ship meets it."},
    ],
)
def test_filters_that_are_refused(client, films, condition):
    code, message, status = refusal(found, client=client, films=films, filter=condition)
    assert (code, status) == ("ValidationException", 400)
    assert "filter" in message


def test_a_filter_nested_too_deeply_is_refused(client, films):
    condition: object = {"year": 1}
    for _ in range(200):
        condition = {"$and": [condition]}
    assert refusal(found, client=client, films=films, filter=condition)[0] == "ValidationException"


def test_queries_by_text_and_by_both(client, films):
    answer = client.query_vectors(
        **films, topK=10, queryTexts=[{"metadataKey": "plot", "text": "ships on the sea"}], returnScores=True
    )
    assert answer["vectors"][0]["key"] == "jaws"
    assert {one["key"] for one in answer["vectors"]} == {"jaws", "alien", "solaris"}
    assert answer["vectors"][0]["scores"]["bm25Scores"][0]["metadataKey"] == "plot"
    assert "fused" not in answer["vectors"][0]["scores"]

    answer = client.query_vectors(
        **films,
        topK=10,
        queryVector={"float32": [1.0, 0.0]},
        queryTexts=[{"metadataKey": "title", "text": "alien"}],
        returnScores=True,
        returnDistance=True,
        filter={"genres": "space"},
    )
    best, other = answer["vectors"]
    assert (best["key"], other["key"]) == ("alien", "solaris")
    assert best["scores"]["fused"] == pytest.approx(2 / 61)
    assert best["scores"]["vectorDistance"] == best["distance"] == 0.0
    assert other["scores"]["fused"] == pytest.approx(1 / 62)
    assert "bm25Scores" not in other["scores"]


@pytest.mark.parametrize(
    "given",
    [
        {"topK": 5},
        {"topK": 10_001, "queryVector": {"float32": [1.0, 0.0]}},
        {"topK": 5, "queryVector": {"float32": [1.0]}},
        {"topK": 5, "queryVector": {"float32": [0.0, 0.0]}},
        {"topK": 5, "queryVector": {"float32": [1.0, 0.0]}, "queryMode": "CLASSIC"},
        {"topK": 5, "queryTexts": [{"metadataKey": "year", "text": "1979"}]},
        {"topK": 5, "queryTexts": [{"metadataKey": "plot", "text": "a"}, {"metadataKey": "plot", "text": "b"}]},
        {"topK": 5, "queryVector": {"float32": [1.0, 0.0]}, "nextToken": "bm9uc2Vuc2U="},
    ],
)
def test_queries_that_are_refused(client, films, given):
    assert refusal(client.query_vectors, **films, **given)[0] == "ValidationException"


def test_many_results_come_in_pages(client, bucket):
    client.create_index(
        vectorBucketName=bucket, indexName="many", dataType="float32", dimension=1, distanceMetric="euclidean"
    )
    where = {"vectorBucketName": bucket, "indexName": "many"}
    client.put_vectors(**where, vectors=[{"key": str(n), "data": {"float32": [float(n)]}} for n in range(250)])
    query = {**where, "topK": 230, "queryVector": {"float32": [0.0]}}
    first = client.query_vectors(**query)
    second = client.query_vectors(**query, nextToken=first["nextToken"])
    third = client.query_vectors(**query, nextToken=second["nextToken"])
    assert "nextToken" not in third
    keys = [one["key"] for page in (first, second, third) for one in page["vectors"]]
    assert keys == [str(n) for n in range(230)]
    other = refusal(client.query_vectors, **{**query, "topK": 9}, nextToken=first["nextToken"])
    assert other[0] == "ValidationException"


def test_vectors_are_listed_in_pages_and_segments(client, films):
    pages = client.get_paginator("list_vectors").paginate(**films, returnData=True, PaginationConfig={"PageSize": 3})
    listed = [one for page in pages for one in page["vectors"]]
    assert [one["key"] for one in listed] == ["alien", "solaris", "jaws", "unknown"]
    assert listed[2]["data"]["float32"] == [0.0, 1.0]
    parts = [client.list_vectors(**films, segmentCount=2, segmentIndex=part)["vectors"] for part in (0, 1)]
    assert sorted(one["key"] for part in parts for one in part) == ["alien", "jaws", "solaris", "unknown"]
    assert refusal(client.list_vectors, **films, segmentCount=2)[0] == "ValidationException"
    assert refusal(client.list_vectors, **films, segmentCount=2, segmentIndex=2)[0] == "ValidationException"
    token = client.list_vectors(**films, maxResults=1)["nextToken"]
    wrong = refusal(client.list_vectors, **films, nextToken=token, segmentCount=2, segmentIndex=0)
    assert wrong[0] == "ValidationException"


def test_deleted_vectors_and_indexes_are_gone(client, films):
    client.delete_vectors(**films, keys=["alien", "none"])
    assert found(client, films) == ["solaris", "jaws", "unknown"]
    client.delete_index(**films)
    assert refusal(client.get_vectors, **films, keys=["jaws"])[0] == "NotFoundException"
    made = {"dataType": "float32", "dimension": 2, "distanceMetric": "cosine"}
    client.create_index(**films, **made)
    assert found(client, films) == []


def test_text_search_can_be_configured_later(client, films):
    client.update_metadata_configuration(
        **films, add={"textSearchConfigurations": [{"metadataKey": "genres", "language": "en"}]}
    )
    query = {"topK": 5, "queryTexts": [{"metadataKey": "genres", "text": "spaces"}]}
    assert {one["key"] for one in client.query_vectors(**films, **query)["vectors"]} == {"alien", "solaris"}
    twice = refusal(
        client.update_metadata_configuration, **films, add={"textSearchConfigurations": [{"metadataKey": "genres"}]}
    )
    assert twice[0] == "ConflictException"
    client.update_metadata_configuration(**films, delete={"textSearchConfigurations": [{"metadataKey": "genres"}]})
    assert refusal(client.query_vectors, **films, **query)[0] == "ValidationException"
    assert refusal(client.update_metadata_configuration, **films)[0] == "ValidationException"


def test_modes(client, bucket, films):
    client.update_index_mode(**films, indexMode="ENHANCED")
    client.put_vector_bucket_default_index_mode(vectorBucketName=bucket, defaultIndexMode="ENHANCED")
    assert refusal(client.update_index_mode, **films, indexMode="CLASSIC")[0] == "ValidationException"


def test_policies(client, bucket):
    assert refusal(client.get_vector_bucket_policy, vectorBucketName=bucket)[0] == "NotFoundException"
    policy = (
        '{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", '
        '"Action": "s3vectors:*", "Resource": "*"}]}'
    )
    client.put_vector_bucket_policy(vectorBucketName=bucket, policy=policy)
    assert client.get_vector_bucket_policy(vectorBucketName=bucket)["policy"] == policy
    for wrong in ("no JSON", "[]", '{"Statement": []}', '{"Statement": {"Effect": "Maybe"}}'):
        assert refusal(client.put_vector_bucket_policy, vectorBucketName=bucket, policy=wrong)[2] == 400
    client.delete_vector_bucket_policy(vectorBucketName=bucket)
    assert refusal(client.get_vector_bucket_policy, vectorBucketName=bucket)[0] == "NotFoundException"


def test_tags_of_buckets_and_indexes(client, bucket, films):
    for arn in (
        client.get_vector_bucket(vectorBucketName=bucket)["vectorBucket"]["vectorBucketArn"],
        client.get_index(**films)["index"]["indexArn"],
    ):
        client.tag_resource(resourceArn=arn, tags={"team": "geology", "stage": "test"})
        client.untag_resource(resourceArn=arn, tagKeys=["stage", "none"])
        assert client.list_tags_for_resource(resourceArn=arn)["tags"] == {"team": "geology"}
        many = {f"key{n}": "" for n in range(50)}
        assert refusal(client.tag_resource, resourceArn=arn, tags=many)[0] == "ValidationException"
    assert refusal(client.list_tags_for_resource, resourceArn=f"{arn}-none")[:2] == (
        "NotFoundException",
        "The specified resource could not be found",
    )
    assert refusal(client.list_tags_for_resource, resourceArn="nonsense")[0] == "ValidationException"


def test_encryption_needs_a_key_with_kms_only(client):
    name = f"kms-{uuid.uuid4().hex[:8]}"
    wrong = refusal(client.create_vector_bucket, vectorBucketName=name, encryptionConfiguration={"sseType": "aws:kms"})
    assert wrong[0] == "ValidationException"
    asked = {"sseType": "aws:kms", "kmsKeyArn": "arn:aws:kms:us-east-1:000000000000:key/abc"}
    client.create_vector_bucket(vectorBucketName=name, encryptionConfiguration=asked)
    assert client.get_vector_bucket(vectorBucketName=name)["vectorBucket"]["encryptionConfiguration"] == asked

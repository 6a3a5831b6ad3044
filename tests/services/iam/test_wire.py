"""The journey of a script: boto3 against a real server that serves IAM and STS."""

from __future__ import annotations

import json
import threading
import time

import boto3
import pytest
import uvicorn
from botocore.config import Config
from botocore.exceptions import ClientError

from outcrop.jobs import Jobs
from outcrop.services.contract import Deps
from outcrop.services.iam import service as iam
from outcrop.services.iam.credentials import Credentials
from outcrop.settings import Settings
from outcrop.storage import Blobs, Database
from outcrop.wire.gateway import Gateway

S3 = "arn:aws:iam::aws:policy/AmazonS3FullAccess"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("iam")
    database = Database(folder / "iam.sqlite")
    settings = Settings(data=folder)
    lookup = Credentials(database, settings.account).lookup
    deps = Deps(
        settings=settings,
        data=folder,
        database=lambda name, durable=True: database,
        blobs=lambda name: Blobs(folder / name),
        jobs=Jobs(Database(folder / "jobs.sqlite")),
        models=None,  # IAM asks for no model
        context=lambda account, region, principal: pytest.fail("no background work is expected"),
        lookup=lookup,
        endpoint=lambda: "http://127.0.0.1",
    )
    gateway = Gateway(iam.services(deps), settings=settings, lookup=lookup)
    server = uvicorn.Server(uvicorn.Config(gateway, port=0, lifespan="off", ws="none", log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()
    database.close()


@pytest.fixture
def client(server):
    made = []

    def create(service, key="test", secret="test", token=None, **more):
        config = Config(retries={"total_max_attempts": 1}, **more)
        session = boto3.Session(key, secret, token, "us-east-1")
        made.append(session.client(service, endpoint_url=server, config=config))
        return made[-1]

    yield create
    for each in made:
        each.close()


def of(credentials):
    return credentials["AccessKeyId"], credentials["SecretAccessKey"], credentials.get("SessionToken")


def test_role_from_creation_to_session(client, trust):
    iam = client("iam")
    role = iam.create_role(RoleName="worker", AssumeRolePolicyDocument=trust, Tags=[{"Key": "a", "Value": "b"}])["Role"]
    assert role["AssumeRolePolicyDocument"] == json.loads(trust)
    iam.get_waiter("role_exists").wait(RoleName="worker", WaiterConfig={"Delay": 1, "MaxAttempts": 1})
    iam.attach_role_policy(RoleName="worker", PolicyArn=S3)
    assert iam.list_attached_role_policies(RoleName="worker")["AttachedPolicies"] == [
        {"PolicyName": "AmazonS3FullAccess", "PolicyArn": S3}
    ]
    document = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}
    iam.put_role_policy(RoleName="worker", PolicyName="inline+", PolicyDocument=json.dumps(document))
    assert iam.get_role_policy(RoleName="worker", PolicyName="inline+")["PolicyDocument"] == document

    session = client("sts").assume_role(RoleArn=role["Arn"], RoleSessionName="journey")["Credentials"]
    identity = client("sts", *of(session)).get_caller_identity()
    assert identity["Arn"] == "arn:aws:sts::000000000000:assumed-role/worker/journey"
    with pytest.raises(ClientError) as caught:
        client("sts", session["AccessKeyId"], session["SecretAccessKey"], "another token").get_caller_identity()
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    with pytest.raises(ClientError) as caught:
        client("sts", session["AccessKeyId"], "another secret", session["SessionToken"]).get_caller_identity()
    assert caught.value.response["Error"]["Code"] == "SignatureDoesNotMatch"


def test_user_key_stops_at_once(client):
    iam = client("iam")
    iam.create_user(UserName="ann")
    key = iam.create_access_key(UserName="ann")["AccessKey"]
    as_ann = client("sts", *of(key))
    assert as_ann.get_caller_identity()["Arn"] == "arn:aws:iam::000000000000:user/ann"
    iam.update_access_key(UserName="ann", AccessKeyId=key["AccessKeyId"], Status="Inactive")
    with pytest.raises(ClientError) as caught:
        as_ann.get_caller_identity()
    assert caught.value.response["Error"]["Code"] == "InvalidClientTokenId"


def test_account_by_its_number(client):
    assert client("sts", "111122223333").get_caller_identity()["Account"] == "111122223333"


def test_pages(client):
    iam = client("iam")
    for number in range(5):
        iam.create_group(GroupName=f"g{number}")
    pages = list(iam.get_paginator("list_groups").paginate(PaginationConfig={"PageSize": 2}))
    assert [[group["GroupName"] for group in page["Groups"]] for page in pages] == [["g0", "g1"], ["g2", "g3"], ["g4"]]


def test_summary_and_bedrock_key(client):
    iam = client("iam")
    iam.create_user(UserName="bob")
    assert iam.get_account_summary()["SummaryMap"]["AccessKeysPerUserQuota"] == 2
    made = iam.create_service_specific_credential(UserName="bob", ServiceName="bedrock.amazonaws.com")
    assert made["ServiceSpecificCredential"]["ServiceCredentialSecret"].startswith("ABSK")


@pytest.mark.parametrize(
    ("operation", "request_", "status", "code", "message"),
    [
        ("get_role", {"RoleName": "none"}, 404, "NoSuchEntity", "The role with name none cannot be found."),
        ("delete_policy", {"PolicyArn": S3}, 403, "AccessDenied", None),
        (
            "create_role",
            {"RoleName": "r", "AssumeRolePolicyDocument": "nope"},
            400,
            "MalformedPolicyDocument",
            "This policy contains invalid Json",
        ),
        (
            "create_user",
            {"UserName": "a b"},
            400,
            "ValidationError",
            "1 validation error detected: Value at 'userName' failed to satisfy constraint: Member must satisfy "
            "regular expression pattern: [\\w+=,.@-]+",
        ),
        (
            "create_user",
            {"UserName": "u", "Tags": [{"Key": "k" * 129, "Value": ""}]},
            400,
            "ValidationError",
            "1 validation error detected: Value at 'tags.1.member.key' failed to satisfy constraint: Member must have "
            "length less than or equal to 128",
        ),
        ("create_user", {"UserName": ""}, 400, "ValidationError", None),
        (
            "upload_server_certificate",
            {"ServerCertificateName": "c", "CertificateBody": "b", "PrivateKey": "k"},
            501,
            "NotImplemented",
            None,
        ),
    ],
)
def test_errors(client, operation, request_, status, code, message):
    with pytest.raises(ClientError) as caught:
        getattr(client("iam", parameter_validation=False), operation)(**request_)
    response = caught.value.response
    assert (response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]) == (status, code)
    if message is not None:
        assert response["Error"]["Message"] == message


def test_sts_names_the_value(client):
    with pytest.raises(ClientError) as caught:
        client("sts").assume_role(RoleArn="arn:aws:iam::000000000000:role/r", RoleSessionName="Session1:2")
    assert caught.value.response["Error"]["Message"] == (
        "1 validation error detected: Value 'Session1:2' at 'roleSessionName' failed to satisfy constraint: Member "
        "must satisfy regular expression pattern: [\\w+=,.@-]*"
    )

import json
from datetime import UTC, datetime

import pytest

from outcrop.services.s3 import errors

_MISSING = {
    "get_bucket_cors": "NoSuchCORSConfiguration",
    "get_bucket_lifecycle_configuration": "NoSuchLifecycleConfiguration",
    "get_bucket_ownership_controls": "OwnershipControlsNotFoundError",
    "get_bucket_policy": "NoSuchBucketPolicy",
    "get_bucket_policy_status": "NoSuchBucketPolicy",
    "get_bucket_replication": "ReplicationConfigurationNotFoundError",
    "get_bucket_tagging": "NoSuchTagSet",
    "get_bucket_website": "NoSuchWebsiteConfiguration",
    "get_object_lock_configuration": "ObjectLockConfigurationNotFoundError",
    "get_public_access_block": "NoSuchPublicAccessBlockConfiguration",
}
_DEFAULTS = {
    "get_bucket_accelerate_configuration": {},
    "get_bucket_logging": {},
    "get_bucket_notification_configuration": {},
    "get_bucket_request_payment": {"Payer": "BucketOwner"},
    "get_bucket_versioning": {},
    "list_bucket_analytics_configurations": {"IsTruncated": False},
}


@pytest.mark.parametrize(("operation", "code"), _MISSING.items())
async def test_get_what_was_never_set(client, bucket, operation, code):
    with pytest.raises(errors.S3Error) as caught:
        await getattr(client, operation)(Bucket=bucket)
    assert (caught.value.code, caught.value.status) == (code, 404)


@pytest.mark.parametrize(("operation", "default"), _DEFAULTS.items())
async def test_get_defaults(client, bucket, operation, default):
    assert await getattr(client, operation)(Bucket=bucket) == default


async def test_get_bucket_encryption_by_default(client, bucket):
    rules = (await client.get_bucket_encryption(Bucket=bucket))["ServerSideEncryptionConfiguration"]["Rules"]
    assert rules[0]["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}


@pytest.mark.parametrize("operation", [*_MISSING, *_DEFAULTS, "put_bucket_versioning"])
async def test_settings_of_no_bucket(client, operation):
    with pytest.raises(errors.NoSuchBucket):
        await getattr(client, operation)(Bucket="nowhere")


async def test_put_bucket_encryption_reaches_objects(client, bucket):
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "arn:aws:kms:us-east-1:000000000000:key/k"}
    rules = [{"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": True}]
    await client.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": rules})
    await client.put_object(Bucket=bucket, Key="a", Body=b"")
    head = await client.head_object(Bucket=bucket, Key="a")
    assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", default["KMSMasterKeyID"])
    await client.delete_bucket_encryption(Bucket=bucket)
    assert (await client.put_object(Bucket=bucket, Key="a", Body=b""))["ServerSideEncryption"] == "AES256"


async def test_put_bucket_tagging(client, bucket):
    tags = [{"Key": "team", "Value": "a b"}, {"Key": "cost", "Value": ""}]
    await client.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": tags})
    assert (await client.get_bucket_tagging(Bucket=bucket))["TagSet"] == tags
    await client.delete_bucket_tagging(Bucket=bucket)
    with pytest.raises(errors.NoSuchTagSet):
        await client.get_bucket_tagging(Bucket=bucket)


@pytest.mark.parametrize(
    ("tags", "error"),
    [
        ([("a", "1"), ("a", "2")], errors.InvalidTag),
        ([("aws:a", "1")], errors.InvalidTag),
        ([("a" * 129, "1")], errors.InvalidTag),
        ([("a", "1" * 257)], errors.InvalidTag),
        ([("a{", "1")], errors.InvalidTag),
        ([(f"k{number}", "") for number in range(51)], errors.BadRequest),
    ],
)
async def test_put_bucket_tagging_refuses(client, bucket, tags, error):
    with pytest.raises(error):
        await client.put_bucket_tagging(
            Bucket=bucket, Tagging={"TagSet": [{"Key": key, "Value": value} for key, value in tags]}
        )


def policy(**changes):
    statement = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": "arn:aws:s3:::books/*",
        **changes,
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


async def test_put_bucket_policy(client, bucket):
    await client.put_bucket_policy(Bucket=bucket, Policy=policy())
    assert (await client.get_bucket_policy(Bucket=bucket))["Policy"] == policy()
    assert (await client.get_bucket_policy_status(Bucket=bucket))["PolicyStatus"] == {"IsPublic": True}
    await client.delete_bucket_policy(Bucket=bucket)
    with pytest.raises(errors.NoSuchBucketPolicy):
        await client.get_bucket_policy(Bucket=bucket)


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        "[]",
        "{}",
        '{"Version": "2012", "Statement": [{}]}',
        policy(Effect="Maybe"),
        policy(Resource="arn:aws:s3:::others/*"),
        policy(Action=7),
        json.dumps({"Statement": [{"Effect": "Allow"}]}),
    ],
)
async def test_put_bucket_policy_refuses(client, bucket, text):
    with pytest.raises(errors.MalformedPolicy):
        await client.put_bucket_policy(Bucket=bucket, Policy=text)


async def test_put_bucket_policy_under_a_public_access_block(client, bucket):
    block = {"BlockPublicPolicy": True}
    await client.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=block)
    with pytest.raises(errors.AccessDenied):
        await client.put_bucket_policy(Bucket=bucket, Policy=policy())
    await client.put_bucket_policy(Bucket=bucket, Policy=policy(Principal={"AWS": "arn:aws:iam::000000000000:root"}))


async def test_put_public_access_block_fills_what_is_left_out(client, bucket):
    await client.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration={"BlockPublicAcls": True})
    assert (await client.get_public_access_block(Bucket=bucket))["PublicAccessBlockConfiguration"] == {
        "BlockPublicAcls": True,
        "IgnorePublicAcls": False,
        "BlockPublicPolicy": False,
        "RestrictPublicBuckets": False,
    }
    with pytest.raises(errors.AccessDenied):
        await client.put_bucket_acl(Bucket=bucket, ACL="public-read")
    await client.delete_public_access_block(Bucket=bucket)
    await client.put_bucket_acl(Bucket=bucket, ACL="public-read")


async def test_put_bucket_acl_canned(client, bucket):
    await client.put_bucket_acl(Bucket=bucket, ACL="public-read")
    shown = await client.get_bucket_acl(Bucket=bucket)
    owner, everyone = shown["Grants"]
    assert (owner["Grantee"]["ID"], owner["Permission"]) == (shown["Owner"]["ID"], "FULL_CONTROL")
    assert everyone["Grantee"]["URI"].endswith("/AllUsers")
    await client.put_bucket_acl(Bucket=bucket, ACL="private")
    assert len((await client.get_bucket_acl(Bucket=bucket))["Grants"]) == 1


async def test_put_bucket_acl_by_headers_and_policies(client, bucket):
    user = "a" * 64
    await client.put_bucket_acl(Bucket=bucket, GrantRead=f'id="{user}"')
    (grant,) = (await client.get_bucket_acl(Bucket=bucket))["Grants"]
    assert grant == {"Grantee": {"Type": "CanonicalUser", "ID": user}, "Permission": "READ"}
    owner = (await client.get_bucket_acl(Bucket=bucket))["Owner"]
    await client.put_bucket_acl(Bucket=bucket, AccessControlPolicy={"Owner": owner, "Grants": [grant, grant]})
    assert len((await client.get_bucket_acl(Bucket=bucket))["Grants"]) == 2


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({}, errors.MissingSecurityHeader),
        ({"ACL": "everybody"}, errors.InvalidArgument),
        ({"ACL": "private", "GrantRead": "id=a"}, errors.InvalidRequest),
        ({"GrantRead": "id=nobody"}, errors.InvalidArgument),
        ({"GrantRead": "emailAddress=a@b.c"}, errors.UnresolvableGrantByEmailAddress),
        ({"GrantRead": "who=me"}, errors.InvalidArgument),
        ({"AccessControlPolicy": {"Grants": [{"Permission": "READ"}]}}, errors.MalformedACLError),
        ({"AccessControlPolicy": {"Owner": {"ID": "other"}, "Grants": []}}, errors.AccessDenied),
    ],
)
async def test_put_bucket_acl_refuses(client, bucket, given, error):
    with pytest.raises(error):
        await client.put_bucket_acl(Bucket=bucket, **given)


async def test_put_bucket_ownership_controls(client, bucket):
    controls = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    await client.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=controls)
    assert (await client.get_bucket_ownership_controls(Bucket=bucket))["OwnershipControls"] == controls
    with pytest.raises(errors.AccessControlListNotSupported):
        await client.put_bucket_acl(Bucket=bucket, ACL="public-read")
    await client.delete_bucket_ownership_controls(Bucket=bucket)
    await client.put_bucket_acl(Bucket=bucket, ACL="public-read")
    with pytest.raises(errors.MalformedXML):
        await client.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls={"Rules": []})


@pytest.mark.parametrize(
    ("rule", "error"),
    [
        ({"AllowedMethods": ["PATCH"], "AllowedOrigins": ["*"]}, errors.InvalidRequest),
        ({"AllowedMethods": ["GET"], "AllowedOrigins": ["*.a.*"]}, errors.InvalidRequest),
        ({"AllowedMethods": ["GET"], "AllowedOrigins": ["*"], "ExposeHeaders": ["*"]}, errors.InvalidRequest),
    ],
)
async def test_put_bucket_cors_refuses(client, bucket, rule, error):
    with pytest.raises(error):
        await client.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [rule]})


async def test_put_bucket_cors(client, bucket):
    rules = [{"AllowedMethods": ["GET"], "AllowedOrigins": ["http://a.example"], "MaxAgeSeconds": 60}]
    await client.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": rules})
    assert (await client.get_bucket_cors(Bucket=bucket))["CORSRules"] == rules
    await client.delete_bucket_cors(Bucket=bucket)
    with pytest.raises(errors.NoSuchCORSConfiguration):
        await client.get_bucket_cors(Bucket=bucket)


async def test_put_bucket_lifecycle_configuration(client, bucket):
    rules = [
        {"ID": "old", "Filter": {"Prefix": "logs/"}, "Status": "Enabled", "Expiration": {"Days": 30}},
        {"Prefix": "", "Status": "Disabled", "Expiration": {"Date": datetime(2030, 1, 1, tzinfo=UTC)}},
    ]
    await client.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": rules})
    kept = await client.get_bucket_lifecycle_configuration(Bucket=bucket)
    assert kept["Rules"][0] == rules[0]
    assert kept["Rules"][1]["ID"]
    assert kept["Rules"][1]["Expiration"] == rules[1]["Expiration"]
    assert kept["TransitionDefaultMinimumObjectSize"] == "all_storage_classes_128K"


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"Status": "enabled"}, errors.MalformedXML),
        ({"ID": "i" * 256}, errors.InvalidArgument),
        ({"Expiration": {"Days": 0}}, errors.InvalidArgument),
        ({"Expiration": {"Date": datetime(2030, 1, 1, 12, tzinfo=UTC)}}, errors.InvalidArgument),
        ({"Expiration": {}}, errors.InvalidRequest),
        ({"Filter": None}, errors.MalformedXML),
    ],
)
async def test_put_bucket_lifecycle_configuration_refuses(client, bucket, change, error):
    rule = {"ID": "r", "Filter": {"Prefix": ""}, "Status": "Enabled", "Expiration": {"Days": 1}, **change}
    with pytest.raises(error):
        await client.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [rule]})


async def test_put_bucket_website(client, bucket):
    website = {"IndexDocument": {"Suffix": "index.html"}, "ErrorDocument": {"Key": "error.html"}}
    await client.put_bucket_website(Bucket=bucket, WebsiteConfiguration=website)
    assert await client.get_bucket_website(Bucket=bucket) == website
    await client.delete_bucket_website(Bucket=bucket)
    with pytest.raises(errors.NoSuchWebsiteConfiguration):
        await client.get_bucket_website(Bucket=bucket)
    for wrong in ({}, {"IndexDocument": {"Suffix": "a/b"}}, {**website, "RedirectAllRequestsTo": {"HostName": "h"}}):
        with pytest.raises(errors.InvalidArgument):
            await client.put_bucket_website(Bucket=bucket, WebsiteConfiguration=wrong)


async def test_put_bucket_logging(client, bucket):
    enabled = {"TargetBucket": bucket, "TargetPrefix": "log/"}
    await client.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={"LoggingEnabled": enabled})
    assert await client.get_bucket_logging(Bucket=bucket) == {"LoggingEnabled": enabled}
    await client.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={})
    assert await client.get_bucket_logging(Bucket=bucket) == {}
    with pytest.raises(errors.InvalidTargetBucketForLogging):
        await client.put_bucket_logging(
            Bucket=bucket, BucketLoggingStatus={"LoggingEnabled": {"TargetBucket": "nowhere", "TargetPrefix": ""}}
        )


async def test_put_bucket_replication_wants_versions(client, bucket):
    rule = {"Status": "Enabled", "Destination": {"Bucket": "arn:aws:s3:::copy"}}
    given = {"Role": "arn:aws:iam::000000000000:role/r", "Rules": [rule]}
    with pytest.raises(errors.InvalidRequest):
        await client.put_bucket_replication(Bucket=bucket, ReplicationConfiguration=given)
    await client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    await client.put_bucket_replication(Bucket=bucket, ReplicationConfiguration=given)
    kept = (await client.get_bucket_replication(Bucket=bucket))["ReplicationConfiguration"]
    assert kept["Rules"][0]["Destination"] == rule["Destination"]


@pytest.mark.parametrize(
    ("kind", "configuration", "many"),
    [
        ("analytics", "AnalyticsConfiguration", "analytics_configurations"),
        ("inventory", "InventoryConfiguration", "inventory_configurations"),
        ("metrics", "MetricsConfiguration", "metrics_configurations"),
        ("intelligent_tiering", "IntelligentTieringConfiguration", "intelligent_tiering_configurations"),
    ],
)
async def test_configurations_with_ids(client, bucket, kind, configuration, many):
    one = f"bucket_{kind}_configuration"
    for name in ("b", "a"):
        await getattr(client, f"put_{one}")(Bucket=bucket, Id=name, **{configuration: {"Id": name}})
    listed = await getattr(client, f"list_bucket_{many}")(Bucket=bucket)
    assert listed[f"{configuration}List"] == [{"Id": "a"}, {"Id": "b"}]
    await getattr(client, f"delete_{one}")(Bucket=bucket, Id="a")
    with pytest.raises(errors.NoSuchConfiguration):
        await getattr(client, f"get_{one}")(Bucket=bucket, Id="a")
    assert (await getattr(client, f"get_{one}")(Bucket=bucket, Id="b"))[configuration] == {"Id": "b"}


async def test_put_bucket_request_payment_and_acceleration(client, bucket):
    await client.put_bucket_request_payment(Bucket=bucket, RequestPaymentConfiguration={"Payer": "Requester"})
    assert await client.get_bucket_request_payment(Bucket=bucket) == {"Payer": "Requester"}
    await client.put_bucket_accelerate_configuration(Bucket=bucket, AccelerateConfiguration={"Status": "Suspended"})
    assert await client.get_bucket_accelerate_configuration(Bucket=bucket) == {"Status": "Suspended"}


async def test_put_object_lock_configuration(client):
    await client.create_bucket(Bucket="locked", ObjectLockEnabledForBucket=True)
    assert await client.get_bucket_versioning(Bucket="locked") == {"Status": "Enabled"}
    rule = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}
    configuration = {"ObjectLockEnabled": "Enabled", "Rule": rule}
    await client.put_object_lock_configuration(Bucket="locked", ObjectLockConfiguration=configuration)
    shown = await client.get_object_lock_configuration(Bucket="locked")
    assert shown["ObjectLockConfiguration"] == configuration
    await client.put_object(Bucket="locked", Key="a", Body=b"")
    assert (await client.head_object(Bucket="locked", Key="a"))["ObjectLockMode"] == "GOVERNANCE"
    with pytest.raises(errors.InvalidBucketState):
        await client.put_bucket_versioning(Bucket="locked", VersioningConfiguration={"Status": "Suspended"})


async def test_settings_survive_a_restart(home):
    client = home.open()
    await client.create_bucket(Bucket="books")
    await client.put_bucket_tagging(Bucket="books", Tagging={"TagSet": [{"Key": "a", "Value": "1"}]})
    assert (await home.open().get_bucket_tagging(Bucket="books"))["TagSet"] == [{"Key": "a", "Value": "1"}]


@pytest.mark.parametrize("kind", ["analytics", "inventory", "metrics", "intelligent_tiering"])
async def test_put_and_get_configurations_by_id(client, bucket, kind):
    member = "".join(part.title() for part in kind.split("_")) + "Configuration"
    given = {"Id": "one"}
    await getattr(client, f"put_bucket_{kind}_configuration")(Bucket=bucket, Id="one", **{member: given})
    shown = await getattr(client, f"get_bucket_{kind}_configuration")(Bucket=bucket, Id="one")
    assert shown[member] == given


async def test_put_object_lock_configuration_without_a_body(client, bucket):
    with pytest.raises(errors.MissingRequestBodyError):
        await client.put_object_lock_configuration(Bucket=bucket)

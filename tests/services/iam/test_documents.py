import json

import pytest

from outcrop.services.iam.documents import check_policy, check_trust, size
from outcrop.services.iam.errors import MalformedPolicyDocument

SOUND = {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::bucket"}
SYNTAX = "Syntax errors in policy."
VERSION = "Policy document must be version 2012-10-17 or greater."
LEGACY = "The policy failed legacy parsing"
NO_ACTIONS = "Policy statement must contain actions."
NO_RESOURCES = "Policy statement must contain resources."


def policy(*statements, **more):
    return {"Version": "2012-10-17", "Statement": list(statements) if len(statements) != 1 else statements[0], **more}


def sound(**changes):
    """A good statement, changed; None takes a member away."""
    return {key: value for key, value in (SOUND | changes).items() if value is not None}


def condition(operator, value):
    return policy(sound(Condition={operator: {"key": value}}))


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ("not json", SYNTAX),
        ("[" * 100_000, SYNTAX),
        ([], SYNTAX),
        ({"Version": "2012-10-17"}, SYNTAX),
        (policy(), SYNTAX),
        (policy("text"), SYNTAX),
        (policy(sound(), Extra="x"), SYNTAX),
        (policy(sound(Extra="x")), SYNTAX),
        (policy(sound(Principal="*")), SYNTAX),
        (policy(sound(), Id=["x"]), SYNTAX),
        (policy(sound(), Version="2013-10-17"), SYNTAX),
        (policy(sound(Effect=None)), SYNTAX),
        (policy(sound(Effect="Maybe")), SYNTAX),
        (policy(sound(Effect=1)), SYNTAX),
        (policy(sound(Action={})), SYNTAX),
        (policy(sound(Action=[[]])), SYNTAX),
        (policy(sound(NotAction="s3:x")), SYNTAX),
        (policy(sound(NotResource="*")), SYNTAX),
        (policy(sound(Resource={"a": "b"})), SYNTAX),
        (policy(sound(Sid={})), SYNTAX),
        (policy(sound(Condition=[])), SYNTAX),
        (policy(sound(Condition={"StringEquals": "x"})), SYNTAX),
        (condition("Nonsense", "x"), SYNTAX),
        (condition("ForAnyValue::StringEquals", "x"), SYNTAX),
        (condition("StringEquals", {}), SYNTAX),
        ({"Statement": SOUND}, VERSION),
        (policy(sound(), Version="2008-10-17"), VERSION),
        ({"Statement": sound(Effect="denY")}, VERSION),
        (policy(sound(Effect="denY")), LEGACY),
        (policy(sound(Resource="arn:aws:s3::bucket")), LEGACY),
        (policy(sound(Resource="arn:aws::bucket")), LEGACY),
        (policy(sound(Resource="arn:aws::::bucket")), LEGACY),
        (condition("DateGreaterThan", "tomorrow"), LEGACY),
        (condition("DateLessThan", "9223372036854775808"), LEGACY),
        (condition("DateLessThan", "2024-13"), LEGACY),
        (condition("DateLessThan", "2024-12-13t2:00:00.1+1"), LEGACY),
        (condition("ForAllValues:DateLessThanIfExists", ["2024-01-01", "x"]), LEGACY),
        (policy(sound(Sid="a"), sound(Sid="a")), "Statement IDs (SID) in a single policy must be unique."),
        (policy(sound(Action=None)), NO_ACTIONS),
        (policy(sound(Action=[])), NO_ACTIONS),
        (policy({"Effect": "Deny"}, SOUND), NO_ACTIONS),
        (policy(sound(Resource=None)), NO_RESOURCES),
        (policy(sound(Resource=[])), NO_RESOURCES),
        (
            policy(sound(Action="invalid")),
            "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
        ),
        (
            policy(sound(Action=None, NotAction="")),
            "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
        ),
        (policy(sound(Action="a a:ListBucket")), "Vendor a a is not valid"),
        (policy(sound(Action="s3:List:Bucket")), "Actions/Condition can contain only one colon."),
        (policy(sound(Resource="nonsense")), 'Resource nonsense must be in ARN format or "*".'),
        (policy(sound(Resource="")), 'Resource  must be in ARN format or "*".'),
        (
            policy(sound(Resource="aws:s3:::bucket")),
            'Partition "s3" is not valid for resource "arn:s3:::bucket:*".',
        ),
        (
            policy(sound(Resource="a:b:c:d:e:f:g:h")),
            'Partition "b" is not valid for resource "arn:b:c:d:e:f:g:h".',
        ),
        (policy(sound(Resource="arn:aws")), "Resource vendor must be fully qualified and cannot contain regexes."),
        (
            policy(sound(Resource="arn:aws:iam:us-east-1::role/x")),
            "IAM resource arn:aws:iam:us-east-1::role/x cannot contain region information.",
        ),
        (
            policy(sound(Resource="arn:aws:s3:us-east-1::bucket")),
            "Resource arn:aws:s3:us-east-1::bucket can not contain region information.",
        ),
        (
            policy(sound(Resource="arn:aws:iam:::bucket")),
            'IAM resource path must either be "*" or start with user/, federated-user/, role/, group/, '
            "instance-profile/, mfa/, server-certificate/, policy/, sms-mfa/, saml-provider/, oidc-provider/, report/, "
            "access-report/.",
        ),
    ],
)
def test_check_policy_refuses(document, words):
    text = document if isinstance(document, str) else json.dumps(document)
    with pytest.raises(MalformedPolicyDocument) as caught:
        check_policy(text)
    assert caught.value.message == words


@pytest.mark.parametrize(
    "document",
    [
        policy(SOUND),
        policy(SOUND, SOUND),
        policy(sound(Resource=["arn:aws:s3:::bucket", "*"]), Id="x"),
        policy(sound(Action="*")),
        policy(sound(Action="*:*")),
        policy(sound(Action=None, NotAction=["iam:*", "s3:Get*"])),
        policy(sound(Resource=None, NotResource="arn:aws:s3:::bucket")),
        policy(sound(Resource="arn:aws:bedrock:us-east-1::foundation-model/amazon.titan-embed-text-v2:0")),
        policy(sound(Resource="arn:aws-cn:s3:::bucket")),
        policy(sound(Resource="arn:aws:iam::123456789012:role/x")),
        policy(sound(Resource="arn:aws:s3:us-east-1:123456789012:accesspoint/x")),
        policy(sound(Resource="arn:aws:fdsasf")),
        policy(sound(Condition={})),
        policy(sound(Condition={"a": {}})),
        condition("DateGreaterThan", []),
        condition("DateGreaterThan", "2017-07-01T00:00:00Z"),
        condition("DateLessThan", "2017-07-01T23:59:59.123+10:59"),
        condition("DateLessThan", "1700000000"),
        condition("ForAllValues:StringLikeIfExists", ["a", "b"]),
        condition("Bool", True),
        condition("NumericLessThanEquals", 5),
        condition("ArnNotLike", "arn:*"),
        condition("Null", "true"),
        policy(sound(Sid=""), sound(Sid="")),
    ],
)
def test_check_policy_accepts(document):
    check_policy(json.dumps(document))


TRUST = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ("nope", "This policy contains invalid Json"),
        ("[]", SYNTAX),
        (policy(), SYNTAX),
        (policy(TRUST | {"Resource": "*"}), "Has prohibited field Resource"),
        (policy(TRUST | {"NotResource": "*"}), "Has prohibited field NotResource"),
        (policy({"Effect": "Allow", "Action": "sts:AssumeRole"}), "Missing required field Principal"),
        (policy({"Effect": "Allow", "Principal": "*"}), "Missing required field Action"),
        (policy(TRUST | {"Action": "s3:GetObject"}), "AssumeRole policy may only specify STS AssumeRole actions."),
        (
            policy(TRUST | {"Action": ["sts:AssumeRole", "*"]}),
            "AssumeRole policy may only specify STS AssumeRole actions.",
        ),
        (policy(TRUST | {"Principal": {}}), SYNTAX),
        (policy(TRUST | {"Principal": {"Service": []}}), SYNTAX),
        (policy(TRUST | {"Principal": {"Robot": "x"}}), SYNTAX),
        (policy(TRUST | {"Principal": {"Service": "lambda"}}), 'Invalid principal in policy: "SERVICE":"lambda"'),
        (policy(TRUST | {"Principal": {"AWS": "12"}}), 'Invalid principal in policy: "AWS":"12"'),
        (policy(TRUST | {"Effect": "allow it"}), SYNTAX),
    ],
)
def test_check_trust_refuses(document, words):
    with pytest.raises(MalformedPolicyDocument) as caught:
        check_trust(document if isinstance(document, str) else json.dumps(document))
    assert caught.value.message == words


@pytest.mark.parametrize(
    "statement",
    [
        TRUST,
        TRUST | {"Principal": "*"},
        TRUST | {"Principal": {"AWS": "*"}},
        TRUST | {"Principal": {"AWS": ["123456789012", "arn:aws:iam::123456789012:root"]}},
        TRUST
        | {"Principal": {"AWS": "arn:aws:iam::123456789012:role/a/b"}, "Action": ["sts:AssumeRole", "sts:TagSession"]},
        TRUST | {"Principal": {"Service": ["bedrock.amazonaws.com", "states.us-east-1.amazonaws.com"]}},
        TRUST
        | {"Principal": {"Federated": "cognito-identity.amazonaws.com"}, "Action": "sts:AssumeRoleWithWebIdentity"},
        TRUST | {"Action": "sts:*", "Condition": {"StringEquals": {"aws:SourceAccount": "123456789012"}}},
    ],
)
def test_check_trust_accepts(statement):
    check_trust(json.dumps(policy(statement)))
    check_trust(json.dumps({"Statement": [statement]}))


def test_size_leaves_white_space_out():
    assert size('{\n "a": "b c"\t}') == len('{"a":"bc"}')

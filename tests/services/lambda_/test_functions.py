import base64
import hashlib
import io
import re
import stat
import uuid
import zipfile

import pytest
from tests.services.lambda_.conftest import ARN, ECHO, PYTHON, ROLE, zipped

from outcrop.services.lambda_.errors import (
    InvalidParameterValueException,
    PreconditionFailedException,
    ResourceConflictException,
    ResourceNotFoundException,
)
from outcrop.services.lambda_.surface import CodeLocations
from outcrop.services.surface import HttpRequest


async def test_create_function(call):
    archive = zipped(ECHO)
    made = await call.create(Code={"ZipFile": archive}, Environment={"Variables": {"COURSE": "aws"}}, Description="d")
    assert made["FunctionArn"] == f"{ARN}:f"
    assert made["State"] == "Pending"
    assert made["StateReasonCode"] == "Creating"
    assert made["Version"] == "$LATEST"
    assert made["CodeSize"] == len(archive)
    assert made["CodeSha256"] == base64.b64encode(hashlib.sha256(archive).digest()).decode()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000", made["LastModified"])
    assert uuid.UUID(made["RevisionId"])
    assert made["Environment"] == {"Variables": {"COURSE": "aws"}}
    assert made["LoggingConfig"] == {"LogFormat": "Text", "LogGroup": "/aws/lambda/f"}
    shown = await call("get_function_configuration", FunctionName="f")
    assert shown["State"] == "Active"
    assert shown["LastUpdateStatus"] == "Successful"
    assert {k: v for k, v in shown.items() if k != "State"}.items() <= made.items()


async def test_create_function_has_defaults(call):
    made = await call("create_function", FunctionName="f", Runtime=PYTHON, Role=ROLE, Handler="app.handler",
                      Code={"ZipFile": zipped(ECHO)})  # fmt: skip
    assert made["Timeout"] == 3
    assert made["MemorySize"] == 128
    assert made["EphemeralStorage"] == {"Size": 512}
    assert made["Architectures"] == ["x86_64"]
    assert made["TracingConfig"] == {"Mode": "PassThrough"}
    assert "Environment" not in made
    assert "Layers" not in made


async def test_create_function_refuses_a_name_twice(call):
    await call.create()
    with pytest.raises(ResourceConflictException, match=r"^Function already exist: f$") as caught:
        await call.create()
    assert caught.value.members == {"Type": "User"}
    assert caught.value.status == 409


async def test_create_function_from_s3(call):
    archive = zipped(ECHO)
    await call("create_bucket", service="s3", Bucket="code")

    async def body():
        yield archive

    await call("put_object", service="s3", Bucket="code", Key="a/f.zip", Body=body())
    made = await call.create(Code={"S3Bucket": "code", "S3Key": "a/f.zip"})
    assert made["CodeSize"] == len(archive)
    assert await call.invoke(7) == 7
    with pytest.raises(
        InvalidParameterValueException, match=r"Error occurred while GetObject. S3 Error Code: NoSuchKey"
    ):
        await call.create(name="g", Code={"S3Bucket": "code", "S3Key": "gone"})
    with pytest.raises(InvalidParameterValueException, match=r"S3 Error Code: NoSuchBucket"):
        await call.create(name="g", Code={"S3Bucket": "none", "S3Key": "gone"})


def _evil():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("../../evil.py", "x")
    return buffer.getvalue()


def _link():
    buffer = io.BytesIO()
    info = zipfile.ZipInfo("link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(info, "/etc/passwd")
    return buffer.getvalue()


@pytest.mark.parametrize("archive", [b"no zip", zipped(ECHO)[:-30], _evil(), _link()])
async def test_create_function_refuses_a_bad_archive(call, stack, archive):
    with pytest.raises(InvalidParameterValueException, match="Could not unzip uploaded file"):
        await call.create(Code={"ZipFile": archive})
    assert not [path for path in (stack.data / "lambda").rglob("*") if path.is_file()]


async def test_create_function_refuses_a_bomb(call, stack):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("zeros", "w") as file:
        for _ in range(300):
            file.write(bytes(1 << 20))
    assert len(buffer.getvalue()) < 500_000
    with pytest.raises(InvalidParameterValueException, match="Unzipped size must be smaller than 262144000 bytes"):
        await call.create(Code={"ZipFile": buffer.getvalue()})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"Runtime": "ruby3.3"}, "ruby3.3 isn't supported"),
        ({"Runtime": None}, "Runtime and Handler are mandatory"),
        ({"Handler": None}, "Runtime and Handler are mandatory"),
        ({"PackageType": "Image"}, "Container images can't run here"),
        ({"Code": {"ImageUri": "x"}}, "Container images can't run here"),
        ({"Code": {}}, "Please provide a source for function code"),
        ({"MemorySize": 20_000}, "less than or equal to 10240"),
        ({"Timeout": 901}, "less than or equal to 900"),
        ({"Environment": {"Variables": {"AWS_REGION": "x"}}}, "Reserved keys used in this request: AWS_REGION"),
        ({"Environment": {"Variables": {"LONG": "x" * 4096}}}, "exceeded the 4KB limit"),
        ({"Environment": {"Variables": {"1X": "x"}}}, "1X"),
        ({"Environment": {"Variables": {"XX": "\0"}}}, "XX"),
        ({"DeadLetterConfig": {"TargetArn": "arn:aws:sqs:us-east-1:000000000000:q"}}, "no SQS"),
        ({"FileSystemConfigs": [{"Arn": "a", "LocalMountPath": "/mnt/x"}]}, "FileSystemConfigs isn't supported"),
        ({"Layers": ["arn:aws:lambda:us-east-1:000000000000:layer:gone:1"]}, "does not exist"),
        ({"Layers": [f"arn:aws:lambda:us-east-1:000000000000:layer:l{i}:1" for i in range(6)]}, "more than 5 layers"),
        ({"FunctionName": "x" * 65}, "length less than or equal to 64"),
    ],
)
async def test_create_function_refuses_bad_settings(call, settings, message):
    with pytest.raises(InvalidParameterValueException, match=message):
        await call.create(**settings)


async def test_create_function_with_a_role_that_does_not_exist(call, strict):
    with pytest.raises(InvalidParameterValueException, match="cannot be assumed by Lambda"):
        await strict.create()
    trust = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},'
    trust += '"Action":"sts:AssumeRole"}]}'
    await strict("create_role", service="iam", RoleName="course", AssumeRolePolicyDocument=trust)
    await strict.create()
    await call.create()  # helpful: such a function runs with the development credentials


@pytest.mark.parametrize(
    "name",
    ["f", f"{ARN}:f", "000000000000:function:f", "function:f", "us-east-1:000000000000:function:f", "f:$LATEST"],
)
async def test_get_function_by_every_form_of_its_name(call, name):
    await call.create()
    assert (await call("get_function", FunctionName=name))["Configuration"]["FunctionName"] == "f"


async def test_get_function_that_does_not_exist(call):
    with pytest.raises(ResourceNotFoundException, match=rf"^Function not found: {ARN}:nope$") as caught:
        await call("get_function", FunctionName="nope")
    assert caught.value.members == {"Type": "User"}
    await call.create()
    with pytest.raises(ResourceNotFoundException, match=rf"^Function not found: {ARN}:f:7$"):
        await call("get_function", FunctionName="f", Qualifier="7")
    with pytest.raises(ResourceNotFoundException, match=r"Functions from 'eu-west-1' are not reachable"):
        await call("get_function", FunctionName=f"{ARN}:f".replace("us-east-1", "eu-west-1"))
    with pytest.raises(InvalidParameterValueException, match="derived qualifier"):
        await call("get_function", FunctionName="f:1", Qualifier="2")


async def test_get_function_links_to_the_code(call):
    archive = zipped(ECHO)
    await call.create(Code={"ZipFile": archive})
    location = (await call("get_function", FunctionName="f"))["Code"]["Location"]
    surface = next(s for each in call.services if each.name == "lambda" for s in each.surfaces)
    assert isinstance(surface, CodeLocations)

    async def get(path):
        request = HttpRequest("GET", "127.0.0.1", path, "", (), None)
        assert surface.matches(request)
        response = await surface.handle(request, None)
        body = response.body if isinstance(response.body, bytes) else b"".join([piece async for piece in response.body])
        return response.status, body

    path = location.removeprefix("http://127.0.0.1:4566")
    assert await get(path) == (200, archive)
    parts = path.split("/")
    for forged in (
        path[:-1] + ("0" if path[-1] != "0" else "1"),
        "/".join([*parts[:-2], str(int(parts[-2]) + 1), parts[-1]]),
        "/".join([*parts[:-2], "1", parts[-1]]),
        "/".join([*parts[:-1], "ü"]),
        "/".join(parts[:-1]),
    ):
        assert (await get(forged))[0] == 403


async def test_list_functions_in_pages(call):
    for number in range(5):
        await call.create(name=f"f{number}")
    first = await call("list_functions", MaxItems=2)
    assert [each["FunctionName"] for each in first["Functions"]] == ["f0", "f1"]
    assert "State" not in first["Functions"][0]
    rest = await call("list_functions", MaxItems=50, Marker=first["NextMarker"])
    assert [each["FunctionName"] for each in rest["Functions"]] == ["f2", "f3", "f4"]
    assert rest["NextMarker"] is None
    call.region = "eu-west-1"
    assert (await call("list_functions"))["Functions"] == []
    with pytest.raises(InvalidParameterValueException):
        await call("list_functions", Marker="ü")


async def test_update_function_code(call):
    made = await call.create()
    assert await call.invoke(1) == 1
    changed = await call(
        "update_function_code", FunctionName="f", ZipFile=zipped("def handler(e, c):\n    return 'new'")
    )
    assert changed["LastUpdateStatus"] == "InProgress"
    assert changed["RevisionId"] != made["RevisionId"]
    assert changed["CodeSha256"] != made["CodeSha256"]
    assert await call.invoke(1) == "new"


async def test_update_function_code_with_a_stale_revision(call):
    await call.create()
    with pytest.raises(PreconditionFailedException, match="The Revision Id provided does not match"):
        await call("update_function_code", FunctionName="f", ZipFile=zipped("x = 1"), RevisionId=str(uuid.uuid4()))
    assert await call.invoke(1) == 1


async def test_update_function_code_dry_run(call):
    made = await call.create()
    planned = await call("update_function_code", FunctionName="f", ZipFile=zipped("x = 1"), DryRun=True)
    assert planned["CodeSha256"] != made["CodeSha256"]
    assert (await call("get_function_configuration", FunctionName="f"))["CodeSha256"] == made["CodeSha256"]


async def test_create_function_and_publish(call):
    made = await call.create(Publish=True)
    assert made["Version"] == "1"
    assert made["FunctionArn"] == f"{ARN}:f"


async def test_only_later_answers_say_when_a_url_changed(call):
    await call.create()
    made = await call("create_function_url_config", FunctionName="f", AuthType="NONE")
    assert {*await call("get_function_url_config", FunctionName="f")} - {*made} == {"LastModifiedTime"}


async def test_update_function_code_and_publish(call):
    await call.create()
    changed = await call("update_function_code", FunctionName="f", ZipFile=zipped("x = 1"), Publish=True)
    assert changed["Version"] == "1"
    assert changed["FunctionArn"] == f"{ARN}:f:1"


async def test_update_function_configuration(call):
    await call.create(
        "import os\ndef handler(event, context):\n    return os.environ.get('MODE'), context.memory_limit_in_mb"
    )
    assert await call.invoke() == [None, "128"]
    changed = await call(
        "update_function_configuration",
        FunctionName="f",
        Environment={"Variables": {"MODE": "new"}},
        MemorySize=256,
        Description="",
    )
    assert changed["LastUpdateStatus"] == "InProgress"
    assert changed["Timeout"] == 10
    assert await call.invoke() == ["new", "256"]
    with pytest.raises(InvalidParameterValueException):
        await call("update_function_configuration", FunctionName="f", Runtime="ruby3.4")
    assert await call.invoke() == ["new", "256"]


async def test_delete_function(call, stack):
    await call.create()
    await call.invoke(1)
    assert await call("delete_function", FunctionName="f") == {"StatusCode": 204}
    for operation in ("get_function", "delete_function", "invoke"):
        with pytest.raises(ResourceNotFoundException):
            await call(operation, FunctionName="f")
    blobs = [path for path in (stack.data / "lambda" / "blobs").rglob("*") if path.is_file()]
    assert blobs == []
    await call.create("def handler(event, context):\n    return 'another'")
    assert await call.invoke() == "another"


async def test_delete_function_version(call):
    await call.create(Publish=True)
    with pytest.raises(InvalidParameterValueException, match="LATEST version cannot be deleted"):
        await call("delete_function", FunctionName="f", Qualifier="$LATEST")
    await call("create_alias", FunctionName="f", Name="live", FunctionVersion="1")
    with pytest.raises(ResourceConflictException, match="in use by aliases: live"):
        await call("delete_function", FunctionName="f", Qualifier="1")
    await call("delete_alias", FunctionName="f", Name="live")
    await call("delete_function", FunctionName="f", Qualifier="1")
    versions = (await call("list_versions_by_function", FunctionName="f"))["Versions"]
    assert [version["Version"] for version in versions] == ["$LATEST"]


async def test_functions_survive_a_restart_and_old_code_is_swept(stack, call):
    await call.create(Tags={"a": "b"})
    old = await call("get_function_configuration", FunctionName="f")
    await call("update_function_code", FunctionName="f", ZipFile=zipped("def handler(e, c):\n    return 'new'"))
    folders = lambda: {path.name for path in (stack.data / "lambda" / "code").iterdir()}  # noqa: E731
    assert len(folders()) == 2
    await stack.close()
    call = await stack.open()
    assert await call.invoke() == "new"
    assert (await call("list_tags", Resource=f"{ARN}:f"))["Tags"] == {"a": "b"}
    assert base64.b64decode(old["CodeSha256"]).hex() not in folders()


async def test_code_that_was_removed_from_disk_is_unpacked_again(stack, call):
    import shutil

    await call.create()
    shutil.rmtree(stack.data / "lambda" / "code")
    assert await call.invoke(5) == 5


async def test_tags(call):
    await call.create(Tags={"a": "1"})
    await call("tag_resource", Resource=f"{ARN}:f", Tags={"b": "2", "c": "3"})
    await call("untag_resource", Resource=f"{ARN}:f", TagKeys=["a", "c", "z"])
    assert await call("list_tags", Resource=f"{ARN}:f") == {"Tags": {"b": "2"}}
    assert (await call("get_function", FunctionName="f"))["Tags"] == {"b": "2"}
    with pytest.raises(InvalidParameterValueException):
        await call("tag_resource", Resource=f"{ARN}:f", Tags={str(n): "" for n in range(51)})
    with pytest.raises(ResourceNotFoundException):
        await call("list_tags", Resource=f"{ARN}:nope")


async def test_get_account_settings(call):
    archive = zipped(ECHO)
    await call.create(Code={"ZipFile": archive})
    await call("put_function_concurrency", FunctionName="f", ReservedConcurrentExecutions=100)
    settings = await call("get_account_settings")
    assert settings["AccountUsage"] == {"TotalCodeSize": len(archive), "FunctionCount": 1}
    assert settings["AccountLimit"]["ConcurrentExecutions"] == 1000
    assert settings["AccountLimit"]["UnreservedConcurrentExecutions"] == 900


async def test_what_terraform_asks_about_every_function(call):
    await call.create()
    signing = await call("get_function_code_signing_config", FunctionName="f")
    assert signing == {"CodeSigningConfigArn": "", "FunctionName": "f"}
    assert (await call("get_runtime_management_config", FunctionName="f"))["UpdateRuntimeOn"] == "Auto"
    assert (await call("get_function_recursion_config", FunctionName="f")) == {"RecursiveLoop": "Terminate"}
    assert (await call("list_event_source_mappings"))["EventSourceMappings"] == []
    for operation in ("get_function_code_signing_config", "list_provisioned_concurrency_configs"):
        with pytest.raises(ResourceNotFoundException):
            await call(operation, FunctionName="nope")

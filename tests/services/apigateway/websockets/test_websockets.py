"""WebSocket APIs against a real server, with the client of the websockets library and boto3's management client."""

import json

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from ..conftest import REGION
from ..test_journey import Server


@pytest.fixture
def server(make_stack, tmp_path):
    from outcrop.settings import Settings

    stack = make_stack()
    with Server(stack, Settings(data=tmp_path)) as server:
        yield server


class Chat:
    """A WebSocket API, deployed under `test`."""

    def __init__(self, server):
        self.server = server
        self.v2 = server.client("apigatewayv2")
        api = self.v2.create_api(Name="chat", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action")
        self.id = api["ApiId"]
        self.endpoint = api["ApiEndpoint"]

    def route(self, key, function=None, two_way=False, **route):
        integration = {"IntegrationType": "MOCK"}
        if function:
            arn = self.server.stack.lambda_.add(function, "f" + key.strip("$"))
            uri = f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{arn}/invocations"
            integration = {"IntegrationType": "AWS_PROXY", "IntegrationUri": uri}
        made = self.v2.create_integration(ApiId=self.id, **integration)
        if two_way:
            route["RouteResponseSelectionExpression"] = "$default"
        target = f"integrations/{made['IntegrationId']}"
        created = self.v2.create_route(ApiId=self.id, RouteKey=key, Target=target, **route)
        if two_way:
            self.v2.create_route_response(ApiId=self.id, RouteId=created["RouteId"], RouteResponseKey="$default")
        return made["IntegrationId"]

    def deploy(self):
        self.v2.create_stage(ApiId=self.id, StageName="test")
        self.v2.create_deployment(ApiId=self.id, StageName="test")

    def connect(self, query="", **options):
        url = f"ws://127.0.0.1:{self.server.port}/_outcrop/execute-api/{self.id}/test{query}"
        return connect(url, open_timeout=10, close_timeout=2, **options)

    def management(self):
        return boto3.client(
            "apigatewaymanagementapi",
            endpoint_url=f"http://127.0.0.1:{self.server.port}/_outcrop/execute-api/{self.id}/test",
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"max_attempts": 1}),
        )


@pytest.fixture
def chat(server):
    return Chat(server)


def fine(event):
    return {"statusCode": 200}


def echo(event):
    return {"statusCode": 200, "body": f"{event['requestContext']['routeKey']}: {event['body']}"}


def test_messages_take_their_routes(chat):
    assert chat.endpoint.startswith("ws://")
    chat.route("$connect", fine)
    chat.route("$disconnect", fine)
    chat.route("$default", echo, two_way=True)
    chat.route("say", echo, two_way=True)
    chat.route("silent", echo)
    chat.deploy()
    with chat.connect("?room=1", additional_headers={"X-Mine": "m"}) as socket:
        socket.send('{"action": "say"}')
        assert socket.recv(5) == 'say: {"action": "say"}'
        for text in ('{"action": "other"}', "not json", '{"action": "$connect"}', "[1]", ""):
            socket.send(text)
            assert socket.recv(5) == f"$default: {text}"
        socket.send('{"action": "silent"}')
        socket.send(b"\x00\x01")
        assert socket.recv(5) == "$default: AAE="
    events = chat.server.stack.lambda_.events
    opened, said = events[0], events[1]
    assert opened["headers"]["x-mine"] == "m"
    assert opened["queryStringParameters"] == {"room": "1"}
    assert opened["requestContext"]["eventType"] == "CONNECT"
    assert said["requestContext"]["eventType"] == "MESSAGE"
    assert said["requestContext"]["connectionId"] == opened["requestContext"]["connectionId"]
    assert said["requestContext"]["stage"] == "test"
    assert "headers" not in said
    wait_for(lambda: events[-1]["requestContext"]["eventType"] == "DISCONNECT")
    assert events[-1]["requestContext"]["disconnectStatusCode"] == 1000


def wait_for(condition):
    import time

    for _ in range(200):
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError("it didn't come about")


def test_without_a_route_it_says_forbidden(chat):
    chat.route("say", echo)
    chat.deploy()
    with chat.connect() as socket:
        socket.send("{}")
        answer = json.loads(socket.recv(5))
    assert answer["message"] == "Forbidden"
    assert answer["connectionId"]


def test_functions_that_fail_are_told(chat):
    def fail(event):
        raise ValueError("no")

    chat.route("$default", fail)
    chat.deploy()
    with chat.connect() as socket:
        for _ in range(2):
            socket.send("{}")
            assert json.loads(socket.recv(5))["message"] == "Internal server error"


@pytest.mark.parametrize(("answer", "status"), [({"statusCode": 403}, 403), ({"statusCode": "x"}, 502), (None, 502)])
def test_connect_may_refuse(chat, answer, status):
    def decide(event):
        if answer is None:
            raise ValueError("no")
        return answer

    chat.route("$connect", decide)
    chat.deploy()
    with pytest.raises(InvalidStatus) as caught:
        chat.connect()
    assert caught.value.response.status_code == status


def test_a_stage_that_is_not_there(chat):
    with pytest.raises(InvalidStatus) as caught:
        chat.connect()
    assert caught.value.response.status_code == 403


def test_an_authorizer_decides_at_connect(chat):
    def guard(event):
        effect = "Allow" if event["queryStringParameters"]["token"] == "good" else "Deny"
        statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": event["methodArn"]}
        return {"principalId": "ann", "policyDocument": {"Statement": [statement]}, "context": {"level": 3}}

    arn = chat.server.stack.lambda_.add(guard, "guard")
    made = chat.v2.create_authorizer(
        ApiId=chat.id,
        Name="guard",
        AuthorizerType="REQUEST",
        AuthorizerUri=f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{arn}/invocations",
        IdentitySource=["route.request.querystring.token"],
    )
    chat.route("$connect", fine, AuthorizationType="CUSTOM", AuthorizerId=made["AuthorizerId"])
    chat.route("$default", echo)
    chat.deploy()
    for query, status in (("", 401), ("?token=bad", 403)):
        with pytest.raises(InvalidStatus) as caught:
            chat.connect(query)
        assert caught.value.response.status_code == status
    with chat.connect("?token=good") as socket:
        socket.send("{}")
        wait_for(lambda: chat.server.stack.lambda_.events[-1].get("body") == "{}")
    seen = chat.server.stack.lambda_.events
    message = next(event for event in seen if event.get("body") == "{}")
    assert message["requestContext"]["authorizer"] == {"level": 3, "principalId": "ann"}


def test_a_subprotocol_is_chosen_by_connect(chat):
    chat.route("$connect", lambda event: {"statusCode": 200, "headers": {"Sec-WebSocket-Protocol": "b"}})
    chat.deploy()
    with chat.connect(subprotocols=["a", "b"]) as socket:
        assert socket.subprotocol == "b"


def test_a_mock_answers_its_template(chat):
    integration = chat.route("ping", two_way=True)
    chat.v2.create_integration_response(
        ApiId=chat.id,
        IntegrationId=integration,
        IntegrationResponseKey="$default",
        ResponseTemplates={"200": '{"pong": true}'},
    )
    chat.deploy()
    with chat.connect() as socket:
        socket.send('{"action": "ping"}')
        assert json.loads(socket.recv(5)) == {"pong": True}


def test_the_other_side_posts_looks_and_hangs_up(chat):
    chat.route("who", lambda event: {"statusCode": 200, "body": event["requestContext"]["connectionId"]}, two_way=True)
    chat.deploy()
    management = chat.management()
    with chat.connect() as socket:
        socket.send('{"action": "who"}')
        connection = socket.recv(5)
        management.post_to_connection(ConnectionId=connection, Data=b"hello")
        assert socket.recv(5) == "hello"
        found = management.get_connection(ConnectionId=connection)
        assert found["Identity"]["SourceIp"] == "127.0.0.1"
        assert found["LastActiveAt"] >= found["ConnectedAt"]
        with pytest.raises(ClientError) as caught:
            management.post_to_connection(ConnectionId=connection, Data=b"x" * (128 * 1024 + 1))
        assert caught.value.response["Error"]["Code"] == "PayloadTooLargeException"
        management.delete_connection(ConnectionId=connection)
        with pytest.raises(ConnectionClosed):
            socket.recv(5)
    for call in (management.get_connection, management.delete_connection):
        with pytest.raises(ClientError) as caught:
            call(ConnectionId=connection)
        assert caught.value.response["Error"]["Code"] == "GoneException"
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 410
    status, _, body = chat.server.http("GET", "127.0.0.1", f"/_outcrop/execute-api/{chat.id}/test/@connections/x")
    assert (status, json.loads(body)) == (403, {"message": "Missing Authentication Token"})


def test_too_long_a_message_ends_the_connection(chat):
    chat.route("$default", echo)
    chat.deploy()
    with chat.connect() as socket:
        socket.send("x" * (128 * 1024 + 1))
        with pytest.raises(ConnectionClosed) as caught:
            socket.recv(5)
    assert caught.value.rcvd.code == 1009


def test_websocket_apis_that_cannot_be(chat):
    v2 = chat.v2
    route = {"ApiId": chat.id}
    for call, request in (
        (v2.create_api, {"Name": "a", "ProtocolType": "WEBSOCKET"}),
        (v2.create_api, {"Name": "a", "ProtocolType": "WEBSOCKET", "RouteSelectionExpression": "$request.method"}),
        (v2.create_route, {**route, "RouteKey": "$other"}),
        (v2.create_route, {**route, "RouteKey": "a", "AuthorizationType": "AWS_IAM"}),
        (v2.create_integration, {**route, "IntegrationType": "AWS_PROXY", "IntegrationUri": "x"}),
        (v2.create_integration, {**route, "IntegrationType": "AWS", "IntegrationUri": "x"}),
        (v2.create_authorizer, {**route, "Name": "a", "AuthorizerType": "JWT", "IdentitySource": ["x"]}),
    ):
        with pytest.raises(ClientError) as caught:
            call(**request)
        assert caught.value.response["Error"]["Code"] == "BadRequestException"

"""Measure a stack, and others beside it:  python -m benchmarks [NAME ...] [--against ministack] [--against moto]

Each row is the median of its runs. `make bench` measures Outcrop alone; install the extra `bench` for the others.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import http.client
import io
import json
import statistics
import time
import urllib.request
import uuid
import zipfile
from typing import ClassVar
from urllib.parse import urlsplit

from benchmarks.targets import TARGETS

ROLE = "arn:aws:iam::000000000000:role/bench"
CASES = {}


def case(function):
    CASES[function.__name__] = function
    return function


def median_ms(call, runs, warm=5):
    for _ in range(warm):
        call()
    times = []
    for _ in range(runs):
        began = time.perf_counter()
        call()
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


@case
def start(target):
    """Ready after (ms), five starts"""
    times = [target.ready_seconds]
    for _ in range(4):
        target.stop()
        times.append(target.start().ready_seconds)
    return statistics.median(times) * 1000


@case
def idle_memory(target):
    """Memory after start (MB)"""
    time.sleep(1)
    return target.memory_mb()


def _bucket(target):
    s3, name = target.client("s3"), f"bench-{uuid.uuid4().hex[:8]}"
    s3.create_bucket(Bucket=name)
    return s3, name


@case
def put_1kb(target):
    """S3 put of 1 KB (ms)"""
    s3, bucket = _bucket(target)
    keys = iter(range(10**6))
    return median_ms(lambda: s3.put_object(Bucket=bucket, Key=f"k{next(keys)}", Body=b"x" * 1024), 300)


@case
def get_1kb(target):
    """S3 get of 1 KB (ms)"""
    s3, bucket = _bucket(target)
    s3.put_object(Bucket=bucket, Key="k", Body=b"x" * 1024)
    return median_ms(lambda: s3.get_object(Bucket=bucket, Key="k")["Body"].read(), 300)


@case
def put_8mb(target):
    """S3 put of 8 MB (ms)"""
    s3, bucket = _bucket(target)
    body = b"x" * (8 << 20)
    return median_ms(lambda: s3.put_object(Bucket=bucket, Key="k", Body=body), 20, warm=2)


@case
def get_8mb(target):
    """S3 get of 8 MB (ms)"""
    s3, bucket = _bucket(target)
    s3.put_object(Bucket=bucket, Key="k", Body=b"x" * (8 << 20))
    return median_ms(lambda: s3.get_object(Bucket=bucket, Key="k")["Body"].read(), 20, warm=2)


def _function(target):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("f.py", "def handler(event, context):\n    return {'statusCode': 200, 'body': 'ok'}\n")
    functions, name = target.client("lambda"), f"f{uuid.uuid4().hex[:8]}"
    arn = functions.create_function(
        FunctionName=name,
        Runtime="python3.11",
        Role=ROLE,
        Handler="f.handler",
        Code={"ZipFile": buffer.getvalue()},
        Timeout=30,
    )["FunctionArn"]
    functions.get_waiter("function_active_v2").wait(FunctionName=name)
    return functions, name, arn


@case
def warm_invoke(target):
    """Lambda, warm invoke (ms)"""
    functions, name, _ = _function(target)
    return median_ms(lambda: functions.invoke(FunctionName=name, Payload=b"{}")["Payload"].read(), 200)


def _invoker(target, name):
    """Invokes over one connection that stays open, unsigned: what is measured is the server, not the SDK."""
    address = urlsplit(target.url)
    connection = http.client.HTTPConnection(address.hostname, address.port)

    def invoke():
        connection.request("POST", f"/2015-03-31/functions/{name}/invocations", b"{}")
        response = connection.getresponse()
        response.read()
        assert response.status == 200

    return invoke


@case
def warm_invoke_at_server(target):
    """Lambda, warm invoke without the SDK (ms)"""
    return median_ms(_invoker(target, _function(target)[1]), 500, warm=20)


@case
def sixteen_clients(target):
    """Lambda, 16 clients at once (invocations a second)"""
    name, each = _function(target)[1], 100
    invokers = [_invoker(target, name) for _ in range(16)]
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda invoke: invoke(), invokers))
        began = time.perf_counter()
        list(pool.map(lambda invoke: [invoke() for _ in range(each)], invokers))
        return len(invokers) * each / (time.perf_counter() - began)


@case
def idle_functions(target):
    """Memory that 200 functions at rest cost, each created and never invoked (MB)"""
    _function(target)
    before = target.memory_mb()
    for _ in range(200):
        _function(target)
    return target.memory_mb() - before


@case
def cold_invoke(target):
    """Lambda, cold invoke (ms)"""
    times = []
    for _ in range(5):
        functions, name, _ = _function(target)
        began = time.perf_counter()
        functions.invoke(FunctionName=name, Payload=b"{}")["Payload"].read()
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


@case
def api_to_lambda(target):
    """HTTP API → Lambda (ms)"""
    functions, name, arn = _function(target)
    gateway = target.client("apigatewayv2")
    api = gateway.create_api(Name="bench", ProtocolType="HTTP")["ApiId"]
    integration = gateway.create_integration(
        ApiId=api, IntegrationType="AWS_PROXY", IntegrationUri=arn, PayloadFormatVersion="2.0"
    )["IntegrationId"]
    gateway.create_route(ApiId=api, RouteKey="GET /x", Target=f"integrations/{integration}")
    gateway.create_stage(ApiId=api, StageName="$default", AutoDeploy=True)
    functions.add_permission(
        FunctionName=name, StatementId="api", Action="lambda:InvokeFunction", Principal="apigateway.amazonaws.com"
    )
    port = target.url.rsplit(":", 1)[1]
    request = urllib.request.Request(f"{target.url}/x", headers={"Host": f"{api}.execute-api.localhost:{port}"})

    def call():
        with urllib.request.urlopen(request, timeout=30) as response:
            assert response.read() == b"ok"

    return median_ms(call, 200)


class _Corpus:
    """A knowledge base of synthetic text files; only Outcrop answers these cases."""

    made: ClassVar[dict] = {}

    @classmethod
    def of(cls, target, documents=200):
        if target.url in cls.made:
            return cls.made[target.url]
        s3, bucket = _bucket(target)
        for number in range(documents):
            facts = " ".join(
                f"Station {number} records {measure} of {number * 7 + i} units in sector {i}."
                for i, measure in enumerate(("rain", "wind", "heat", "light", "dust", "sound") * 4)
            )
            s3.put_object(Bucket=bucket, Key=f"{number}.md", Body=f"# Station {number}\n\n{facts}\n")
        agent = target.client("bedrock-agent")
        kb = agent.create_knowledge_base(
            name=f"bench-{uuid.uuid4().hex[:6]}",
            roleArn=ROLE,
            knowledgeBaseConfiguration={
                "type": "VECTOR",
                "vectorKnowledgeBaseConfiguration": {
                    "embeddingModelArn": "arn:aws:bedrock:us-east-1::foundation-model/amazon.titan-embed-text-v2:0"
                },
            },
        )["knowledgeBase"]["knowledgeBaseId"]
        source = agent.create_data_source(
            knowledgeBaseId=kb,
            name="s",
            dataSourceConfiguration={"type": "S3", "s3Configuration": {"bucketArn": f"arn:aws:s3:::{bucket}"}},
        )["dataSource"]["dataSourceId"]
        began = time.perf_counter()
        job = agent.start_ingestion_job(knowledgeBaseId=kb, dataSourceId=source)["ingestionJob"]
        while job["status"] in ("STARTING", "IN_PROGRESS"):
            time.sleep(0.05)
            job = agent.get_ingestion_job(
                knowledgeBaseId=kb, dataSourceId=source, ingestionJobId=job["ingestionJobId"]
            )["ingestionJob"]
        assert job["statistics"]["numberOfNewDocumentsIndexed"] == documents, job
        cls.made[target.url] = (kb, documents / (time.perf_counter() - began))
        return cls.made[target.url]


@case
def ingestion(target):
    """Ingestion (documents of about 300 tokens a second)"""
    return _Corpus.of(target)[1]


@case
def retrieve(target):
    """Retrieve (ms)"""
    kb, _ = _Corpus.of(target)
    runtime = target.client("bedrock-agent-runtime")
    numbers = iter(range(10**6))
    return median_ms(
        lambda: runtime.retrieve(
            knowledgeBaseId=kb, retrievalQuery={"text": f"How much rain does station {next(numbers) % 200} record?"}
        ),
        100,
    )


@case
def retrieve_and_generate(target):
    """RetrieveAndGenerate (ms)"""
    kb, _ = _Corpus.of(target)
    runtime = target.client("bedrock-agent-runtime")
    numbers = iter(range(10**6))
    return median_ms(
        lambda: runtime.retrieve_and_generate(
            input={"text": f"How much rain does station {next(numbers) % 200} record?"},
            retrieveAndGenerateConfiguration={
                "type": "KNOWLEDGE_BASE",
                "knowledgeBaseConfiguration": {
                    "knowledgeBaseId": kb,
                    "modelArn": "anthropic.claude-3-haiku-20240307-v1:0",
                },
            },
        ),
        50,
    )


OURS_ALONE = {"ingestion", "retrieve", "retrieve_and_generate"}
"""What the others answer with canned text or not at all."""


def main():
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(CASES))
    parser.add_argument(
        "--against", action="append", default=[], choices=[name for name in TARGETS if name != "outcrop"]
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    names = options.names or list(CASES)
    figures = {}
    for target_name in ["outcrop", *options.against]:
        target = TARGETS[target_name]().start()
        try:
            for name in names:
                if target_name != "outcrop" and name in OURS_ALONE:
                    continue
                try:
                    figures.setdefault(name, {})[target_name] = CASES[name](target)
                except Exception as error:
                    print(f"{target_name}: {name} failed: {type(error).__name__}: {str(error)[:120]}")
        finally:
            target.stop()
    if options.json:
        print(json.dumps(figures, indent=2))
        return
    columns = ["outcrop", *options.against]
    print(f"{'':<56}" + "".join(f"{column:>12}" for column in columns))
    for name, row in figures.items():
        cells = "".join(f"{row[column]:>12.1f}" if column in row else f"{'-':>12}" for column in columns)
        print(f"{CASES[name].__doc__:<56}{cells}")


if __name__ == "__main__":
    main()

"""From PDFs to a cited answer over HTTP, step by step, with nothing but boto3.

    AWS_ENDPOINT_URL=http://localhost:4566 python examples/walkthrough.py FOLDER_WITH_PDFS [QUESTION ...]

It is the same on AWS, where the endpoint is left out and the role's trust takes a few seconds to spread.
"""

import io
import json
import socket
import sys
import textwrap
import time
import urllib.error
import urllib.request
import zipfile
from pathlib import Path
from urllib.parse import urlsplit

import boto3

HERE = Path(__file__).parent
MODEL = "anthropic.claude-3-haiku-20240307-v1:0"
EMBEDDING_MODEL = "amazon.titan-embed-text-v2:0"
READABLE = (".pdf", ".md", ".txt", ".html")
QUESTIONS = (
    "What is retrieval-augmented generation?",
    "How does a knowledge base cut documents into chunks?",
    "Why is the first call of a Lambda function slower?",
    "What is the capital of Australia?",
)


def step(number, text):
    print(f"\n{number}. {text}", flush=True)


def main(folder, questions):
    run = time.strftime("%H%M%S")
    region = boto3.session.Session().region_name or "us-east-1"
    account = boto3.client("sts").get_caller_identity()["Account"]

    step(1, "A bucket, and the documents in it")
    s3 = boto3.client("s3")
    bucket = f"course-{account}-{run}"
    s3.create_bucket(Bucket=bucket)
    files = sorted(path for path in Path(folder).rglob("*") if path.suffix.lower() in READABLE)
    if not files:
        sys.exit(f"No documents ({', '.join(READABLE)}) in {folder}.")
    for path in files:
        s3.upload_file(str(path), bucket, path.relative_to(folder).as_posix())
        print(f"   s3://{bucket}/{path.relative_to(folder).as_posix()}  ({path.stat().st_size / 1024:,.0f} KB)")

    step(2, "A role for the knowledge base and the function")
    iam = boto3.client("iam")
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": ["bedrock.amazonaws.com", "lambda.amazonaws.com"]},
                "Action": "sts:AssumeRole",
            }
        ],
    }
    role = iam.create_role(RoleName=f"course-{run}", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    allow = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": ["bedrock:*", "s3:*", "s3vectors:*", "logs:*"], "Resource": "*"}],
    }
    iam.put_role_policy(RoleName=f"course-{run}", PolicyName="course", PolicyDocument=json.dumps(allow))
    print(f"   {role}")

    step(3, "A knowledge base over the bucket")
    agent = boto3.client("bedrock-agent")
    knowledge_base = agent.create_knowledge_base(
        name=f"course-{run}",
        roleArn=role,
        knowledgeBaseConfiguration={
            "type": "VECTOR",
            "vectorKnowledgeBaseConfiguration": {
                "embeddingModelArn": f"arn:aws:bedrock:{region}::foundation-model/{EMBEDDING_MODEL}"
            },
        },
        storageConfiguration={
            "type": "S3_VECTORS",
            "s3VectorsConfiguration": {
                "indexArn": f"arn:aws:s3vectors:{region}:{account}:bucket/course-{run}/index/course"
            },
        },
    )["knowledgeBase"]["knowledgeBaseId"]
    while agent.get_knowledge_base(knowledgeBaseId=knowledge_base)["knowledgeBase"]["status"] == "CREATING":
        time.sleep(1)
    source = agent.create_data_source(
        knowledgeBaseId=knowledge_base,
        name="documents",
        dataSourceConfiguration={"type": "S3", "s3Configuration": {"bucketArn": f"arn:aws:s3:::{bucket}"}},
    )["dataSource"]["dataSourceId"]
    print(f"   knowledge base {knowledge_base}, data source {source}")

    step(4, "Ingestion: every page is parsed, cut into chunks, embedded and indexed")
    ingest(agent, knowledge_base, source, len(files))

    step(5, "A Lambda function that asks the knowledge base")
    function = boto3.client("lambda")
    arn = function.create_function(
        FunctionName=f"ask-{run}",
        Runtime=f"python3.{sys.version_info.minor}",
        Role=role,
        Handler="ask.handler",
        Timeout=60,
        MemorySize=256,
        Environment={
            "Variables": {
                "KNOWLEDGE_BASE_ID": knowledge_base,
                "MODEL_ARN": f"arn:aws:bedrock:{region}::foundation-model/{MODEL}",
            }
        },
        Code={"ZipFile": package(HERE / "ask.py")},
    )["FunctionArn"]
    function.get_waiter("function_active_v2").wait(FunctionName=f"ask-{run}")
    print(f"   {arn}")

    step(6, "An HTTP API in front of it")
    gateway = boto3.client("apigatewayv2")
    api = gateway.create_api(Name=f"course-{run}", ProtocolType="HTTP")
    integration = gateway.create_integration(
        ApiId=api["ApiId"], IntegrationType="AWS_PROXY", IntegrationUri=arn, PayloadFormatVersion="2.0"
    )["IntegrationId"]
    gateway.create_route(ApiId=api["ApiId"], RouteKey="POST /ask", Target=f"integrations/{integration}")
    gateway.create_stage(ApiId=api["ApiId"], StageName="$default", AutoDeploy=True)
    function.add_permission(
        FunctionName=f"ask-{run}",
        StatementId="api",
        Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com",
        SourceArn=f"arn:aws:execute-api:{region}:{account}:{api['ApiId']}/*/*/ask",
    )
    url = address(api, gateway.meta.endpoint_url) + "/ask"
    print(f"   POST {url}")

    step(7, "Questions over HTTP")
    for question in questions:
        ask(url, question)
    body = json.dumps({"question": questions[0]})
    print(f"\nWhile this stack runs, ask it yourself:\n   curl -s '{url}' -d '{body}'")


def ingest(agent, knowledge_base, source, total):
    """Start an ingestion job, draw its progress, and say how it ended."""
    began = time.monotonic()
    job = agent.start_ingestion_job(knowledgeBaseId=knowledge_base, dataSourceId=source)["ingestionJob"]
    while True:
        job = agent.get_ingestion_job(
            knowledgeBaseId=knowledge_base, dataSourceId=source, ingestionJobId=job["ingestionJobId"]
        )["ingestionJob"]
        statistics = job["statistics"]
        indexed, failed = statistics["numberOfNewDocumentsIndexed"], statistics["numberOfDocumentsFailed"]
        bar = "#" * (30 * (indexed + failed) // total)
        end = "\r" if sys.stdout.isatty() else "\n"
        if sys.stdout.isatty() or job["status"] not in ("STARTING", "IN_PROGRESS"):
            print(f"   [{bar:<30}] {indexed + failed} of {total} documents  {job['status']:<12}", end=end, flush=True)
        if job["status"] not in ("STARTING", "IN_PROGRESS"):
            break
        time.sleep(0.3)
    print(f"   {indexed} indexed, {failed} failed, in {time.monotonic() - began:.1f} s".ljust(80))
    for reason in job.get("failureReasons", ()):
        print(f"   {reason}")
    if job["status"] != "COMPLETE":
        sys.exit(f"The ingestion job ended as {job['status']}.")


def package(path):
    """A deployment package with one file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(path, path.name)
    return buffer.getvalue()


def address(api, endpoint):
    """The API's address, or on a machine where names under localhost don't resolve, its form as a path."""
    try:
        socket.getaddrinfo(urlsplit(api["ApiEndpoint"]).hostname, None)
        return api["ApiEndpoint"]
    except socket.gaierror:
        return f"{endpoint}/_outcrop/execute-api/{api['ApiId']}/$default"


def ask(url, question):
    """Ask over HTTP and print the answer with the document and page of each part."""
    request = urllib.request.Request(
        url, json.dumps({"question": question}).encode(), {"content-type": "application/json"}
    )
    try:
        began = time.monotonic()
        with urllib.request.urlopen(request, timeout=60) as response:
            reply = json.load(response)
    except urllib.error.HTTPError as error:
        print(f"\n   Q: {question}\n   {error.code} {error.reason}: {error.read().decode(errors='replace')}")
        return
    print(f"\n   Q: {question}   ({(time.monotonic() - began) * 1000:.0f} ms)")
    sources = {}
    for number, citation in enumerate(reply["citations"]):
        marks = ""
        for found in citation["sources"][:1]:
            name = found["document"].split("/", 3)[-1]
            place = name if found["page"] is None else f"{name}, page {found['page']:.0f}"
            marks += f" [{sources.setdefault(place, len(sources) + 1)}]"
        print(
            textwrap.fill(
                citation["text"] + marks,
                100,
                initial_indent="      " if number else "   A: ",
                subsequent_indent="      ",
            )
        )
    for place, number in sources.items():
        print(f"      [{number}] {place}")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2:] or QUESTIONS)

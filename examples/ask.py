"""The Lambda function of the walkthrough: a question in, a cited answer out. It runs on AWS unchanged."""

import base64
import json
import os

import boto3

runtime = boto3.client("bedrock-agent-runtime")


def handler(event, context):
    body = event.get("body") or "{}"
    if event.get("isBase64Encoded"):  # so HTTP APIs hand over what isn't declared as text or JSON
        body = base64.b64decode(body)
    try:
        question = json.loads(body)["question"]
    except (ValueError, KeyError, TypeError):
        return {"statusCode": 400, "body": json.dumps({"error": 'Send JSON such as {"question": "What is RAG?"}'})}

    answer = runtime.retrieve_and_generate(
        input={"text": question},
        retrieveAndGenerateConfiguration={
            "type": "KNOWLEDGE_BASE",
            "knowledgeBaseConfiguration": {
                "knowledgeBaseId": os.environ["KNOWLEDGE_BASE_ID"],
                "modelArn": os.environ["MODEL_ARN"],
            },
        },
    )
    citations = [
        {
            "text": citation["generatedResponsePart"]["textResponsePart"]["text"],
            "sources": [
                {
                    "document": reference["location"]["s3Location"]["uri"],
                    "page": reference["metadata"].get("x-amz-bedrock-kb-document-page-number"),
                }
                for reference in citation["retrievedReferences"]
            ],
        }
        for citation in answer["citations"]
    ]
    reply = {"answer": answer["output"]["text"], "citations": citations, "sessionId": answer["sessionId"]}
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": json.dumps(reply)}

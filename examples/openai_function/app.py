"""A Lambda function that asks OpenAI, or any endpoint that speaks its protocol. It runs on AWS unchanged.

Its environment: OPENAI_API_KEY, and if you like OPENAI_BASE_URL (https://api.openai.com/v1) and OPENAI_MODEL.
Its event: {"question": "..."}, or what an HTTP API or a function URL makes of a request with that body.
"""

import base64
import json
import os
import urllib.error
import urllib.request

BASE_URL = os.environ.get("OPENAI_BASE_URL", "https://api.openai.com/v1").rstrip("/")
MODEL = os.environ.get("OPENAI_MODEL", "gpt-4o-mini")


def handler(event, context):
    try:
        question = _question(event)
    except (KeyError, TypeError, ValueError):
        return _answer(400, error='Send JSON such as {"question": "What is a Lambda function?"}')
    seconds_left = context.get_remaining_time_in_millis() / 1000
    try:
        completion = _ask(question, timeout=max(1.0, seconds_left - 1))
    except urllib.error.HTTPError as error:
        print(f"the endpoint answered {error.code}: {error.read()[:500]!r}")
        return _answer(502, error=f"The model's endpoint answered {error.code}.")
    except OSError as error:
        print(f"the endpoint can't be reached: {error}")
        return _answer(504, error="The model's endpoint can't be reached.")
    return _answer(200, answer=completion["choices"][0]["message"]["content"], tokens=completion.get("usage"))


def _question(event):
    if "body" in event:
        body = event["body"] or "{}"
        event = json.loads(base64.b64decode(body) if event.get("isBase64Encoded") else body)
    return event["question"]


def _ask(question, timeout):
    messages = [
        {"role": "system", "content": "You help students. Answer in at most three sentences."},
        {"role": "user", "content": question},
    ]
    request = urllib.request.Request(
        f"{BASE_URL}/chat/completions",
        json.dumps({"model": MODEL, "messages": messages}).encode(),
        {"Content-Type": "application/json", "Authorization": f"Bearer {os.environ['OPENAI_API_KEY']}"},
    )
    with urllib.request.urlopen(request, timeout=timeout) as response:
        return json.load(response)


def _answer(status, **body):
    return {"statusCode": status, "headers": {"Content-Type": "application/json"}, "body": json.dumps(body)}

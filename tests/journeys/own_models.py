"""What the journeys of custom models, imports and batches share."""

import json
import time

ROLE = "arn:aws:iam::000000000000:role/trainer"


def lines(*records):
    return "\n".join(record if isinstance(record, str) else json.dumps(record) for record in records).encode()


def until(look, *states, seconds=120):
    deadline = time.monotonic() + seconds
    while (found := look())["status"] not in states:
        assert time.monotonic() < deadline, f"still {found['status']}"
        time.sleep(0.1)
    return found


def ask(runtime, model, text):
    messages = [{"role": "user", "content": [{"text": text}]}]
    answer = runtime.converse(modelId=model, messages=messages, inferenceConfig={"maxTokens": 20, "temperature": 0})
    return answer["output"]["message"]["content"][0]["text"] if answer["output"]["message"]["content"] else ""

"""Secrets stay out of logs."""

from tests.services.lambda_.conftest import Opened

from outcrop.services.lambda_.watch import secret_values

PRINT = "import os\ndef handler(event, context):\n    print(os.environ['OPENAI_API_KEY'], os.environ['BOOK'])"
VARIABLES = {"OPENAI_API_KEY": "sk-0123456789", "BOOK": "0123456789"}


def test_secret_values_are_told_by_the_names_of_their_variables():
    given = {
        "OPENAI_API_KEY": "first-secret",
        "db_password": "second-secret",
        "TOKEN": "third-and-longest-secret",
        "SHORT_KEY": "abc",
        "MONKEY": "bananas-are-fine",
        "TOKENIZER": "all-MiniLM-L6-v2",
        "KEYBOARD": "qwertyuiop",
    }
    assert secret_values(given) == ("third-and-longest-secret", "second-secret", "first-secret")


async def test_a_log_shows_the_beginning_of_a_secret(call):
    await call.create(PRINT, Environment={"Variables": VARIABLES})
    tail = await call.tail()
    assert "sk-*** 0123456789" in tail
    assert "sk-0123456789" not in tail
    (line,) = [text for text in await call.messages("/aws/lambda/f") if "***" in text]
    assert line == "sk-*** 0123456789\n"
    assert (await call("get_function_configuration", FunctionName="f"))["Environment"]["Variables"] == VARIABLES


async def test_strict_shows_what_the_function_prints(tmp_path, cache):
    stack = Opened(tmp_path, cache, strict=True)
    call = await stack.open()
    trust = (
        '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",'
        ' "Principal": {"Service": "lambda.amazonaws.com"}}]}'
    )
    await call("create_role", service="iam", RoleName="course", AssumeRolePolicyDocument=trust)
    await call.create(PRINT, Environment={"Variables": VARIABLES})
    assert "sk-0123456789" in await call.tail()
    await stack.close()

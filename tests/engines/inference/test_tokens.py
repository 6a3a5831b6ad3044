from outcrop.engines.inference.engine import Document, EngineDown, Generation, Message, Text, Tool
from outcrop.engines.inference.tokens import Tokenizer, Tokens, by_rule


async def test_count_by_rule():
    tokens = Tokens(by_rule, exact=False)
    assert await tokens.count("Retrieval, augmented!") == 2 + 1 + 2 + 1
    assert await tokens.count("") == 0


async def test_prompt_counts_every_text():
    tokens = Tokens(by_rule, exact=False)
    plain = Generation("m", (Message("user", (Text("one two"),)),))
    assert await tokens.prompt(plain) == 2 + 4
    messages = (Message("user", (Text("one two"), Document("d", "txt", b"three"))),)
    full = Generation("m", messages, system="four", tools=(Tool("t", "", {}),))
    assert await tokens.prompt(full) == 2 + (1 + 1) + 1 + 3 + 4


def test_cut_ends_after_a_token():
    assert Tokens(by_rule, exact=False).cut("one two three", 2) == "one two"
    assert Tokens(by_rule, exact=False).cut("one", 5) == "one"


async def test_tokens_fall_back_to_the_rule_and_say_so_once(caplog):
    async def missing():
        raise EngineDown("the weights are missing")

    tokenizer = Tokenizer(missing)
    assert not (await tokenizer.tokens()).exact
    assert not (await tokenizer.tokens()).exact
    assert [record.message for record in caplog.records] == ["token counts are approximate: the weights are missing"]

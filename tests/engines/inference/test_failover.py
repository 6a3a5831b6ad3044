import pytest

from outcrop.engines.inference.engine import EngineDown, EngineUnsupported, Finish, TextDelta
from outcrop.engines.inference.failover import Failover


class Engine:
    extractive = False

    def __init__(self, name, failure=None, at=0, opens=True):
        self.name, self.failure, self.at, self.opens = name, failure, at, opens
        self.closed = False

    async def open(self):
        if not self.opens:
            raise EngineDown(f"{self.name} has no weights")

    async def aclose(self):
        self.closed = True

    async def generate(self, generation):
        for at, event in enumerate([TextDelta(self.name), Finish("end_turn", 1, 1)]):
            if self.failure and at == self.at:
                raise self.failure
            yield event

    async def count(self, generation):
        if self.failure:
            raise self.failure
        return len(self.name)


async def test_the_first_that_answers_is_used(ask, answer_of):
    engine = Failover([Engine("a", EngineDown("no a")), Engine("bb")])
    await engine.open()
    assert engine.name == "a"
    assert (await answer_of(engine, ask("?")))[0] == "bb"
    assert engine.name == "bb"
    assert await engine.count(ask("?")) == 2


async def test_an_answer_that_breaks_off_is_not_begun_again(ask, answer_of):
    engine = Failover([Engine("a", EngineDown("broken"), at=1), Engine("b")])
    await engine.open()
    with pytest.raises(EngineDown, match="broken"):
        await answer_of(engine, ask("?"))


async def test_the_preferred_failure_is_told(ask, answer_of):
    engine = Failover([Engine("a", EngineUnsupported("no tools")), Engine("b", EngineDown("b is down"))])
    await engine.open()
    with pytest.raises(EngineDown, match="b is down"):
        await answer_of(engine, ask("?"))
    engine = Failover([Engine("a", EngineDown("a is down")), Engine("b", EngineUnsupported("no tools"))])
    await engine.open()
    with pytest.raises(EngineDown, match="a is down"):
        await engine.count(ask("?"))


async def test_engines_that_do_not_open_are_left_out(ask, answer_of):
    first, second = Engine("a", opens=False), Engine("b")
    engine = Failover([first, second])
    await engine.open()
    assert (await answer_of(engine, ask("?")))[0] == "b"
    await engine.aclose()
    assert second.closed
    with pytest.raises(EngineDown, match="a has no weights"):
        await Failover([Engine("a", opens=False)]).open()

from tests.engines.inference.conftest import answer_of_fixture, ask_fixture  # noqa: F401

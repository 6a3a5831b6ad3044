import pytest

from outcrop.services.bedrock.customization.hyperparameters import learning_rate, read
from outcrop.services.contract import ValidationException

TITAN = "amazon.titan-text-express-v1:0:8k"
CLAUDE = "anthropic.claude-3-haiku-20240307-v1:0:200k"


def test_defaults_are_filled_in():
    assert read(TITAN, {"epochCount": "2"}) == {
        "epochCount": "2",
        "batchSize": "1",
        "learningRate": "1e-05",
        "learningRateWarmupSteps": "5",
    }
    assert read("amazon.titan-text-premier-v1:0:32k", {})["learningRate"] == "1e-06"
    assert learning_rate(read(CLAUDE, {"learningRateMultiplier": "2"})) == pytest.approx(2e-5)
    assert learning_rate(read(TITAN, {"learningRate": "0.5"})) == 0.5


@pytest.mark.parametrize(
    ("base", "given", "said"),
    [
        (TITAN, {"epochCount": "11"}, "The value 11 of the hyperparameter epochCount is out of range.*from 1 to 10"),
        (TITAN, {"epochCount": "2.5"}, "'2.5' of the hyperparameter epochCount is not an integer"),
        (TITAN, {"learningRate": "fast"}, "'fast' of the hyperparameter learningRate is not a number"),
        (TITAN, {"learningRate": "nan"}, "out of range"),
        (TITAN, {"epochs": "1"}, "The hyperparameter epochs is not supported for amazon.titan-text-express-v1"),
        (CLAUDE, {"batchSize": "2"}, "from 4 to 256"),
        ("meta.llama3-1-8b-instruct-v1:0:128k", {"batchSize": "2"}, "from 1 to 1"),
    ],
)
def test_what_is_out_of_bounds_is_refused(base, given, said):
    with pytest.raises(ValidationException, match=said):
        read(base, given)

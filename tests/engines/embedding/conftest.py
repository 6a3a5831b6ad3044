"""The built-in model, pulled once into the user's own cache (as `outcrop up` would do), and texts to try it on."""

from __future__ import annotations

from pathlib import Path

import pytest

from outcrop.engines.embedding import weights
from outcrop.engines.embedding.minilm import NAME, MiniLM
from outcrop.settings import Settings

PASSAGES = {
    "How long may a Lambda function run?": "A function can run for up to fifteen minutes; after that it is stopped.",
    "Who invented the telephone?": "Alexander Graham Bell was awarded the first patent for the telephone in 1876.",
    "What does photosynthesis produce?": "Green plants turn light, water and carbon dioxide into sugar and oxygen.",
    "Why is the sky blue?": "Short wavelengths of sunlight are scattered more strongly by the air than long ones.",
    "How are documents found for a question?": "The question becomes a vector, and the nearest chunks are retrieved.",
    "What is the capital of Australia?": "Canberra, not Sydney, has been the seat of the government since 1927.",
    "How do I bake bread without yeast?": "Soda bread rises through baking soda reacting with the acid of buttermilk.",
    "When did the Berlin Wall fall?": "On the ninth of November 1989 the border through the city was opened.",
    "What is overfitting?": "A model that memorises its training data does badly on examples it has not seen before.",
    "How can I lower my electricity bill?": "Replacing old light bulbs with LEDs cuts the power that lighting uses.",
    "Is it healthy to drink coffee?": "Three or four cups a day are associated with a lower risk of heart disease.",
    "What does an API gateway do?": "It receives HTTP requests, checks them and forwards each to what is behind.",
    "How fast does light travel?": "In a vacuum light covers almost 300,000 kilometres every second.",
    "Which planet is the largest?": "Jupiter has more than twice the mass of all other planets together.",
    "How do vaccines work?": "They show the immune system a harmless part of a germ, which it recognises later.",
    "What is a closure in programming?": "An inner function keeps access to the variables of the scope that made it.",
    "Why do leaves change colour in autumn?": "When chlorophyll breaks down, yellow and red pigments show.",
    "How is the price of tokens calculated?": "You pay for input and output separately, per thousand tokens.",
    "What are the rules of offside?": "A football player may not receive the ball behind the last defender.",
    "How do I delete a bucket?": "All objects and versions have to be removed before the container itself can be.",
    "What causes earthquakes?": "Stress between tectonic plates is released suddenly along a fault.",
    "Who painted the Mona Lisa?": "Leonardo da Vinci worked on the portrait of Lisa Gherardini for years.",
    "What is inflation?": "A rise of the general level of prices lowers what money can buy.",
    "How do noise-cancelling headphones work?": "A microphone picks up sound, and the speaker plays its inverse.",
    "Can I get my money back?": "Purchases are refunded within thirty days if the goods come back unused.",
    "What language is spoken in Brazil?": "Portuguese came to South America with its colonists in 1500.",
    "How do I secure my account?": "Turn on a second factor, and never use one password for two services.",
    "How does a refrigerator cool?": "A fluid evaporates inside, taking up heat, and condenses outside, giving it off.",
}


@pytest.fixture(scope="session")
def passages():
    """Passages that answer questions, by question."""
    return PASSAGES


@pytest.fixture(scope="session")
def cache() -> Path:
    cache = Settings.read().cache
    weights.pull(NAME, cache, print)
    return cache


@pytest.fixture
async def minilm(cache):
    model = MiniLM(cache, threads=2)
    await model.open()
    yield model
    await model.aclose()


@pytest.fixture
async def exact(cache):
    model = MiniLM(cache, "fp32", threads=2)
    await model.open()
    yield model
    await model.aclose()

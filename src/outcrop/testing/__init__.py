"""What others may import: a stack in a process of its own, for tests and scripts, and a pytest fixture around it.

# conftest.py
pytest_plugins = ["outcrop.testing.fixtures"]

# test_mine.py
def test_mine(outcrop_stack):
    outcrop_stack.client("s3").create_bucket(Bucket="mine")
"""

from outcrop.testing.stack import StackProcess

__all__ = ["StackProcess"]

pytest_plugins = ["outcrop.testing.fixtures"]

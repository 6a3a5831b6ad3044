"""Model import jobs and the models that they bring in."""

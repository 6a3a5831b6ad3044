"""IAM and STS: who may call, with which keys."""

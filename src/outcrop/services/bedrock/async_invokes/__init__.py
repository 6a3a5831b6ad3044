"""StartAsyncInvoke: invocations that go on in the background and leave their answers in S3."""

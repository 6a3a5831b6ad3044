"""What Converse and InvokeModel share: an invocation run on its engine, streamed, counted."""

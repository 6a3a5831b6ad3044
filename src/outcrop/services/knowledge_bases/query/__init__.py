"""The query plane, `bedrock-agent-runtime`: from a question to passages, and from passages to an answer that cites."""

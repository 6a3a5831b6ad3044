"""What operators are told of invocations: metrics, the invocation log; and the limits that are put on them."""

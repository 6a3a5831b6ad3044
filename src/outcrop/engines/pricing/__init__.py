"""What the same work costs on AWS, from public list prices."""

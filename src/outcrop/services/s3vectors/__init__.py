"""S3 Vectors: vector buckets, their indexes, and the vectors in them."""

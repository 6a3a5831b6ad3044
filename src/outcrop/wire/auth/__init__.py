"""Who calls: signatures (SigV4 in headers, presigned URLs and chunked bodies; SigV2 for S3) and bearer keys.

claims        reads what a request says about its signer, without believing it
sigv4 sigv2   compute what the signature must be
chunked       decodes aws-chunked bodies, checking each chunk
errors        the refusals, in the words of each protocol
authenticate  puts them together: a request in, a caller out
"""

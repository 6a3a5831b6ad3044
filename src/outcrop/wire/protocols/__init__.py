"""The five protocols of AWS, generic over the models: parse and serialize side by side, one module each.

    json          rpc: one path, the operation in a header, JSON both ways      ┐
    cbor          rpc: the operation in the path, CBOR both ways                ├─ no HTTP binding
    query         rpc: a form in, XML out                                       ┘
    rest_json     rest + JSON bodies     ┐
    rest_xml      rest + XML bodies      ┴─ `rest` binds members to path, query, headers and status

    values        timestamps, numbers and blobs as text
    json_values   JSON against shapes: the bodies of json and rest_json, and events in streams
    xml           XML against shapes: rest_xml's bodies, query's answers
    eventstream   frames around events, for all of them

Each protocol module has a class with `parse`, `serialize` and `error`, and knows no service.
"""

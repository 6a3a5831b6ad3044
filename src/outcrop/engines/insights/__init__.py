"""A query language over log records: a pipeline of commands, compiled once and run over any number of records.

```python
query = compile_query("filter level = 'ERROR' | stats count(*) as errors by bin(5m) | sort errors desc")
table = query.run(Record("INFO ...", at=0) for ...)
```
"""

from outcrop.engines.insights.pipeline import Query, Table, compile_query
from outcrop.engines.insights.record import Record
from outcrop.engines.insights.scanner import InvalidQuery

__all__ = ["InvalidQuery", "Query", "Record", "Table", "compile_query"]

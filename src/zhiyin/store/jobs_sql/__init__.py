"""Jobs in a SQL database: records, the keys of their blobs, and a queue."""

"""Asynchronous jobs: records, queue, workers, reconciliation, webhooks."""

"""HTTP API: routes, forms, responses, uploads, server-sent events, middleware."""

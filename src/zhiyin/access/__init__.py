"""The doors: HTTP and the web page."""

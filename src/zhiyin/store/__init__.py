"""Where things are kept: adapters of the data ports."""

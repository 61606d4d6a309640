"""Operations: logging, memory, version of the code."""

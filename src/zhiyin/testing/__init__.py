"""What authors of engines and adapters need to test them."""

from zhiyin.testing.contract import engine_contract, recognize

__all__ = ["engine_contract", "recognize"]

"""What authors of engines and adapters need to test them."""

from zhiyin.testing.contract import engine_contract

__all__ = ["engine_contract"]

"""What a call of a model costs: the price book, and the rule by which an event is charged."""

from agentgauge_processors.pricing.book import PriceBook
from agentgauge_processors.pricing.charge import Charge, charge, consistent, find_schedule, is_model_call
from agentgauge_processors.pricing.rates import ModelPrices, Rates, cost

__all__ = [
    "Charge",
    "ModelPrices",
    "PriceBook",
    "Rates",
    "charge",
    "consistent",
    "cost",
    "find_schedule",
    "is_model_call",
]

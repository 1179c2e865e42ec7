"""The ten-step flow of flows/order.yaml, written by hand: what a person would put in its place."""

from __future__ import annotations

from typing import Any

__all__ = ["EXPECTED", "ORDER", "decide"]

ORDER = {
    "order_id": 4711,
    "customer": {"name": "Ada Lovelace", "country": "IT", "since": "2019-04-02"},
    "total_cents": 12950,
    "lines": [{"sku": "A-17", "quantity": 2, "cents": 4475}, {"sku": "B-03", "quantity": 1, "cents": 4000}],
}
"""The body of the event."""

EXPECTED = {
    "order": 4711,
    "text": "Order 4711 of Ada Lovelace: 2 lines, 14579 cents",
    "gross_cents": 14579,
    "priority": "high",
}
"""What the flow and every peer must answer."""


def decide(order: dict[str, Any]) -> dict[str, Any]:
    """The same decisions and the same answer as the flow."""
    net, count, country = order["total_cents"], len(order["lines"]), order["customer"]["country"]
    if count == 0:
        raise ValueError("an order has lines")
    if net > 10000:
        net = net - 1000
    if country == "IT":
        rate = 22
    elif country == "DE":
        rate = 19
    else:
        rate = 0
    gross = net + net * rate // 100
    priority = "high" if gross > 10000 else "normal"
    text = f"Order {order['order_id']} of {order['customer']['name']}: {count} lines, {gross} cents"
    return {"order": order["order_id"], "text": text, "gross_cents": gross, "priority": priority}

"""A change in six languages: a hundred files that gain fifty lines each, the same every time."""

from __future__ import annotations

from collections.abc import Mapping

_PYTHON = '''

def order_total_{n}(order, customer, rates):
    """The total of order {n} with tax."""
    lines = [line for line in order.lines if line.quantity > 0]
    subtotal = sum(line.price * line.quantity for line in lines)
    if customer.discount is not None:
        subtotal -= subtotal * customer.discount
    tax = subtotal * rates.get(customer.country, DEFAULT_RATE)
    logger.info("order %s: %s", order.id, subtotal)
    return round(subtotal + tax, 2)
'''
_TYPESCRIPT = """
export async function orderTotal{n}(order: Order, rates: Map<string, number>): Promise<number> {
  const lines = order.lines.filter((line) => line.quantity > 0);
  let subtotal = lines.reduce((sum, line) => sum + line.price * line.quantity, 0);
  if (order.customer.discount !== undefined) {
    subtotal -= subtotal * order.customer.discount;
  }
  const rate = rates.get(order.customer.country) ?? (await defaultRate());
  console.debug(`order ${order.id}: ${subtotal}`);
  return Math.round((subtotal + subtotal * rate) * 100) / 100;
}
"""
_GO = """
func orderTotal{n}(ctx context.Context, order *Order, rates map[string]float64) (float64, error) {
	rate, ok := rates[order.Customer.Country]
	if !ok {
		return 0, fmt.Errorf("no rate for %q: %w", order.Customer.Country, ErrUnknown)
	}
	subtotal := 0.0
	for _, line := range order.Lines {
		subtotal += line.Price * float64(line.Quantity)
	}
	return subtotal * (1 + rate), nil
}
"""
_JAVA = """
    public BigDecimal orderTotal{n}(Order order, Map<String, BigDecimal> rates) {
        BigDecimal subtotal = BigDecimal.ZERO;
        for (Line line : order.getLines()) {
            subtotal = subtotal.add(line.getPrice().multiply(BigDecimal.valueOf(line.getQuantity())));
        }
        BigDecimal rate = rates.getOrDefault(order.getCustomer().getCountry(), DEFAULT_RATE);
        logger.debug("order {}: {}", order.getId(), subtotal);
        return subtotal.add(subtotal.multiply(rate)).setScale(2, RoundingMode.HALF_UP);
    }
"""
_RUBY = """
  def order_total_{n}(order, rates)
    lines = order.lines.select { |line| line.quantity.positive? }
    subtotal = lines.sum { |line| line.price * line.quantity }
    subtotal -= subtotal * order.customer.discount if order.customer.discount
    rate = rates.fetch(order.customer.country) { DEFAULT_RATE }
    logger.info("order #{order.id}: #{subtotal}")
    total = subtotal + (subtotal * rate)
    total.round(2)
  end
"""
_CSHARP = """
    public async Task<decimal> OrderTotal{n}(Order order, IReadOnlyDictionary<string, decimal> rates)
    {
        var lines = order.Lines.Where(line => line.Quantity > 0).ToList();
        var subtotal = lines.Sum(line => line.Price * line.Quantity);
        subtotal -= subtotal * (order.Customer.Discount ?? 0m);
        var rate = rates.TryGetValue(order.Customer.Country, out var known) ? known : await DefaultRate();
        _logger.LogDebug("order {Id}: {Subtotal}", order.Id, subtotal);
        return Math.Round(subtotal + subtotal * rate, 2);
    }
"""

_KINDS = (
    ("shop/orders_{n}.py", "import logging\n\nlogger = logging.getLogger(__name__)\n", _PYTHON, "", 5),
    ("web/orders_{n}.ts", 'import { Order } from "./order";\n', _TYPESCRIPT, "", 5),
    ("svc/orders_{n}.go", 'package svc\n\nimport (\n\t"context"\n\t"fmt"\n)\n', _GO, "", 5),
    ("api/Orders{n}.java", "package api;\n\npublic class Orders{n} {\n", _JAVA, "}\n", 5),
    ("app/orders_{n}.rb", "class Orders{n}\n", _RUBY, "end\n", 5),
    ("Core/Orders{n}.cs", "namespace Core;\n\npublic class Orders{n}\n{\n", _CSHARP, "}\n", 5),
)


def before(files: int) -> dict[str, str]:
    """Path -> text of the files before the change."""
    return {path: _text(path, n, 0) for n, path in _paths(files)}


def after(files: int) -> Mapping[str, str]:
    """The same after it."""
    return {path: _text(path, n, _KINDS[n % len(_KINDS)][4]) for n, path in _paths(files)}


def _paths(files: int) -> list[tuple[int, str]]:
    return [(n, _KINDS[n % len(_KINDS)][0].replace("{n}", str(n))) for n in range(files)]


def _text(path: str, number: int, functions: int) -> str:
    _, head, function, end, _ = _KINDS[number % len(_KINDS)]
    parts = (function.replace("{n}", str(number * 10 + k)) for k in range(functions))
    return head.replace("{n}", str(number)) + "".join(parts) + end

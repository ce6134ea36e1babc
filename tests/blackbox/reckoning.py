"""What a provider's bill comes to, reckoned apart from the server: exactly, from rates as they are written."""

import decimal


def nano(usd):
    """Nano-dollars of an amount with nine decimals."""
    whole, _, rest = usd.partition(".")
    assert len(rest) == 9 and rest.isdigit() and whole.isdigit(), f"{usd!r} has not nine decimals"
    return int(whole) * 10**9 + int(rest)


def dollars(amount):
    return f"{amount // 10**9}.{amount % 10**9:09}"


def cost(rates, usage):
    """Nano-dollars of one attempt, rounded half up once. `rates`: dollars per million tokens, as decimal strings."""
    per_input = decimal.Decimal(rates["input"])
    total = usage.input * per_input
    total += usage.cache_read * decimal.Decimal(rates.get("cache_read", per_input))
    total += usage.cache_write * decimal.Decimal(rates.get("cache_write", per_input))
    total += (usage.output + usage.reasoning) * decimal.Decimal(rates["output"])
    return int((total * 1000).quantize(decimal.Decimal(1), decimal.ROUND_HALF_UP))

"""Features that all models share."""


def recency(customer):
    return min(customer["last_seen_days"] / 90, 1)


def tenure(customer):
    return min(customer["months"] / 36, 1)

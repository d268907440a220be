"""Slow twin of proportional sampling: largest remainder, with exact fractions."""

from fractions import Fraction


def quotas(labels, wanted):
    """Rows per class: floor of the proportional part, then one more by largest remainder."""
    classes = sorted(set(labels))
    exact = {c: Fraction(list(labels).count(c) * wanted, len(labels)) for c in classes}
    result = {c: int(exact[c]) for c in classes}
    for _ in range(wanted - sum(result.values())):
        best = max(classes, key=lambda c: (exact[c] - result[c], -classes.index(c)))
        result[best] += 1
    return result

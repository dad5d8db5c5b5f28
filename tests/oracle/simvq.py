"""The token quantiser in plain loops, written to be read, never to be fast."""

import math


def linear(weight, bias, vector):
    """weight · vector + bias."""
    return [
        sum(w * x for w, x in zip(row, vector, strict=True)) + b for row, b in zip(weight, bias, strict=True)
    ]


def unit(vector):
    """The vector scaled to length 1."""
    length = math.sqrt(sum(x * x for x in vector))
    return [x / max(length, 1e-12) for x in vector]


def distances(weights, feature, *, on_sphere):
    """How far each projected code is from one projected feature, squared."""
    z = linear(weights["in_linear.weight"], weights["in_linear.bias"], feature)
    z = unit(z) if on_sphere else z
    found = []
    for code in codes(weights, on_sphere=on_sphere):
        found.append(sum((a - b) ** 2 for a, b in zip(z, code, strict=True)))
    return found


def codes(weights, *, on_sphere):
    """Each row of the table, projected."""
    proj, bias = weights["regularizer.embedding_proj.weight"], weights["regularizer.embedding_proj.bias"]
    projected = [linear(proj, bias, row) for row in weights["regularizer.embedding.weight"]]
    return [unit(code) for code in projected] if on_sphere else projected


def decoded(weights, token, *, on_sphere):
    """The output features of one id."""
    code = codes(weights, on_sphere=on_sphere)[token]
    return linear(weights["out_linear.weight"], weights["out_linear.bias"], code)

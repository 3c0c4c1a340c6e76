"""What may be stored: one module a kind, pure. An object, the one before and a few facts in, causes of a refusal out.

A rule is a generator that stops to be asked at its first cause, as the reference does: what follows may rely on it that
everything before was in order. Causes, their texts and fields are read by clients (spec 7.2, 7.3).
"""

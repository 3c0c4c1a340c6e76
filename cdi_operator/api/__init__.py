"""The API as values: one module a kind, from which the CRDs are generated, and the vocabulary of annotations."""

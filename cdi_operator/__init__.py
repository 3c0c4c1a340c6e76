"""The operator: events -> queue -> observe -> plan -> apply."""

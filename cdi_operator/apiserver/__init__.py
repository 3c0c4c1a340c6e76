"""The process that the API server asks before it stores one of our kinds (spec 7): what is refused, what filled in.

`rules` are the decisions, pure; `facts` reads what they need to know; `webhooks` says which path leads to which.
"""

"""The decisions. One package a flow: what was observed (state), what to do about it (plan), what to make (objects).

Everything here is pure: no I/O, no clock. `observe` reads a `View` of what the watches have seen; `plan` turns the
state into actions; `cdi_operator.cluster.apply` carries them out.
"""

"""`make run`: from a fresh clone to a Debian that boots from a volume which our operator filled."""

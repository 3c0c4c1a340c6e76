"""How fast an import is, against the plain tools and against what this machine could do at best: `make bench`."""

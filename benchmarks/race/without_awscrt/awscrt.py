"""Stands before the installed awscrt on the path of clients that are measured without it."""

raise ImportError("measured without awscrt")

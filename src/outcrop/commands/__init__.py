"""The actions of the `outcrop` command, a module a noun. Each speaks to a running stack as any client does."""

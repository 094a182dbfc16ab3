"""Programs that put the running proxy between real clients and real face servers. Too heavy for the suite."""

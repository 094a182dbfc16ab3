"""How fast the proxy is, beside peers that apply the same policy. Start with `python bench/run.py --help`."""

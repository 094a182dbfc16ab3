"""Which settings a reload may not change."""

from proxy.errors import SettingsError
from proxy.settings import Settings

# What a reload may change. The rest is bound to sockets and needs a restart.
FIXED = (
    "listen", "metrics_listen", "upstream", "backend", "upstream_ca_file", "upstream_server_name",
    "tls_cert_file", "audit_file", "workers", "watch_seconds", "policy_url", "policy_poll_seconds",
    "policy_max_age_seconds", "policy_store_file", "upstream_assertion_key_file", "admin_listen",
    "aws_credentials_listen", "aws_credentials_token_file", "audit_key_file", "audit_witness",
    "audit_checkpoint_records", "audit_checkpoint_seconds", "audit_outcomes", "audit_durability",
    "audit_rotate_bytes", "audit_rotate_seconds", "audit_compress", "audit_keep_seconds", "audit_keep_files",
    "audit_witness_token_file", "audit_witness_ca_file",
)  # fmt: skip


def refuse_fixed(old: Settings, new: Settings) -> None:
    """Raises `SettingsError` when a reload would have to change what it cannot."""
    fixed = [name for name in FIXED if getattr(new, name) != getattr(old, name)]
    if fixed:
        raise SettingsError([f"MORATORIUM_{name.upper()}: needs a restart" for name in fixed])

//! From where on something is worth mentioning.

use clap::Args;

/// Thresholds.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "What is worth mentioning")]
pub struct Limits {
    /// Less free disk than this is too little. Postgres alone may need 1 GiB more for its log at any time.
    #[arg(long, env = "HANDSEL_DOCTOR_DISK_FREE_MIN_MB", value_name = "MB", default_value_t = 2_048)]
    pub disk_free_min_mb: u64,

    /// Fewer connections left than this are too few.
    #[arg(long, env = "HANDSEL_DOCTOR_CONNECTIONS_FREE_MIN", value_name = "N", default_value_t = 10)]
    pub connections_free_min: i64,

    /// A transaction that is open for longer, or a lock that is held for longer, is too old.
    #[arg(long, env = "HANDSEL_DOCTOR_TRANSACTION_MAX_S", value_name = "S", default_value_t = 60)]
    pub transaction_max_s: u32,

    /// A relay that lacks more events than this is far behind.
    #[arg(long, env = "HANDSEL_DOCTOR_RELAY_LAG_MAX_EVENTS", value_name = "N", default_value_t = 10_000)]
    pub relay_lag_max_events: i64,

    /// A relay is far behind, too, when an event has waited for longer.
    #[arg(long, env = "HANDSEL_DOCTOR_RELAY_LAG_MAX_S", value_name = "S", default_value_t = 30)]
    pub relay_lag_max_s: u32,

    /// A read model that is older than this is far behind.
    #[arg(long, env = "HANDSEL_DOCTOR_VIEW_LAG_MAX_S", value_name = "S", default_value_t = 60)]
    pub view_lag_max_s: u32,

    /// Clocks that differ by more than this disagree.
    #[arg(long, env = "HANDSEL_DOCTOR_CLOCK_SKEW_MAX_MS", value_name = "MS", default_value_t = 2_000)]
    pub clock_skew_max_ms: u32,

    /// So many of the newest events are followed along their chain; `handsel verify` follows all.
    #[arg(long, env = "HANDSEL_DOCTOR_CHAIN_EVENTS", value_name = "N", default_value_t = 1_000)]
    pub chain_events: u32,
}

//! How the simulated payment provider behaves.

use clap::Args;
use url::Url;

/// The payment provider that is simulated.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Payments")]
pub struct PaymentsSettings {
    /// How long the simulated provider takes for payments by `pm_sim_late`, in milliseconds.
    #[arg(long, env = "HANDSEL_SIMULATED_PAYMENTS_LATE_MS", value_name = "MS", default_value_t = 2_000)]
    pub simulated_payments_late_ms: u32,

    /// Address under which payers reach this instance, for what they have to confirm.
    #[arg(long, env = "HANDSEL_PUBLIC_URL", value_name = "URL", default_value = "http://127.0.0.1:8420")]
    pub public_url: Url,
}

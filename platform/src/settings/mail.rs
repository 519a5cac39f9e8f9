//! Where mail goes, and who it is from.

use std::path::PathBuf;

use clap::Args;

use super::{Secret, SettingsError, secret_or_file};

/// Mail.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Mail")]
pub struct MailSettings {
    /// Server that takes mail: smtps://user:password@host, or smtp://host:port with ?tls=required for STARTTLS.
    /// [default: none; mail lies in the built-in inbox]
    #[arg(long, env = "SMTP_URL", value_name = "URL", hide_env_values = true)]
    pub smtp_url: Option<Secret>,

    /// File that holds the URL of that server, unless that is set.
    #[arg(long, env = "SMTP_URL_FILE", value_name = "FILE")]
    pub smtp_url_file: Option<PathBuf>,

    /// Who mail is from: `Name <name@example.org>`; needed with a server.
    #[arg(long, env = "HANDSEL_MAIL_FROM", value_name = "ADDRESS")]
    pub mail_from: Option<String>,
}

impl MailSettings {
    /// The server that takes mail; `None` asks for the built-in inbox.
    pub fn url(&self) -> Result<Option<Secret>, SettingsError> {
        let set = secret_or_file("SMTP_URL", self.smtp_url.as_ref(), self.smtp_url_file.as_deref())?;
        Ok(set.filter(|url| !url.expose().is_empty()))
    }

    /// Who mail is from, where somebody said so.
    pub fn from(&self) -> Option<&str> {
        self.mail_from.as_deref().filter(|from| !from.is_empty())
    }
}

//! Where may be delivered to: what a name leads to is looked at before a connection is made, so that nobody outside can
//! make this machine ask its neighbours.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

const URL_CHARS_MAX: usize = 2_048;

/// Which addresses may be delivered to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Targets {
    /// Also those of this machine and of private networks.
    pub private: bool,
}

/// Why nothing is delivered to a URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnfitTarget {
    /// It is no URL of a receiver.
    #[error("it is a URL such as https://example.org/hook, of at most {URL_CHARS_MAX} characters")]
    NoUrl,
    /// It names another protocol.
    #[error("it begins with https:// or http://")]
    Scheme,
    /// It holds a name or password, which would be stored in the open.
    #[error("it holds a user name or password; the signature says who we are")]
    Credentials,
    /// It leads into a network that is not public.
    #[error(
        "{0} is an address of this machine or of a private network, and HANDSEL_WEBHOOK_PRIVATE_TARGETS forbids those"
    )]
    Private(IpAddr),
}

/// Who listens on loopback only may be asked by its own machine only, so nobody is protected from it.
#[must_use]
pub fn private_by_default(listens_at: IpAddr) -> bool {
    listens_at.is_loopback()
}

impl Targets {
    /// Reads a URL that a person gave. An address in it is looked at now, a name each time it is used.
    ///
    /// # Errors
    /// [`UnfitTarget`].
    pub fn read(self, text: &str) -> Result<Url, UnfitTarget> {
        if text.len() > URL_CHARS_MAX {
            return Err(UnfitTarget::NoUrl);
        }
        let url = Url::parse(text).map_err(|_| UnfitTarget::NoUrl)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(UnfitTarget::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(UnfitTarget::Credentials);
        }
        let address = match url.host().ok_or(UnfitTarget::NoUrl)? {
            Host::Domain(_) => None,
            Host::Ipv4(address) => Some(IpAddr::V4(address)),
            Host::Ipv6(address) => Some(IpAddr::V6(address)),
        };
        match address.filter(|address| !self.may(*address)) {
            Some(address) => Err(UnfitTarget::Private(address)),
            None => Ok(url),
        }
    }

    fn may(self, address: IpAddr) -> bool {
        self.private || is_public(address)
    }
}

/// Looks names up, and gives only addresses that may be delivered to: what is connected to is what was looked at.
impl Resolve for Targets {
    fn resolve(&self, name: Name) -> Resolving {
        let targets = *self;
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let may: Vec<SocketAddr> = found.iter().copied().filter(|address| targets.may(address.ip())).collect();
            match found.first() {
                Some(first) if may.is_empty() => Err(Box::new(UnfitTarget::Private(first.ip())).into()),
                _ => Ok(Box::new(may.into_iter()) as Addrs),
            }
        })
    }
}

/// Whether an address can be anywhere in the internet.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_documentation()
        || address.is_multicast()
        // This network; between providers and customers; protocols; benchmarks; reserved.
        || a == 0
        || (a == 100 && (64..128).contains(&b))
        || (a, b, c) == (192, 0, 0)
        || (a == 198 && (18..20).contains(&b))
        || a >= 240;
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    if let Some(within) = address.to_ipv4_mapped() {
        return is_public_v4(within);
    }
    match segments[0] {
        // Of old forms and translators, the address that is meant counts.
        0 => false,
        0x64 => segments[1] == 0xff9b && segments[2..6] == [0; 4] && is_public_v4(v4([segments[6], segments[7]])),
        0x2002 => is_public_v4(v4([segments[1], segments[2]])),
        0x2001 if segments[1] == 0xdb8 || segments[1] < 0x200 => false,
        // Everything that is given out to the internet begins with 001.
        first => first & 0xe000 == 0x2000,
    }
}

fn v4([high, low]: [u16; 2]) -> Ipv4Addr {
    Ipv4Addr::from((u32::from(high) << 16) | u32::from(low))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_anywhere_in_the_internet_is_public() {
        for text in [
            "1.1.1.1",
            "192.0.1.1",
            "100.63.0.1",
            "172.32.0.1",
            "2606:4700::1111",
            "64:ff9b::101:101",
            "2002:101:101::1",
        ] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
        for text in [
            "0.0.0.0",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "172.16.0.1",
            "192.168.1.1",
            "192.0.0.1",
            "198.18.0.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "ff02::1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "2002:7f00:1::1",
            "2001:db8::1",
            "2001::1",
            "100::1",
        ] {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn a_url_is_read_as_it_is_used_so_that_no_spelling_hides_an_address() {
        let public = Targets { private: false };
        for text in [
            "http://127.0.0.1/",
            "http://0x7f.1/",
            "http://2130706433/",
            "http://[::1]:8080/",
            "http://[::ffff:7f00:1]/",
        ] {
            assert!(matches!(public.read(text), Err(UnfitTarget::Private(_))), "{text}");
            assert!(Targets { private: true }.read(text).is_ok(), "{text}");
        }
        assert_eq!(public.read("ftp://example.org/"), Err(UnfitTarget::Scheme));
        assert_eq!(public.read("https://me:pw@example.org/"), Err(UnfitTarget::Credentials));
        assert_eq!(public.read("example.org"), Err(UnfitTarget::NoUrl));
        assert!(public.read("https://example.org/hook?a=1").is_ok());
    }

    #[tokio::test]
    async fn a_name_that_leads_to_this_machine_is_looked_at_when_it_is_used() {
        let of = |targets: Targets| async move { targets.resolve("localhost".parse().unwrap()).await };
        let refused = of(Targets { private: false }).await.err().expect("it is refused").to_string();
        assert!(refused.contains("HANDSEL_WEBHOOK_PRIVATE_TARGETS"), "{refused}");
        assert!(of(Targets { private: true }).await.unwrap().next().is_some());
    }
}

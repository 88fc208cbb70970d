//! Which addresses a request may go to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::settings::HttpSettings;

/// Who named the host that an address belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NamedBy {
    /// Whoever made the target.
    Target,
    /// An answer, with a redirect to another host.
    Answer,
}

/// Whether a request may go to `address`; if not, the end of a sentence that says why and what to set.
pub(super) fn check(settings: &HttpSettings, address: IpAddr, named_by: NamedBy) -> Result<(), &'static str> {
    let real = real(address);
    let listed = |list: &[super::Network]| {
        list.iter().any(|network| network.contains(address) || network.contains(real))
    };
    if listed(&settings.deny) {
        return Err("which the settings of this engine deny");
    }
    if listed(&settings.allow) {
        return Ok(());
    }
    match (class(real), named_by) {
        (Class::Public, _) | (Class::Private, NamedBy::Target) => Ok(()),
        (Class::Private, NamedBy::Answer) => {
            Err("a private address, to which no answer may lead unless the engine's HttpSettings allow it")
        }
        (Class::Special(what), _) => Err(what),
    }
}

/// What kind of address it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Public,
    Private,
    /// One that no target has: the end of a sentence.
    Special(&'static str),
}

const LOOPBACK: Class =
    Class::Special("this machine itself, which is refused unless the engine's HttpSettings allow it");
const LINK_LOCAL: Class =
    Class::Special("a link-local address, which is refused unless the engine's HttpSettings allow it");
const METADATA: Class =
    Class::Special("a cloud's metadata service, which is refused unless the engine's HttpSettings allow it");
const NO_HOST: Class = Class::Special("an address that belongs to no single host");

fn class(address: IpAddr) -> Class {
    match address {
        IpAddr::V4(address) => class_v4(address),
        IpAddr::V6(address) => class_v6(address),
    }
}

fn class_v4(address: Ipv4Addr) -> Class {
    match address.octets() {
        [0, ..] | [224..=255, ..] => NO_HOST,
        [127, ..] => LOOPBACK,
        // 169.254.169.254, and the address under which a container finds its role.
        [169, 254, 169 | 170, _] | [100, 100, 100, 200] | [168, 63, 129, 16] | [192, 0, 0, _] => METADATA,
        [169, 254, ..] => LINK_LOCAL,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] | [198, 18..=19, ..] => {
            Class::Private
        }
        _ => Class::Public,
    }
}

fn class_v6(address: Ipv6Addr) -> Class {
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 1] => LOOPBACK,
        [0, 0, 0, 0, 0, 0, 0, 0] | [0xff00..=0xffff, ..] | [0x100, 0, 0, 0, ..] => NO_HOST,
        [0xfe80..=0xfebf, ..] => LINK_LOCAL,
        [0xfd00, 0xec2, ..] | [0xfd20, 0xce, ..] => METADATA,
        [0xfc00..=0xfdff, ..] | [0xfec0..=0xfeff, ..] => Class::Private,
        // Tunnels whose other end cannot be told from the address.
        [0x2001, 0, ..] | [0x64, 0xff9b, 1, ..] => {
            Class::Special("the address of a tunnel, whose end is not known")
        }
        _ => Class::Public,
    }
}

/// The IPv4 address that an IPv6 address stands for, if it does: mapped, compatible, NAT64, 6to4, ISATAP.
pub(super) fn real(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let pair = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    match v6.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..]
        | [.., 0 | 0x200, 0x5efe, high, low] => pair(high, low),
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 || low > 1 => pair(high, low),
        _ => address,
    }
}

/// Whether the address is this machine's own.
pub(super) fn is_loopback(address: IpAddr) -> bool {
    real(address).is_loopback()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::{NamedBy, check};
    use crate::transport::http::HttpSettings;

    fn passes(settings: &HttpSettings, address: &str, named_by: NamedBy) -> bool {
        check(settings, address.parse().unwrap(), named_by).is_ok()
    }

    #[test]
    fn hosts_of_a_private_network_are_for_targets_alone() {
        let settings = HttpSettings::default();
        for address in ["10.1.2.3", "172.31.0.1", "192.168.1.1", "100.64.0.1", "fd12::1", "::ffff:10.0.0.1"] {
            assert!(passes(&settings, address, NamedBy::Target), "{address}");
            assert!(!passes(&settings, address, NamedBy::Answer), "{address}");
        }
        for address in ["8.8.8.8", "172.32.0.1", "2606:4700::1111", "64:ff9b::808:808"] {
            assert!(passes(&settings, address, NamedBy::Answer), "{address}");
        }
    }

    #[test]
    fn what_is_no_target_is_refused_in_every_spelling() {
        for address in [
            "127.0.0.1",
            "127.8.9.1",
            "::1",
            "0.0.0.0",
            "0.1.2.3",
            "::",
            "169.254.169.254",
            "169.254.1.1",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "fe80::1",
            "ff02::1",
            "fd00:ec2::254",
            "fd20:ce::254",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:0:127.0.0.1",
            "::127.0.0.1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::7f00:1",
            "2002:7f00:1::",
            "2002:a9fe:a9fe::1",
            "2001:0:4136:e378::1",
            "fd12::5efe:a9fe:a9fe",
        ] {
            assert!(!passes(&HttpSettings::default(), address, NamedBy::Target), "{address}");
        }
    }

    #[test]
    fn what_is_denied_stays_denied_and_what_is_allowed_is_allowed_everywhere() {
        let settings = HttpSettings {
            allow: vec!["127.0.0.0/8".parse().unwrap(), "10.0.0.0/8".parse().unwrap()],
            deny: vec!["10.9.0.0/16".parse().unwrap(), "203.0.113.0/24".parse().unwrap()],
        };
        for address in ["127.0.0.1", "::ffff:127.0.0.1", "10.1.1.1"] {
            assert!(passes(&settings, address, NamedBy::Answer), "{address}");
        }
        for address in ["10.9.1.1", "::ffff:10.9.1.1", "203.0.113.7", "::1", "169.254.169.254"] {
            assert!(!passes(&settings, address, NamedBy::Target), "{address}");
        }
    }
}

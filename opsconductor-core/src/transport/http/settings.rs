//! What a connector may reach: [`HttpSettings`].

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use crate::{Error, ErrorKind, Result};

/// Which addresses requests may go to.
///
/// A job, a target and an answer can all name a host, and a worker stands where not everybody may go. So each address that
/// a name resolves to is judged, at every redirect anew; when one of them may not be reached, nothing is sent to any, and
/// the connection goes to an address that was judged, not to the name. The rule:
///
/// 1. What [`deny`](Self::deny) lists is refused.
/// 2. What [`allow`](Self::allow) lists is allowed.
/// 3. This machine itself (`127.0.0.0/8`, `::1`), link-local addresses (`169.254.0.0/16`, `fe80::/10`), the metadata
///    services of clouds (`169.254.169.254`, `fd00:ec2::254`, `100.100.100.200`, `168.63.129.16`, `192.0.0.0/24` …),
///    multicast, broadcast, reserved and unspecified addresses, and tunnels are refused.
/// 4. Private addresses (`10.0.0.0/8`, `172.16.0.0/12`, `192.168.0.0/16`, `100.64.0.0/10`, `fc00::/7`) are allowed for the
///    host of a target, which an operator wrote down, and refused where a redirect leads to another host.
/// 5. All others are allowed.
///
/// An IPv6 address that stands for an IPv4 address (mapped, NAT64, 6to4 …) is judged as that.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HttpSettings {
    /// Networks that may be reached although the rule would refuse them.
    pub allow: Vec<Network>,
    /// Networks that may not be reached, whatever else is said.
    pub deny: Vec<Network>,
}

/// A network, written as `10.0.0.0/8`, `fd00::/8` or a single address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Whether `address` lies in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                (network.to_bits() ^ address.to_bits()).checked_shr(32 - u32::from(self.prefix)).unwrap_or(0)
                    == 0
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                (network.to_bits() ^ address.to_bits()).checked_shr(128 - u32::from(self.prefix)).unwrap_or(0)
                    == 0
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let refuse = || {
            let message =
                "a network is an address or an address with the length of its prefix, such as 10.0.0.0/8";
            Error::new(ErrorKind::InvalidInput, message).with("given", text)
        };
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| refuse())?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => longest,
            // `parse` would take a sign.
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().ok().filter(|prefix| *prefix <= longest).ok_or_else(refuse)?
            }
            Some(_) => return Err(refuse()),
        };
        let network = Self { address, prefix };
        let first = match address {
            IpAddr::V4(address) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() & mask))
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & mask))
            }
        };
        // Bits behind the prefix are a slip of the pen, and which of both was meant cannot be told.
        if first == address { Ok(network) } else { Err(refuse().with("network", first)) }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::Network;

    #[test]
    fn a_network_holds_its_addresses_and_no_others() {
        let holds = |network: &str, address: &str| {
            network.parse::<Network>().unwrap().contains(address.parse().unwrap())
        };
        assert!(holds("10.0.0.0/8", "10.255.0.1") && !holds("10.0.0.0/8", "11.0.0.0"));
        assert!(holds("0.0.0.0/0", "255.1.1.1") && !holds("0.0.0.0/0", "::1"));
        assert!(holds("192.0.2.7", "192.0.2.7") && !holds("192.0.2.7", "192.0.2.6"));
        assert!(holds("fd00::/8", "fdff::1") && !holds("fd00::/8", "fc00::1"));
        assert!(holds("::/0", "fe80::1") && holds("::1/128", "::1") && !holds("::1", "::2"));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in ["", "10.0.0.0/33", "10.0.0.1/8", "fd00::/129", "host", "10.0.0.0/", "10.0.0.0/+8", "1/8"]
        {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
        assert_eq!("fd00::/8".parse::<Network>().unwrap().to_string(), "fd00::/8");
    }
}

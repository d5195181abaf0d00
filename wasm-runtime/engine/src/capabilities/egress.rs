//! What a guest may reach outside the cluster: hosts and ports it was allowed. Addresses that only this machine may reach (loopback, link-local, which
//! holds the clouds' metadata services) are refused unless a rule names the address itself.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::Grants;
use crate::error::{EngineError, ErrorCode};

#[derive(Clone, Debug, PartialEq, Eq)]
enum Hosts {
    Name(String),
    /// Everything below a domain; kept with its leading dot.
    Below(String),
    Network { address: IpAddr, bits: u8 },
}

#[derive(Clone, Debug)]
struct Rule {
    hosts: Hosts,
    /// None: any.
    port: Option<u16>,
}

#[derive(Clone, Debug, Default)]
pub struct Egress {
    rules: Vec<Rule>,
}

impl Egress {
    /// Errors: BadGrant.
    pub fn configure(grants: &Grants) -> Result<Self, EngineError> {
        Ok(Self { rules: grants.egress.iter().map(|text| parse(text)).collect::<Result<_, _>>()? })
    }

    /// Whether a request may go to a host by this name (or address) and port, before the name is resolved.
    pub fn allows(&self, host: &str, port: u16) -> bool {
        let ip = host.parse::<IpAddr>().ok();
        let named_bits = ip.and_then(private_block);
        self.rules.iter().filter(|rule| rule.port.is_none_or(|allowed| allowed == port)).any(|rule| match (&rule.hosts, ip) {
            // `0.0.0.0/0` is the world, and not this machine.
            (Hosts::Network { address, bits }, Some(ip)) => contains(*address, *bits, ip) && named_bits.is_none_or(|named| *bits >= named),
            (_, Some(_)) | (Hosts::Network { .. }, None) => false,
            (hosts, None) => hosts.name(host),
        })
    }

    /// Whether a name may be looked up.
    pub fn names(&self, name: &str) -> bool {
        self.rules.iter().any(|rule| rule.hosts.name(name))
    }

    /// Whether an address that a name resolved to may be connected to: a name somebody else controls must not lead to this machine.
    pub fn resolved(&self, address: SocketAddr) -> bool {
        private_block(address.ip()).is_none() || self.allows(&address.ip().to_canonical().to_string(), address.port())
    }

    /// Names that are given whole, with the port they are for.
    pub fn whole_names(&self, port: u16) -> impl Iterator<Item = &str> {
        self.rules.iter().filter(move |rule| rule.port.is_none_or(|allowed| allowed == port)).filter_map(|rule| match &rule.hosts {
            Hosts::Name(name) => Some(name.as_str()),
            _ => None,
        })
    }

    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }
}

impl Hosts {
    fn name(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.');
        match self {
            Self::Name(name) => name.eq_ignore_ascii_case(host),
            Self::Below(suffix) => host.len() > suffix.len() && host.as_bytes()[host.len() - suffix.len()..].eq_ignore_ascii_case(suffix.as_bytes()),
            Self::Network { .. } => false,
        }
    }
}

fn parse(text: &str) -> Result<Rule, EngineError> {
    let bad = |why: &str| EngineError::new(ErrorCode::BadGrant, format!("egress rule '{text}': {why}; write host:port, *.domain:port or 10.0.0.0/8:port, with * for any port"));
    let (host, port) = text.rsplit_once(':').ok_or_else(|| bad("it has no port"))?;
    let port = match port {
        "*" => None,
        number => Some(number.parse::<u16>().ok().filter(|port| *port > 0).ok_or_else(|| bad("its port is no number from 1 to 65535"))?),
    };
    let host = host.trim_matches(['[', ']']);
    if let Some((address, bits)) = host.split_once('/') {
        let address: IpAddr = address.trim_matches(['[', ']']).parse().map_err(|_| bad("its network is no address"))?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.parse::<u8>().ok().filter(|bits| *bits <= most).ok_or_else(|| bad("its prefix is too long"))?;
        return Ok(Rule { hosts: Hosts::Network { address, bits }, port });
    }
    if let Ok(address) = host.parse::<IpAddr>() {
        let bits = if address.is_ipv4() { 32 } else { 128 };
        return Ok(Rule { hosts: Hosts::Network { address, bits }, port });
    }
    if let Some(suffix) = host.strip_prefix('*') {
        if suffix.len() < 2 || !suffix.starts_with('.') || suffix.contains('*') {
            return Err(bad("a wildcard stands for whole labels before a domain"));
        }
        return Ok(Rule { hosts: Hosts::Below(suffix.to_ascii_lowercase()), port });
    }
    let label = |label: &str| !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    if !host.trim_end_matches('.').split('.').all(label) {
        return Err(bad("its host is no name"));
    }
    Ok(Rule { hosts: Hosts::Name(host.trim_end_matches('.').to_ascii_lowercase()), port })
}

fn contains(network: IpAddr, bits: u8, ip: IpAddr) -> bool {
    match (network, ip.to_canonical()) {
        (IpAddr::V4(network), IpAddr::V4(ip)) => bits == 0 || (u32::from(network) ^ u32::from(ip)) >> (32 - u32::from(bits)) == 0,
        (IpAddr::V6(network), IpAddr::V6(ip)) => bits == 0 || (u128::from(network) ^ u128::from(ip)) >> (128 - u32::from(bits)) == 0,
        _ => false,
    }
}

/// Of an address that only this machine may reach (loopback, link-local, unspecified, the clouds' metadata services): how many bits its block has, which a rule
/// must name at least.
fn private_block(ip: IpAddr) -> Option<u8> {
    match ip.to_canonical() {
        IpAddr::V4(ip) if ip.is_loopback() || ip.octets()[0] == 0 => Some(8),
        IpAddr::V4(ip) if ip.is_link_local() => Some(16),
        IpAddr::V4(ip) if ip.is_broadcast() || ip == Ipv4Addr::new(100, 100, 100, 200) => Some(32),
        IpAddr::V6(ip) if ip.is_unicast_link_local() => Some(10),
        // fd00:ec2::254 is Amazon's metadata service.
        IpAddr::V6(ip) if ip.is_loopback() || ip.is_unspecified() || ip.segments() == [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254] => Some(128),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn egress(rules: &[&str]) -> Egress {
        Egress::configure(&Grants { egress: rules.iter().map(|rule| (*rule).to_owned()).collect(), ..Grants::default() }).expect("good rules")
    }

    #[test]
    fn a_rule_names_a_host_a_domain_or_a_network_and_a_port() {
        let egress = egress(&["api.example.com:443", "*.internal.net:80", "[::1]:9", "10.0.0.0/8:*", "192.168.1.7:53"]);
        for (host, port) in [("API.example.com", 443), ("api.example.com.", 443), ("a.internal.net", 80), ("A.B.INTERNAL.net", 80), ("::1", 9), ("10.2.3.4", 1), ("192.168.1.7", 53)] {
            assert!(egress.allows(host, port), "{host}:{port}");
        }
        for (host, port) in [("api.example.com", 80), ("internal.net", 80), ("evil-internal.net", 80), ("example.com", 443), ("11.0.0.1", 1), ("192.168.1.8", 53), ("::2", 9)] {
            assert!(!egress.allows(host, port), "{host}:{port}");
        }
    }

    #[test]
    fn a_bad_rule_is_refused_with_what_is_wrong() {
        for rule in ["example.com", "example.com:0", "example.com:x", "*:80", "*.*.com:80", "10.0.0.0/33:80", "exa mple.com:80", "", ":80"] {
            let grants = Grants { egress: vec![rule.to_owned()], ..Grants::default() };
            assert_eq!(Egress::configure(&grants).expect_err(rule).code, ErrorCode::BadGrant);
        }
    }

    #[test]
    fn what_only_this_machine_may_reach_needs_its_address_in_a_rule() {
        for ip in ["127.0.0.1", "127.96.0.1", "169.254.169.254", "0.0.0.0", "::1", "fe80::1", "::ffff:127.0.0.1", "100.100.100.200"] {
            let address = SocketAddr::new(ip.parse().expect("an address"), 80);
            assert!(!egress(&["rebound.example.com:80"]).resolved(address), "{ip}");
            let named = format!("{}/128:80", address.ip());
            let named = if address.ip().to_canonical().is_ipv4() { format!("{}:80", address.ip().to_canonical()) } else { named };
            assert!(egress(&[&named]).resolved(address), "{ip}");
        }
        assert!(egress(&[]).resolved("10.0.0.1:80".parse().expect("an address")));
        let world = egress(&["0.0.0.0/0:*", "::/0:*"]);
        for ip in ["127.0.0.1", "169.254.169.254", "100.100.100.200", "::1", "fe80::1"] {
            assert!(!world.allows(ip, 80), "{ip}");
        }
        assert!(world.allows("10.0.0.1", 80) && egress(&["127.128.0.0/10:80"]).allows("127.129.0.1", 80));
    }
}

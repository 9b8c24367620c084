//! UDP that is not answered where it goes to, and is none the worse for it.

/// Ports of UDP that goes one way, or is answered to another port. SNMP traps, syslog, NetFlow, GTP-U, BFD twice, IPFIX, BFD, VXLAN,
/// Geneve, sFlow, statsd, VXLAN as Linux numbers it, NetFlow.
const ONE_WAY: [u16; 14] =
    [162, 514, 2055, 2152, 3784, 3785, 4739, 4784, 4789, 6081, 6343, 8125, 8472, 9995];

/// Whether nothing follows from silence at this port.
pub(super) fn is_one_way(port: u16) -> bool {
    ONE_WAY.contains(&port)
}

/// Whether hosts send to each other's port from ports that are hashes of what is inside: GTP-U, VXLAN, Geneve, VXLAN as Linux numbers it.
pub(super) const fn is_overlay(port: u16) -> bool {
    matches!(port, 2152 | 4789 | 6081 | 8472)
}

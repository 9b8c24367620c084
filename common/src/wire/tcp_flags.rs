//! TCP flags in the order of the header's thirteenth and fourteenth byte (RFC 9293 section 3.1; AE: RFC 9768).

/// No more data from the sender.
pub const FIN: u16 = 1 << 0;
/// Synchronise sequence numbers.
pub const SYN: u16 = 1 << 1;
/// Reset the connection.
pub const RST: u16 = 1 << 2;
/// Push.
pub const PSH: u16 = 1 << 3;
/// The acknowledgment field counts.
pub const ACK: u16 = 1 << 4;
/// The urgent pointer counts.
pub const URG: u16 = 1 << 5;
/// ECN echo (RFC 3168).
pub const ECE: u16 = 1 << 6;
/// Congestion window reduced (RFC 3168).
pub const CWR: u16 = 1 << 7;
/// Accurate ECN (RFC 9768), once the nonce sum.
pub const AE: u16 = 1 << 8;
/// All nine.
pub const ALL: u16 = 0x1ff;

/// Each flag with its label.
pub const LABELS: [(u16, &str); 9] = [
    (FIN, "fin"),
    (SYN, "syn"),
    (RST, "rst"),
    (PSH, "psh"),
    (ACK, "ack"),
    (URG, "urg"),
    (ECE, "ece"),
    (CWR, "cwr"),
    (AE, "ae"),
];

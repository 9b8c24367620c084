//! The busiest flows, hosts, ports and conversations of each interface, and the rest.

use std::{net::IpAddr, sync::Arc};

use super::{Count, Direction, Tunnel};

/// What is compared.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Dimension {
    /// Flows, whole.
    Flow,
    /// Hosts.
    Host,
    /// Ports.
    Port,
    /// Conversations: a flow's two directions together.
    Conversation,
}

/// A table of the busiest of an interface.
#[derive(Clone, Debug)]
pub struct Talkers {
    /// What is compared.
    pub dimension: Dimension,
    /// Interface name.
    pub interface: String,
    /// Direction; none where both are together.
    pub direction: Option<Direction>,
    /// The busiest.
    pub lines: Vec<Talker>,
    /// Everything else of the interface and direction.
    pub other: Count,
}

/// One of the busiest.
#[derive(Clone, Debug)]
pub struct Talker {
    /// Who.
    pub party: Party,
    /// How much; it never goes backwards.
    pub count: Count,
}

/// Who is busy.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the names are those of the metrics' labels")]
pub enum Party {
    /// A flow.
    Flow {
        protocol: String,
        vlans: Vec<u16>,
        tunnel: Option<Tunnel>,
        source: IpAddr,
        source_port: Option<u16>,
        destination: IpAddr,
        destination_port: Option<u16>,
        source_name: Option<Arc<str>>,
        destination_name: Option<Arc<str>>,
    },
    /// A host, by address or name.
    Host { host: String },
    /// A port, by number or name.
    Port { protocol: String, port: String },
    /// A conversation.
    Conversation {
        protocol: String,
        local: IpAddr,
        local_port: Option<u16>,
        remote: IpAddr,
        remote_port: Option<u16>,
        local_name: Option<Arc<str>>,
        remote_name: Option<Arc<str>>,
    },
}

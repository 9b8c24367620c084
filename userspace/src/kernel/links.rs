//! Network interfaces: which there are, which come and go, which programs they carry.

use futures_util::{StreamExt, TryStreamExt};
use rtnetlink::{
    Handle, MulticastGroup,
    packet_core::NetlinkPayload,
    packet_route::{
        RouteNetlinkMessage,
        link::{LinkAttribute, LinkFlags, LinkInfo, LinkMessage, LinkXdp},
    },
};
use tokio::sync::mpsc;
use wireledger_common::abi::link::Link;

use super::{Error, namespace::Namespace};

/// An interface as netlink describes it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Its index.
    pub index: u32,
    /// Largest network packet, bytes.
    pub mtu: u32,
    /// Administratively up.
    pub up: bool,
    /// Its kind as `ip -d link` prints it: `veth`, `bridge` …; empty for a device of a driver.
    pub kind: String,
    /// What its frames begin with; `None` for what nobody reads here, whose packets will be unread.
    pub link: Option<Link>,
    /// Id of the XDP program attached to it; 0 = none.
    pub xdp: u32,
}

/// A change of the set of interfaces.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Change {
    /// New, renamed, or changed.
    Present(Interface),
    /// Gone.
    Gone {
        /// Its index.
        index: u32,
    },
    /// Changes were lost, or the first look: all there is.
    All(Vec<Interface>),
}

/// Every interface of a namespace, in the order of their indices.
///
/// # Errors
/// When netlink refuses.
pub async fn list(namespace: &Namespace) -> Result<Vec<Interface>, Error> {
    // The socket stays in the namespace it was made in; the connection runs anywhere.
    let opened = in_runtime(namespace, rtnetlink::new_connection)?;
    let (connection, handle, _) = opened.map_err(Error::system("opening netlink"))?;
    let connection = tokio::spawn(connection);
    let found = all(&handle).await;
    connection.abort();
    found
}

/// What an interface has counted by itself.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Statistics {
    /// Packets received.
    pub rx_packets: u64,
    /// Bytes received.
    pub rx_bytes: u64,
    /// Packets sent.
    pub tx_packets: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Packets dropped on their way in or out.
    pub dropped: u64,
}

/// What an interface of a namespace has counted by itself.
///
/// # Errors
/// When it is not there.
pub async fn statistics(namespace: &Namespace, name: &str) -> Result<Statistics, Error> {
    let opened = in_runtime(namespace, rtnetlink::new_connection)?;
    let (connection, handle, _) = opened.map_err(Error::system("opening netlink"))?;
    let connection = tokio::spawn(connection);
    let found = handle.link().get().match_name(name).execute().try_next().await;
    connection.abort();
    let link = found.map_err(|source| Error::Netlink { source: Box::new(source) })?;
    let counted =
        link.iter().flat_map(|link| &link.attributes).find_map(|attribute| match attribute {
            LinkAttribute::Stats64(stats) => Some(Statistics {
                rx_packets: stats.rx_packets,
                rx_bytes: stats.rx_bytes,
                tx_packets: stats.tx_packets,
                tx_bytes: stats.tx_bytes,
                dropped: stats.rx_dropped + stats.tx_dropped,
            }),
            _ => None,
        });
    counted.ok_or_else(|| Error::NoInterface { name: name.to_owned() })
}

/// Tells every change of a namespace's interfaces, the first being [`Change::All`].
///
/// # Errors
/// When netlink refuses or ends.
pub async fn watch(namespace: &Namespace, changes: mpsc::Sender<Change>) -> Result<(), Error> {
    let opened =
        in_runtime(namespace, || rtnetlink::new_multicast_connection(&[MulticastGroup::Link]))?;
    let (connection, handle, mut messages) = opened.map_err(Error::system("opening netlink"))?;
    let mut connection = std::pin::pin!(connection);
    let follow = async {
        if changes.send(Change::All(all(&handle).await?)).await.is_err() {
            return Ok(());
        }
        while let Some((message, _)) = messages.next().await {
            let change = match message.payload {
                NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(link)) => {
                    Change::Present(interface(&link))
                }
                NetlinkPayload::InnerMessage(RouteNetlinkMessage::DelLink(link)) => {
                    Change::Gone { index: link.header.index }
                }
                NetlinkPayload::Overrun(_) => Change::All(all(&handle).await?),
                _ => continue,
            };
            if changes.send(change).await.is_err() {
                return Ok(());
            }
        }
        Ok(())
    };
    tokio::select! {
        () = &mut connection => Err(Error::System {
            doing: "watching interfaces",
            source: std::io::Error::other("the netlink socket closed"),
        }),
        done = follow => done,
    }
}

/// Runs `work` inside the namespace with this runtime at hand, which its sockets register with.
fn in_runtime<T: Send>(namespace: &Namespace, work: impl FnOnce() -> T + Send) -> Result<T, Error> {
    let runtime = tokio::runtime::Handle::current();
    namespace.run(|| {
        let _inside = runtime.enter();
        work()
    })
}

async fn all(handle: &Handle) -> Result<Vec<Interface>, Error> {
    let links = handle.link().get().execute().try_collect::<Vec<_>>().await;
    let links = links.map_err(|source| Error::Netlink { source: Box::new(source) })?;
    let mut all: Vec<_> = links.iter().map(interface).collect();
    all.sort_by_key(|interface| interface.index);
    Ok(all)
}

/// By the number of the hardware type (linux/if_arp.h).
const fn link_of(hardware: u16) -> Option<Link> {
    const ETHERNET: u16 = 1;
    const RAW_IP: u16 = 519;
    const TUNNEL: u16 = 768;
    const TUNNEL6: u16 = 769;
    const LOOPBACK: u16 = 772;
    const SIT: u16 = 776;
    /// WireGuard and TUN devices.
    const NONE: u16 = 0xfffe;
    match hardware {
        ETHERNET | LOOPBACK => Some(Link::Ethernet),
        NONE | RAW_IP | TUNNEL | TUNNEL6 | SIT => Some(Link::Raw),
        _ => None,
    }
}

fn interface(link: &LinkMessage) -> Interface {
    let mut found = Interface {
        index: link.header.index,
        up: link.header.flags.contains(LinkFlags::Up),
        link: link_of(u16::from(link.header.link_layer_type)),
        ..Interface::default()
    };
    for attribute in &link.attributes {
        match attribute {
            LinkAttribute::IfName(name) => found.name.clone_from(name),
            LinkAttribute::Mtu(mtu) => found.mtu = *mtu,
            LinkAttribute::LinkInfo(infos) => {
                for info in infos {
                    if let LinkInfo::Kind(kind) = info {
                        found.kind = kind.to_string();
                    }
                }
            }
            LinkAttribute::Xdp(facts) => {
                for fact in facts {
                    if let LinkXdp::ProgId(id) = fact {
                        found.xdp = *id;
                    }
                }
            }
            _ => {}
        }
    }
    found
}

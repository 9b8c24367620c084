//! Two hosts and a wire.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    os::fd::AsRawFd,
    sync::Arc,
};

use anyhow::Context;
use rtnetlink::{
    Handle, LinkMessageBuilder, LinkUnspec, LinkVeth,
    packet_route::{
        address::{AddressAttribute, AddressFlags},
        link::LinkAttribute,
    },
};

use crate::kernel::{
    links::{self, Statistics},
    namespace::Namespace,
};

/// The interface that is watched.
pub const NEAR: &str = "wire0";
/// The one at the other end.
const FAR: &str = "wire1";

/// The watched host's addresses.
pub(super) const NEAR_V4: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
/// See [`NEAR_V4`].
pub(super) const NEAR_V6: Ipv6Addr = Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 1);
const FAR_V4: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);
const FAR_V6: Ipv6Addr = Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 2);
pub(super) const NEAR_MAC: [u8; 6] = [2, 0, 0, 77, 0, 1];
pub(super) const FAR_MAC: [u8; 6] = [2, 0, 0, 77, 0, 2];

/// The two hosts.
#[derive(Clone, Debug)]
pub struct Lab {
    /// Where the probe runs.
    pub near: Arc<Namespace>,
    /// Where the traffic comes from.
    pub far: Arc<Namespace>,
    /// Index of the far interface.
    pub far_index: u32,
}

impl Lab {
    /// Makes both hosts and the wire.
    ///
    /// # Errors
    /// Without CAP_SYS_ADMIN and CAP_NET_ADMIN, or where the kernel has no veth.
    pub async fn build() -> anyhow::Result<Self> {
        let near =
            Namespace::create().context("the demo makes network namespaces (CAP_SYS_ADMIN)")?;
        let far = Namespace::create()?;
        let near_net = Netlink::open(&near)?;
        let far_net = Netlink::open(&far)?;
        let veth = LinkVeth::new(NEAR, FAR).address(NEAR_MAC.to_vec()).build();
        near_net.handle.link().add(veth).execute().await.context("making a veth pair")?;
        let index = near_net.index(&near, FAR).await?;
        let destination = far.fd().context("a namespace that was just made is not our own")?;
        let moved = link(index).setns_by_fd(destination.as_raw_fd()).build();
        near_net.handle.link().set(moved).execute().await.context("moving an end of the pair")?;
        let index = near_net.index(&near, NEAR).await?;
        near_net.bring_up(index, &[NEAR_V4.into(), NEAR_V6.into()], NEAR_MAC).await?;
        let far_index = far_net.index(&far, FAR).await?;
        far_net.bring_up(far_index, &[FAR_V4.into(), FAR_V6.into()], FAR_MAC).await?;
        Ok(Self { near: Arc::new(near), far: Arc::new(far), far_index })
    }

    /// What both interfaces have counted by themselves: near, far.
    ///
    /// # Errors
    /// When one is gone.
    pub async fn statistics(&self) -> anyhow::Result<(Statistics, Statistics)> {
        let near = links::statistics(&self.near, NEAR).await?;
        let far = links::statistics(&self.far, FAR).await?;
        Ok((near, far))
    }
}

/// Netlink in one namespace.
struct Netlink {
    handle: Handle,
    connection: tokio::task::JoinHandle<()>,
}

impl Netlink {
    fn open(namespace: &Namespace) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Handle::current();
        let opened = namespace.run(|| {
            let _inside = runtime.enter();
            rtnetlink::new_connection()
        })?;
        let (connection, handle, _) = opened.context("opening netlink")?;
        Ok(Self { handle, connection: tokio::spawn(connection) })
    }

    async fn index(&self, namespace: &Namespace, name: &str) -> anyhow::Result<u32> {
        let all = links::list(namespace).await?;
        let found = all.iter().find(|interface| interface.name == name);
        found.map(|interface| interface.index).with_context(|| format!("no interface {name}"))
    }

    /// Every packet a packet of the wire: segmentation offload off, so that the interface's own counters can be the judge.
    async fn bring_up(&self, index: u32, addresses: &[IpAddr], mac: [u8; 6]) -> anyhow::Result<()> {
        for &address in addresses {
            let length = if address.is_ipv4() { 24 } else { 64 };
            let mut request = self.handle.address().add(index, address, length);
            let no_detection = AddressAttribute::Flags(AddressFlags::Nodad);
            request.message_mut().attributes.push(no_detection);
            request.execute().await.context("giving an address")?;
        }
        let up = link(index)
            .address(mac.to_vec())
            .append_extra_attribute(LinkAttribute::GsoMaxSegs(1))
            .up()
            .build();
        self.handle.link().set(up).execute().await.context("bringing an interface up")?;
        let loopback = link(1).up().build();
        self.handle.link().set(loopback).execute().await.context("bringing loopback up")
    }
}

impl Drop for Netlink {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

fn link(index: u32) -> LinkMessageBuilder<LinkUnspec> {
    LinkUnspec::new_with_index(index)
}

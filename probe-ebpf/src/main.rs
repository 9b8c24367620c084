//! The programs: XDP for ingress, TCX for egress and for ingress where XDP is taken.

#![no_std]
#![no_main]

use aya_ebpf::{
    bindings::{tcx_action_base::TCX_NEXT, xdp_action::XDP_PASS},
    macros::{classifier, xdp},
    programs::{TcContext, XdpContext},
};
use probe::{
    capture::{AtDriver, BehindDriver, deliver},
    clock,
    frame::Frame,
    maps,
    observe::{observe, observe_inner},
};
use wireledger_common::abi::flow::EGRESS;

/// Ingress at the driver, before any offload has merged packets.
#[xdp(frags)]
pub fn wireledger_xdp(ctx: XdpContext) -> u32 {
    observe(&ctx, &Frame::at_driver(&ctx), &maps::XDP_INNER, 0);
    // SAFETY: the map holds programs of this type.
    unsafe { maps::XDP_ARMED.tail_call(&ctx, 0) };
    XDP_PASS
}

/// Goes on with a packet of a tunnel.
#[xdp(frags)]
pub fn wireledger_xdp_inner(ctx: XdpContext) -> u32 {
    observe_inner(&ctx, &Frame::at_driver(&ctx));
    // SAFETY: as above.
    unsafe { maps::XDP_ARMED.tail_call(&ctx, 0) };
    XDP_PASS
}

/// Ingress behind the driver.
#[classifier]
pub fn wireledger_in(ctx: TcContext) -> i32 {
    observe(&ctx, &Frame::received(&ctx), &maps::TC_INNER, 0);
    // SAFETY: as above.
    unsafe { maps::TC_ARMED.tail_call(&ctx, 0) };
    TCX_NEXT
}

/// Goes on with a packet of a tunnel.
#[classifier]
pub fn wireledger_in_inner(ctx: TcContext) -> i32 {
    observe_inner(&ctx, &Frame::received(&ctx));
    // SAFETY: as above.
    unsafe { maps::TC_ARMED.tail_call(&ctx, 0) };
    TCX_NEXT
}

/// Egress.
#[classifier]
pub fn wireledger_out(ctx: TcContext) -> i32 {
    observe(&ctx, &Frame::sent(&ctx), &maps::TC_INNER, 1);
    // SAFETY: as above.
    unsafe { maps::TC_ARMED.tail_call(&ctx, 1) };
    TCX_NEXT
}

/// Goes on with a packet of a tunnel.
#[classifier]
pub fn wireledger_out_inner(ctx: TcContext) -> i32 {
    observe_inner(&ctx, &Frame::sent(&ctx));
    // SAFETY: as above.
    unsafe { maps::TC_ARMED.tail_call(&ctx, 1) };
    TCX_NEXT
}

/// Delivers a packet that came in at the driver to the sessions that want it.
#[xdp(frags)]
pub fn wireledger_xdp_deliver(ctx: XdpContext) -> u32 {
    deliver(&AtDriver(&ctx), &maps::XDP_DELIVER, 0);
    XDP_PASS
}

/// The same behind the driver.
#[classifier]
pub fn wireledger_in_deliver(ctx: TcContext) -> i32 {
    deliver(&BehindDriver { ctx: &ctx, direction: 0 }, &maps::TC_DELIVER, 0);
    TCX_NEXT
}

/// The same for what leaves.
#[classifier]
pub fn wireledger_out_deliver(ctx: TcContext) -> i32 {
    deliver(&BehindDriver { ctx: &ctx, direction: EGRESS }, &maps::TC_DELIVER, 1);
    TCX_NEXT
}

/// Never attached: userspace runs it once to learn which jiffy is now.
#[xdp]
pub fn wireledger_clock(_: XdpContext) -> u32 {
    clock::read();
    XDP_PASS
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // The verifier proves that this is never reached.
    loop {}
}

/// GPL-only helpers need a GPL-compatible licence.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

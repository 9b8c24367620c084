//! The programs: XDP for ingress, TCX for egress and for ingress where XDP is taken.

#![no_std]
#![no_main]

use aya_ebpf::{
    bindings::{tcx_action_base::TCX_NEXT, xdp_action::XDP_PASS},
    macros::{classifier, xdp},
    programs::{TcContext, XdpContext},
};
use probe::{clock, count, frame::Frame, observe::observe};

/// Ingress at the driver, before any offload has merged packets.
#[xdp(frags)]
pub fn wireledger_xdp(ctx: XdpContext) -> u32 {
    observe(&ctx, Frame::at_driver(&ctx), count::flow);
    XDP_PASS
}

/// Ingress behind the driver.
#[classifier]
pub fn wireledger_in(ctx: TcContext) -> i32 {
    observe(&ctx, Frame::received(&ctx), count::flow);
    TCX_NEXT
}

/// Egress.
#[classifier]
pub fn wireledger_out(ctx: TcContext) -> i32 {
    observe(&ctx, Frame::sent(&ctx), count::flow);
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

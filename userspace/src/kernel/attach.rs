//! Attaching, and saying truly what was attached: which hook, which mode, and why not a better one.
//!
//! Links only: a link ends with the process that holds it. Where the kernel has none for TC (before 6.6), clsact filters
//! are used, which outlive a killed process; they are removed on an orderly stop, and `doctor` names leftovers.

use std::fmt;

use aya::programs::{
    ProgramError, SchedClassifier, TcAttachType, XdpMode,
    links::{FdLink, LinkOrder},
    tc::{self, NlOptions, SchedClassifierLink, TcAttachOptions},
    xdp::XdpLink,
};
use wireledger_common::names;

use super::{
    Error, Probe,
    error::{chain, os_error},
    links::Interface,
    namespace::Namespace,
};

/// Where a program is attached.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Hook {
    /// XDP in the driver.
    Native,
    /// XDP behind the driver.
    Generic,
    /// TCX (Linux 6.6).
    Tcx,
    /// A filter of the clsact qdisc.
    Clsact,
}

impl Hook {
    /// The label of metrics and tables.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Generic => "generic",
            Self::Tcx => "tcx",
            Self::Clsact => "clsact",
        }
    }
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.label())
    }
}

/// One attached program. Dropping it detaches.
#[derive(Debug)]
pub struct Attachment {
    hook: Hook,
    _link: Link,
}

#[derive(Debug)]
#[expect(dead_code, reason = "held for their Drop, which detaches")]
enum Link {
    Fd(FdLink),
    Filter(SchedClassifierLink),
}

impl Attachment {
    /// Where it is.
    #[must_use]
    pub const fn hook(&self) -> Hook {
        self.hook
    }
}

impl Probe {
    /// Attaches ingress by XDP; `hook` is [`Hook::Native`] or [`Hook::Generic`].
    ///
    /// # Errors
    /// [`Error::Attach`] when the hook is taken or refused, with the id of a program that is in the way.
    pub fn attach_xdp(
        &mut self,
        namespace: &Namespace,
        interface: &Interface,
        hook: Hook,
    ) -> Result<Attachment, Error> {
        let (mode, name) = match hook {
            Hook::Native => (XdpMode::Driver, "native XDP"),
            _ => (XdpMode::Skb, "generic XDP"),
        };
        let refused = |why| Error::Attach { interface: interface.name.clone(), hook: name, why };
        if interface.xdp != 0 {
            let id = interface.xdp;
            return Err(refused(format!(
                "XDP program id {id} is attached already and stays (`bpftool prog show id {id}`)"
            )));
        }
        let program = self.xdp(names::XDP)?;
        let link = namespace.run(|| -> Result<XdpLink, ProgramError> {
            let id = program.attach_to_if_index(interface.index, mode)?;
            program.take_link(id)
        })?;
        let link = link.map_err(|error| refused(xdp_refusal(&error, interface)))?;
        // Without links for XDP (before 5.9) aya attaches by netlink, which survives a crash; dropping it detaches.
        let link = FdLink::try_from(link).map_err(|_| {
            refused("the kernel has no links for XDP; Linux 5.9 is needed".to_owned())
        })?;
        Ok(Attachment { hook, _link: Link::Fd(link) })
    }

    /// Attaches by TCX, or by clsact where the kernel has no TCX.
    ///
    /// # Errors
    /// [`Error::Attach`] when the kernel refuses.
    pub fn attach_tc(
        &mut self,
        namespace: &Namespace,
        interface: &Interface,
        egress: bool,
    ) -> Result<Attachment, Error> {
        let (name, direction) = if egress {
            (names::TC_EGRESS, TcAttachType::Egress)
        } else {
            (names::TC_INGRESS, TcAttachType::Ingress)
        };
        let program = self.classifier(name)?;
        let attached = namespace.run(|| {
            let order = TcAttachOptions::TcxOrder(LinkOrder::first());
            match attach_classifier(program, interface, direction, order) {
                Ok(link) => FdLink::try_from(link)
                    .map(|link| (Hook::Tcx, Link::Fd(link)))
                    .map_err(|error| error.to_string()),
                Err(error) if has_no_tcx(&error) => {
                    // It may be there already; if attaching fails, this says why it is not.
                    let qdisc = tc::qdisc_add_clsact(&interface.name);
                    let options = TcAttachOptions::Netlink(NlOptions::default());
                    attach_classifier(program, interface, direction, options)
                        .map(|link| (Hook::Clsact, Link::Filter(link)))
                        .map_err(|error| match qdisc {
                            Ok(()) => chain(&error),
                            Err(qdisc) => format!(
                                "{}; making the clsact qdisc (module sch_ingress): {}",
                                chain(&error),
                                chain(&qdisc)
                            ),
                        })
                }
                Err(error) => Err(chain(&error)),
            }
        })?;
        let (hook, link) = attached.map_err(|why| Error::Attach {
            interface: interface.name.clone(),
            hook: if egress { "TC egress" } else { "TC ingress" },
            why,
        })?;
        Ok(Attachment { hook, _link: link })
    }
}

fn attach_classifier(
    program: &mut SchedClassifier,
    interface: &Interface,
    direction: TcAttachType,
    options: TcAttachOptions,
) -> Result<SchedClassifierLink, ProgramError> {
    let id = program.attach_with_options(&interface.name, direction, options)?;
    program.take_link(id)
}

/// The kernel knows no TCX: an unknown attach type is EINVAL.
fn has_no_tcx(error: &ProgramError) -> bool {
    os_error(error) == Some(libc::EINVAL)
}

fn xdp_refusal(error: &ProgramError, interface: &Interface) -> String {
    match os_error(error) {
        Some(libc::EBUSY | libc::EEXIST) => {
            "another XDP program is attached already and stays (`bpftool net` names it)".to_owned()
        }
        Some(libc::EOPNOTSUPP) => "the driver has no XDP".to_owned(),
        Some(libc::EINVAL | libc::ERANGE) => {
            format!("the driver refuses XDP as it is set up (MTU {})", interface.mtu)
        }
        _ => chain(error),
    }
}

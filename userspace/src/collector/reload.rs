//! A reload: everything new is read and tried before anything old is let go.

use anyhow::{Context, anyhow};
use tokio::sync::{mpsc, oneshot};

use super::{Running, face::Controls};
use crate::{
    kernel::links::{self, Interface},
    plan::{Change, Plan},
    web::Scrapes,
};

/// A change of plan, on its way to the keeper.
pub(super) struct Revision {
    pub(super) change: Change,
    /// Every interface there is.
    pub(super) all: Vec<Interface>,
    /// Where the answer goes.
    pub(super) answer: oneshot::Sender<anyhow::Result<()>>,
}

/// Where a run takes changes of its plan.
pub(super) struct Reins {
    pub(super) plan: Plan,
    pub(super) controls: Option<Controls>,
    pub(super) scrapes: Scrapes,
    pub(super) revisions: mpsc::Sender<Revision>,
}

impl Running {
    /// Puts `plan` in force, without a gap in any count: interfaces that are new are attached, those that are left out
    /// are let go and keep their totals. Files that it names are read again.
    ///
    /// # Errors
    /// When anything of it cannot be; all of the old plan stays in force then.
    pub async fn reload(&mut self, plan: &Plan) -> anyhow::Result<()> {
        let revised = self.revise(plan).await;
        self.tally.config_read(revised.is_ok());
        revised
    }

    async fn revise(&mut self, plan: &Plan) -> anyhow::Result<()> {
        let change = self.reins.plan.change(plan)?;
        let files = match (&self.reins.controls, &plan.serve) {
            (Some(controls), Some(serve)) => Some((controls, controls.read(serve)?)),
            _ => None,
        };
        let all = links::list(&self.namespace).await?;
        let collectors = change.collectors;
        let (answer, answered) = oneshot::channel();
        let sent = self.reins.revisions.send(Revision { change, all, answer }).await;
        sent.map_err(|_| anyhow!("the ledger is stopping"))?;
        answered.await.context("the ledger is stopping")??;
        if let Some((controls, files)) = files {
            controls.put(files);
        }
        self.reins.scrapes.switch(collectors);
        self.reins.plan = plan.clone();
        Ok(())
    }
}

//! `ipseclab live`: a configuration file, and the node it describes.

pub mod file;
mod names;
mod policy;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ipsec_core::config::{Config, DfPolicy, PolicyDatabases};
use ipsec_core::route::RouteTable;
use ipsec_core::spd::Spd;

use crate::error::OpenError;
use crate::node::{Host, Node};
use crate::outside::Outside;
use crate::record::{Recording, Sources};
use file::File;

/// Why there is no node.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// The configuration asks for something that cannot be.
    #[error("{0}")]
    Config(String),
    /// This computer lacks something, or took it away.
    #[error("{0}")]
    Environment(#[from] OpenError),
}

/// A configuration file, read.
#[derive(Debug)]
pub struct Live {
    path: PathBuf,
    sources: Sources,
    file: File,
    outside: Outside,
}

impl Live {
    /// Reads the file, and looks at this computer's interfaces.
    ///
    /// # Errors
    /// When the file cannot be used, or names an interface that does not exist.
    pub fn read(path: &Path) -> Result<Live, LiveError> {
        let (sources, file) = read(path).map_err(LiveError::Config)?;
        let outside = Outside::discover(&file.machine.outside)?;
        Ok(Live { path: path.to_owned(), sources, file, outside })
    }

    /// What the file says, to be changed by options of the command line.
    pub fn file_mut(&mut self) -> &mut File {
        &mut self.file
    }

    /// Opens the node, negotiates for the connections that ask for it, and works until it is told to stop.
    ///
    /// # Errors
    /// When the policy cannot be used, or this computer lacks something.
    pub fn run(mut self) -> Result<(), LiveError> {
        let mut node = self.open()?;
        tracing::info!(
            outside = ?self.file.machine.outside, tun = self.file.machine.tun,
            rules = node.ipsec().status().spd().entries().len(), "ready"
        );
        for connection in self.file.connections.clone().iter().filter(|c| c.start) {
            if let Err(error) = node.initiate(&connection.name, &mut self) {
                tracing::error!(error, "not started");
            }
        }
        node.run(&mut self).map_err(|e| OpenError::new("the node", e).into())
    }

    /// Opens the node and does nothing yet.
    ///
    /// # Errors
    /// When the policy cannot be used, or this computer lacks something.
    pub fn open(&self) -> Result<Node, LiveError> {
        let mut settings = self.file.settings();
        let mark = settings.mark;
        let config = core_config(&self.sources, &self.outside, |spd| self.outside.routes(spd, mark));
        let config = config.map_err(LiveError::Config)?;
        if let Some((path, secrets)) = self.file.machine.record.clone() {
            settings.record = Some(Recording { path, secrets, sources: self.sources.clone() });
        }
        Ok(Node::open(config, self.outside.clone(), settings)?)
    }

    /// Removes the kernel guard that a node of this file left behind.
    ///
    /// # Errors
    /// When there is no right to do so.
    pub fn remove_guard(&self) -> Result<(), LiveError> {
        let names = self.outside.names().map(str::to_owned).collect();
        let mark = self.file.settings().mark.unwrap_or_default();
        Ok(crate::Guard::new(&self.file.machine.tun, names, mark).remove()?)
    }
}

/// Reads a file, and the others it names; relative paths begin at its folder.
fn read(path: &Path) -> Result<(Sources, File), String> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let file = File::parse(&text).map_err(|e| format!("{}: {e}", path.display()))?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut others = BTreeMap::new();
    for name in file.others() {
        let octets = std::fs::read(folder.join(name)).map_err(|e| format!("{}: {e}", name.display()))?;
        others.insert(name.clone(), octets);
    }
    Ok((Sources { file: text, others }, file))
}

/// The policy of these sources on a computer with these interfaces.
pub(crate) fn policy_of(sources: &Sources, outside: &Outside) -> Result<PolicyDatabases, String> {
    policy::databases(&File::parse(&sources.file)?, &sources.others, outside)
}

/// What the core is told: the same for a live node and for its replay.
pub(crate) fn core_config(
    sources: &Sources,
    outside: &Outside,
    routes: impl FnOnce(&Spd) -> RouteTable,
) -> Result<Config, String> {
    let policy = policy_of(sources, outside)?;
    let routes = routes(&policy.spd);
    let mut config = Config::new(outside.interfaces.clone(), routes, policy);
    config.ike = File::parse(&sources.file)?.ike_config()?;
    // Sockets tell nothing about the path's MTU, so routers on the way may cut sealed packets.
    config.df = DfPolicy::Clear;
    Ok(config)
}

impl Host for Live {
    /// Reads the file again. What it says about this computer, and about IKE's habits, counts from the next start only.
    fn reload(&mut self) -> Result<PolicyDatabases, String> {
        let (sources, file) = read(&self.path)?;
        let before = File::parse(&self.sources.file)?;
        if (&file.machine, &file.ike) != (&before.machine, &before.ike) {
            tracing::warn!("[machine] and [ike] have changed: that counts from the next start");
        }
        let policy = policy_of(&sources, &self.outside)?;
        (self.sources, self.file.netsh, self.file.connections) = (sources, file.netsh, file.connections);
        Ok(policy)
    }

    fn sources(&self) -> Option<Sources> {
        Some(self.sources.clone())
    }
}

//! `ipseclab live`: a configuration file, and the node it describes.

pub mod file;
mod names;
mod policy;

use std::path::{Path, PathBuf};

use ipsec_core::config::{Config, DfPolicy, PolicyDatabases};

use crate::error::OpenError;
use crate::node::{Host, Node};
use crate::outside::Outside;
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
    file: File,
    outside: Outside,
}

impl Live {
    /// Reads the file, and looks at this computer's interfaces.
    ///
    /// # Errors
    /// When the file cannot be used, or names an interface that does not exist.
    pub fn read(path: &Path) -> Result<Live, LiveError> {
        let file = File::read(path).map_err(LiveError::Config)?;
        let outside = Outside::discover(&file.machine.outside)?;
        Ok(Live { path: path.to_owned(), file, outside })
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
        let policy = self.policy(&self.file).map_err(LiveError::Config)?;
        let settings = self.file.settings();
        let mark = settings.mark;
        let routes = self.outside.routes(&policy.spd, mark);
        let mut config = Config::new(self.outside.interfaces.clone(), routes, policy);
        config.ike = self.file.ike_config().map_err(LiveError::Config)?;
        // Sockets tell nothing about the path's MTU, so routers on the way may cut sealed packets.
        config.df = DfPolicy::Clear;
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

    /// The policy of a file on this computer.
    fn policy(&self, file: &File) -> Result<PolicyDatabases, String> {
        policy::databases(file, self.path.parent().unwrap_or(Path::new(".")), &self.outside)
    }
}

impl Host for Live {
    /// Reads the file again. What it says about this computer, and about IKE's habits, counts from the next start only.
    fn reload(&mut self) -> Result<PolicyDatabases, String> {
        let file = File::read(&self.path)?;
        if (&file.machine, &file.ike) != (&self.file.machine, &self.file.ike) {
            tracing::warn!("[machine] and [ike] have changed: that counts from the next start");
        }
        let policy = self.policy(&file)?;
        (self.file.netsh, self.file.connections) = (file.netsh, file.connections);
        Ok(policy)
    }
}

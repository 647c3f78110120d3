//! What the link between the peers carried, judged by tshark.

use crate::lab::{Lab, Outcome, run, until};

/// A capture under way.
pub(crate) struct Wire {
    process: u32,
    file: String,
}

impl Wire {
    /// Begins to capture on an interface.
    pub(crate) fn tap(lab: &mut Lab, space: &str, interface: &str) -> Result<Wire, String> {
        let file = lab.path("wire.pcapng").display().to_string();
        let process = lab.start(space, "wire.log", &["dumpcap", "-q", "-i", interface, "-w", &file])?;
        let ready = || std::fs::metadata(&file).ok().filter(|meta| meta.len() > 0);
        until("dumpcap captures", ready)?;
        Ok(Wire { process, file })
    }

    /// Ends the capture.
    pub(crate) fn end(self, lab: &mut Lab) -> Result<Capture, String> {
        // What the kernel has, it hands out within moments.
        crate::lab::pause(300);
        lab.signal(self.process, "TERM")?;
        Ok(Capture { file: self.file })
    }
}

/// A capture.
pub(crate) struct Capture {
    file: String,
}

impl Capture {
    /// Packets that this display filter lets through.
    pub(crate) fn count(&self, filter: &str) -> Result<usize, String> {
        let text = run(&["tshark", "-r", &self.file, "-Y", filter, "-T", "fields", "-e", "frame.number"])?;
        Ok(text.lines().count())
    }

    /// There are such packets.
    pub(crate) fn has(&self, filter: &str) -> Outcome {
        if self.count(filter)? > 0 { Ok(()) } else { Err(format!("nothing on the wire is `{filter}`")) }
    }

    /// There are no such packets.
    pub(crate) fn lacks(&self, filter: &str) -> Outcome {
        match self.count(filter)? {
            0 => Ok(()),
            count => Err(format!("{count} packets on the wire are `{filter}`")),
        }
    }
}

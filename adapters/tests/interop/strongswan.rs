//! strongSwan's charon with user-space ESP, in a network and a mount namespace of its own.

use crate::lab::{Lab, Outcome, until};

/// Its default plugins would want the kernel's ESP.
const DAEMON: &str = "charon-systemd {
  load = random nonce aes des sha1 sha2 md5 hmac kdf gmp pem pkcs1 pkcs8 x509 pubkey constraints revocation openssl kernel-libipsec kernel-netlink socket-default vici updown
  i_dont_care_about_security_and_use_aggressive_mode_psk = yes
  retransmit_tries = 3
  filelog { log { path = LOG
    default = 1
    ike = 2
    flush_line = yes } }
}
";

/// What swanctl is told of one connection with one child.
#[derive(Clone)]
pub(crate) struct Connection {
    pub(crate) local: &'static str,
    pub(crate) remote: &'static str,
    pub(crate) local_id: &'static str,
    pub(crate) remote_id: &'static str,
    pub(crate) local_net: &'static str,
    pub(crate) remote_net: &'static str,
    pub(crate) proposals: String,
    pub(crate) esp: String,
    pub(crate) aggressive: bool,
    pub(crate) key: &'static str,
    /// More lines of the connection, and of its child.
    pub(crate) more: String,
    pub(crate) more_child: String,
}

impl Connection {
    fn text(&self) -> String {
        let Connection { local, remote, local_id, remote_id, local_net, remote_net, .. } = self;
        let Connection { proposals, esp, aggressive, key, more, more_child, .. } = self;
        let id = |id: &str| if id.is_empty() { String::new() } else { format!("id = {id}\n") };
        let (local_id, remote_id) = (id(local_id), id(remote_id));
        let aggressive = if *aggressive { "yes" } else { "no" };
        format!(
            "connections {{ net {{ version = 1\n local_addrs = {local}\n remote_addrs = {remote}\n \
             proposals = {proposals}\n aggressive = {aggressive}\n {more}\n \
             local {{ auth = psk\n {local_id} }}\n remote {{ auth = psk\n {remote_id} }}\n \
             children {{ t {{ local_ts = {local_net}\n remote_ts = {remote_net}\n esp_proposals = {esp}\n \
             {more_child}\n }} }} }} }}\nsecrets {{ ike1 {{ secret = \"{key}\" }} }}\n"
        )
    }
}

/// A running charon.
pub(crate) struct StrongSwan {
    space: &'static str,
    process: u32,
}

impl StrongSwan {
    /// Starts charon and loads this connection.
    pub(crate) fn start(lab: &mut Lab, space: &'static str, connection: &Connection) -> Result<Self, String> {
        let log = lab.path(&format!("{space}-charon.log"));
        let daemon = DAEMON.replace("LOG", &log.display().to_string());
        lab.write(&format!("{space}-strongswan.conf"), &daemon)?;
        lab.write(&format!("{space}-swanctl.conf"), &connection.text())?;
        Self::again(lab, space)
    }

    /// Starts it with the files it had before.
    pub(crate) fn again(lab: &mut Lab, space: &'static str) -> Result<Self, String> {
        let daemon = lab.path(&format!("{space}-strongswan.conf"));
        let script = format!(
            "mount -t tmpfs none /run; mkdir -p /run/strongswan; STRONGSWAN_CONF={} exec charon-systemd",
            daemon.display()
        );
        let process =
            lab.start(space, &format!("{space}-out.log"), &["unshare", "-m", "sh", "-c", &script])?;
        let strongswan = StrongSwan { space, process };
        until("charon answers", || strongswan.swanctl(lab, &["--stats"]).ok())?;
        let file = lab.path(&format!("{space}-swanctl.conf")).display().to_string();
        strongswan.swanctl(lab, &["--load-all", "--file", &file])?;
        Ok(strongswan)
    }

    /// Runs swanctl in charon's namespaces.
    pub(crate) fn swanctl(&self, lab: &Lab, words: &[&str]) -> Result<String, String> {
        let process = self.process.to_string();
        lab.run(self.space, &[&["timeout", "30", "nsenter", "-m", "-t", &process, "swanctl"], words].concat())
    }

    /// Has it begin.
    pub(crate) fn initiate(&self, lab: &Lab) -> Outcome {
        self.swanctl(lab, &["--initiate", "--child", "t"]).map(|_| ())
    }

    /// Kills it.
    pub(crate) fn kill(self, lab: &mut Lab) -> Outcome {
        lab.signal(self.process, "KILL")
    }
}

//! Keys for whoever analyses captures: Wireshark's tables, and a table of AH in the same style, which Wireshark has none for.

use std::io;
use std::net::IpAddr;
use std::path::Path;

use ipsec_core::io::Keys;
use ipsec_core::sad::IpsecProtocol;
use ipsec_sim::wireshark::KeyRing;

use crate::record::hex;

/// All keys so far.
#[derive(Clone, Default)]
pub(crate) struct KeyLog {
    wireshark: KeyRing,
    ah: String,
}

impl std::fmt::Debug for KeyLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyLog(..)")
    }
}

impl KeyLog {
    /// Takes note of the keys of one SA, and writes all files anew.
    pub(crate) fn learn(&mut self, keys: &Keys, folder: &Path) -> io::Result<()> {
        self.wireshark.learn(keys);
        if let Keys::Ipsec(bundle) = keys {
            let (from, to): (IpAddr, IpAddr) = match bundle.inbound {
                true => (bundle.peer, bundle.local),
                false => (bundle.local, bundle.peer),
            };
            for sa in bundle.sas.iter().filter(|sa| sa.protocol == IpsecProtocol::Ah) {
                let (mac, key) =
                    (sa.mac.map_or_else(String::new, |mac| mac.to_string()), hex(sa.mac_key.expose()));
                self.ah += &format!("\"{from}\",\"{to}\",\"{}\",\"{mac}\",\"0x{key}\"\n", sa.spi);
            }
        }
        // Nobody else may look, whatever the umask says.
        use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))?;
        self.wireshark.write(folder)?;
        std::fs::write(folder.join("ah_sa"), &self.ah)
    }
}

//! Giving up what only the start needs.

use std::io;

use rustix::thread::{
    CapabilitySet, CapabilitySets, remove_capability_from_bounding_set, set_capabilities, set_no_new_privs,
};

/// Keeps nothing but CAP_NET_ADMIN, which a new policy needs for routes and guard: raw sockets and low ports are open by
/// now. Neither this process nor a program it starts can get the others back. For the calling thread and those it starts
/// afterwards.
///
/// # Errors
/// When the kernel refuses; without privileges there is nothing to give up, and no error.
pub fn drop_all_but_net_admin() -> io::Result<()> {
    let kept = CapabilitySet::NET_ADMIN;
    for capability in CapabilitySet::all().difference(kept).iter() {
        // Needs CAP_SETPCAP, and fails for capabilities that this kernel does not know.
        let _ = remove_capability_from_bounding_set(capability);
    }
    let held = rustix::thread::capabilities(None)?;
    let sets = CapabilitySets {
        effective: held.effective & kept,
        permitted: held.permitted & kept,
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, sets)?;
    set_no_new_privs(true)?;
    Ok(())
}
